// The layer and the target that are looked at, as each run has them.

import { runs, shownRuns } from "./runs.js";
import { view } from "./state.js";

/** @typedef {import("./run.js").Run} Run */

/** The layer as the first run has it, else as the second has it. */
export function layerNow() {
  return runs.first.layers.get(view.layer) ?? runs.other?.layers.get(view.layer) ?? null;
}

/** What either run has of the layer: weights, gradients and so on. */
export function targetsNow() {
  const names = shownRuns().flatMap(({ run }) => Object.keys(run.layers.get(view.layer)?.targets ?? {}));
  return [...new Set(names)];
}

/** The target that is looked at: what is asked for where a run has it. */
export function targetNow() {
  const targets = targetsNow();
  return targets.includes(view.target) ? view.target : (targets[0] ?? "");
}

/**
 * What a run has of the layer and the target.
 * @param {Run} run
 */
export function seriesOf(run) {
  const targets = run.layers.get(view.layer)?.targets ?? {};
  const target = targetNow();
  return Object.hasOwn(targets, target) ? targets[target] : null;
}

/**
 * What a run's maps are a change from: a frame is one of the first run's, and stands for the other's at its step.
 * @param {Run} run
 */
export function fromOf(run) {
  const frame = Number(view.from);
  if (run === runs.first || !view.from || Number.isNaN(frame)) return view.from;
  return String(run.frameUpTo(runs.first.facts.frames.step[frame] ?? 0));
}

/**
 * Why a run shows nothing.
 * @param {Run} run
 * @param {string} thing That it has none of.
 */
export function missingWords(run, thing) {
  const layer = run.layers.get(view.layer);
  if (!layer) return "has no such layer";
  const target = targetNow();
  return seriesOf(run) || !target ? `has no ${thing} of it` : `has no ${target} of it`;
}
