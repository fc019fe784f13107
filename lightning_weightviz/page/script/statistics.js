// What the statistics are called, and how they are shown.

import { degrees } from "./number.js";

const WORDS = new Map([
  ["rms", "rms"],
  ["std", "std"],
  ["absmax", "|max|"],
  ["zero_fraction", "zeros (share)"],
  ["nan_count", "NaN"],
  ["inf_count", "±∞"],
  ["rotation", "turned since start (°)"],
  ["relative_change", "change per snapshot"],
  ["update_ratio", "update ratio"],
  ["stable_rank", "stable rank"],
  ["dead_units", "dead units"],
  ["spectral_norm", "spectral norm"],
]);

/** @param {string} name */
export function statisticWords(name) {
  return WORDS.get(name) ?? name.replaceAll("_", " ");
}

/**
 * Its values as they are shown: null where there is none.
 * @param {string} name
 * @param {Float32Array} values
 * @returns {(number | null)[]}
 */
export function shownValues(name, values) {
  return Array.from(values, (value) => {
    if (!Number.isFinite(value)) return null;
    return name === "rotation" ? degrees(value) : value;
  });
}
