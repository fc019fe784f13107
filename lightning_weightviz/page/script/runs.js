// The run of this page, and the one beside it where there is one.

import { Run } from "./run.js";
import { view } from "./state.js";

/**
 * A run as the page shows it: `word` tells the two apart, `colour` and `fill` are the style's; `frame` of its maps and
 * `moment` of its numbers stand for the step that is looked at.
 * @typedef {{run: Run, place: number, word: string, title: string, colour: string, fill: string, frame: number,
 *   moment: number}} Shown
 */

/** @type {{first: Run, other: Run | null}} */
export const runs = {
  first: new Run(document),
  other: document.getElementById("other-data") ? new Run(document, "other-") : null,
};

/**
 * The frame of the other run at the step of one of ours.
 * @param {number} frame
 */
export function otherFrame(frame) {
  return runs.other ? runs.other.frameUpTo(runs.first.facts.frames.step[frame] ?? 0) : 0;
}

/**
 * The runs at the step that is looked at: one, or two.
 * @returns {Shown[]}
 */
export function shownRuns() {
  const { first, other } = runs;
  // Two runs of one program have one title.
  const alike = first.facts.title === other?.facts.title;
  /** @type {(run: Run, word: string) => string} */
  const titled = (run, word) => (alike || !run.facts.title ? `${run.facts.title} (${word})`.trim() : run.facts.title);
  const shown = {
    run: first,
    place: 0,
    word: "first",
    title: other ? titled(first, "first") : first.facts.title,
    colour: "accent",
    fill: "strip",
    frame: view.frame,
    moment: Math.max(first.momentOf(view.frame), 0),
  };
  if (!other) return [shown];
  const beside = {
    run: other,
    place: 1,
    word: "second",
    title: titled(other, "second"),
    colour: "other",
    fill: "other-strip",
    frame: otherFrame(view.frame),
    moment: other.momentUpTo(first.facts.frames.step[view.frame] ?? 0),
  };
  return [shown, beside];
}

/**
 * Whether one of the runs has a layer.
 * @param {string} name
 */
export function hasLayer(name) {
  return runs.first.layers.has(name) || Boolean(runs.other?.layers.has(name));
}
