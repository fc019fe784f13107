// What is looked at: kept in the address, told to all who listen.

import { painted, part } from "./dom.js";

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

/** @typedef {(changed: Set<string>) => void | Promise<void>} Listener */

/** @type {Listener[]} */
const listeners = [];
/** @type {Listener[]} */
const lateListeners = [];
/** What late listeners have not been told yet. */
const owed = /** @type {Set<string>} */ (new Set());
/** @type {Promise<unknown>} */
let drawing = Promise.resolve();
let finishing = false;

/** @param {Listener} listener */
export function listen(listener) {
  listeners.push(listener);
}

/**
 * Tells once what the others have drawn is on the screen, for what nobody looks at first.
 * @param {Listener} listener
 */
export function listenLater(listener) {
  lateListeners.push(listener);
}

/**
 * Looks at something else.
 * @param {Partial<View>} next
 */
export function look(next) {
  const changed = new Set(Object.keys(next).filter((name) => Reflect.get(view, name) !== Reflect.get(next, name)));
  if (!changed.size) return;
  Object.assign(view, next);
  spread(changed);
}

/**
 * Says that something else has changed than the view.
 * @param {string} name
 */
export function tell(name) {
  spread(new Set([name]));
}

/** @param {Set<string>} changed */
function spread(changed) {
  for (const name of changed) owed.add(name);
  drawing = Promise.all(listeners.map((listener) => listener(changed)));
  if (!finishing) void finish();
}

/** Once all is on the screen: the rest, and the address, which browsers let nobody write too often. */
async function finish() {
  finishing = true;
  part("cards").setAttribute("aria-busy", "true");
  try {
    while (owed.size) {
      await drawing;
      await painted();
      const changed = new Set(owed);
      owed.clear();
      for (const listener of lateListeners) {
        // Another layer is asked for: that comes first.
        if (owed.has("layer")) break;
        await listener(changed);
      }
      if (owed.has("layer")) for (const name of changed) owed.add(name);
    }
    writeAddress();
  } finally {
    finishing = false;
    part("cards").removeAttribute("aria-busy");
  }
}

function writeAddress() {
  try {
    history.replaceState(null, "", `#${address()}`);
  } catch {
    // Inside a notebook the page has no address of its own.
  }
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
