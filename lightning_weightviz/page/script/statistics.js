// What the statistics are called, and how they are shown.

import { degrees } from "./number.js";

const WORDS = new Map([
  ["rms", "rms"],
  ["std", "std"],
  ["absmax", "|max|"],
  ["zero_fraction", "zeros (share)"],
  ["nan_count", "NaN"],
  ["inf_count", "±∞"],
  ["rotation", "turned since the start (°)"],
  ["relative_change", "change since the snapshot before"],
  ["update_ratio", "one step's update / weight"],
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
