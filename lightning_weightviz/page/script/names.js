// Names of layers as a tree by their dots, and which of them a search means.

/** @typedef {import("./run.js").LayerFacts} LayerFacts */
/**
 * A layer, or a group of them: `path` is its whole name.
 * @typedef {{path: string, label: string, depth: number, layer: LayerFacts | null, order: number, parent: Branch | null,
 *   children: Branch[], size: number, layers: number[]}} Branch
 */

/**
 * The tree of all layers; groups of one child are joined with it.
 * @param {LayerFacts[]} layers
 * @returns {Branch}
 */
export function treeOf(layers) {
  const root = branch("", "", 0, null, 0, null);
  /** @type {Map<string, Branch>} */
  const groups = new Map([["", root]]);
  layers.forEach((layer, order) => {
    const parts = layer.name.split(".");
    let above = root;
    for (let length = 1; length < parts.length; length++) {
      const path = parts.slice(0, length).join(".");
      let group = groups.get(`${path}.`);
      if (!group) {
        group = branch(path, parts[length - 1], 0, null, order, above);
        groups.set(`${path}.`, group);
        above.children.push(group);
      }
      above = group;
    }
    above.children.push(branch(layer.name, parts.at(-1) ?? "", 0, layer, order, above));
  });
  root.children = root.children.map((child) => joined(child, root, 0));
  count(root);
  return root;
}

/**
 * @param {string} path
 * @param {string} label
 * @param {number} depth
 * @param {LayerFacts | null} layer
 * @param {number} order
 * @param {Branch | null} parent
 * @returns {Branch}
 */
function branch(path, label, depth, layer, order, parent) {
  return { path, label, depth, layer, order, parent, children: [], size: 0, layers: [] };
}

/**
 * @param {Branch} one
 * @param {Branch} parent
 * @param {number} depth
 * @returns {Branch}
 */
function joined(one, parent, depth) {
  while (one.children.length === 1) {
    const child = one.children[0];
    one = { ...child, label: `${one.label}.${child.label}` };
  }
  one.parent = parent;
  one.depth = depth;
  const self = one;
  one.children = one.children.map((child) => joined(child, self, depth + 1));
  return one;
}

/** @param {Branch} one */
function count(one) {
  if (one.layer) {
    one.size = one.layer.size;
    one.layers = [one.order];
    return;
  }
  for (const child of one.children) {
    count(child);
    one.size += child.size;
    for (const order of child.layers) one.layers.push(order);
  }
}

/**
 * Whether a name is meant: by a part of it in any case, or by a glob over all of it where there is a *, ? or [.
 * @param {string} asked
 * @returns {(name: string) => boolean}
 */
export function matcher(asked) {
  const text = asked.trim();
  if (!/[*?[]/.test(text)) {
    const low = text.toLowerCase();
    return (name) => name.toLowerCase().includes(low);
  }
  const pattern = text.replace(/\[(!?)([^\]]+)\]|[*?]|[\\^$.|+(){}[\]]/g, (found, not, letters) => {
    if (letters) return `[${not ? "^" : ""}${letters.replace(/[\\\]^[]/g, "\\$&")}]`;
    if (found === "*") return ".*";
    return found === "?" ? "." : `\\${found}`;
  });
  try {
    const whole = new RegExp(`^${pattern}$`, "su");
    return (name) => whole.test(name);
  } catch {
    // A range that runs backwards means nothing.
    return () => false;
  }
}
