// The name of a run, where there are two.

import { make, named } from "./dom.js";

/** @typedef {import("./runs.js").Shown} Shown */

/**
 * In the run's colour.
 * @param {Shown} shown
 */
export function runName({ title, word }) {
  return make("span", { class: `run-name ${word}`, title: `the ${word} run` }, named(title));
}
