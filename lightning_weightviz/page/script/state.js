// What is looked at: kept in the address, told to all who listen.

/**
 * `from` is "" for the weights themselves, else what is taken away from them: "start", "previous" or a frame's place.
 * `numbers` says whose the table shows where there are two runs: "both", "first", "second" or "difference".
 * @typedef {{layer: string, frame: number, target: string, map: string, from: string, numbers: string}} View
 */

/** What is looked at where it is no layer, but all of them. */
export const WHOLE = "whole model";

/** @type {View} */
export const view = { layer: "", frame: 0, target: "", map: "", from: "", numbers: "" };

const FURTHER = /** @type {const} */ (["target", "map", "from", "numbers"]);

/** @type {((changed: Set<string>) => void)[]} */
const listeners = [];

/** @param {(changed: Set<string>) => void} listener */
export function listen(listener) {
  listeners.push(listener);
}

/**
 * Looks at something else.
 * @param {Partial<View>} next
 */
export function look(next) {
  const changed = new Set(Object.keys(next).filter((name) => Reflect.get(view, name) !== Reflect.get(next, name)));
  if (!changed.size) return;
  Object.assign(view, next);
  try {
    history.replaceState(null, "", `#${address()}`);
  } catch {
    // Inside a notebook the page has no address of its own.
  }
  for (const listener of listeners) listener(changed);
}

/**
 * Says that something else has changed than the view.
 * @param {string} name
 */
export function tell(name) {
  for (const listener of listeners) listener(new Set([name]));
}

/** The view as what stands behind the # of the address. */
function address() {
  const words = new URLSearchParams();
  words.set("layer", view.layer);
  words.set("frame", String(view.frame));
  for (const name of FURTHER) if (view[name]) words.set(name, view[name]);
  return words.toString();
}

/**
 * The view that the address asks for.
 * @returns {Partial<View>}
 */
export function addressed() {
  const words = new URLSearchParams(location.hash.slice(1));
  /** @type {Partial<View>} */
  const asked = {};
  for (const name of /** @type {const} */ (["layer", ...FURTHER])) {
    const word = words.get(name);
    if (word !== null) asked[name] = word;
  }
  const frame = Number.parseInt(words.get("frame") ?? "", 10);
  if (Number.isFinite(frame)) asked.frame = frame;
  return asked;
}
