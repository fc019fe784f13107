// The layers of all runs as one list.

/** @typedef {import("./run.js").LayerFacts} LayerFacts */
/**
 * A layer, as the first run that has it knows it, and its place in each run: −1 where a run has none of that name.
 * @typedef {{layer: LayerFacts, orders: number[]}} Common
 */

/**
 * The first run's layers in order; what only the second has stands behind what it stands behind there.
 * @param {LayerFacts[][]} all Of each run.
 * @returns {Common[]}
 */
export function commonLayers(all) {
  const [first, second] = all;
  if (!second) return first.map((layer, order) => ({ layer, orders: [order] }));
  const places = new Map(second.map((layer, order) => [layer.name, order]));
  const known = new Set(first.map((layer) => layer.name));
  /** @type {Map<string, Common[]>} */
  const behind = new Map();
  let before = "";
  second.forEach((layer, order) => {
    if (known.has(layer.name)) before = layer.name;
    else behind.set(before, [...(behind.get(before) ?? []), { layer, orders: [-1, order] }]);
  });
  const common = first.flatMap((layer, order) => [
    { layer, orders: [order, places.get(layer.name) ?? -1] },
    ...(layer.name ? (behind.get(layer.name) ?? []) : []),
  ]);
  return [...(behind.get("") ?? []), ...common];
}
