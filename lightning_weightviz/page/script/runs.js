// The run of this page, and the one beside it where there is one.

import { Run } from "./run.js";

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
