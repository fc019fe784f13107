// A run: the JSON of a page, and its blocks when they are asked for.

import { inflate } from "./decode.js";
import { amount } from "./number.js";

/** @typedef {import("./decode.js").Note} Note */
/** @typedef {{ordinal: number[], epoch: number[], step: number[]}} Times */
/** @typedef {{names: string[], values: Note | null}} Curves */
/**
 * @typedef {{name: string, frames: number[], kept: number[][] | null, off?: number[] | null, shape: number[], limit: number,
 *   signed: boolean, cells: Note, rms: Note | null}} MapFacts
 */
/** @typedef {{frames: number[], edges: Note, counts: Note}} HistogramFacts */
/** @typedef {{frames: number[], values: Note, edges: Note, exact: boolean}} SpectrumFacts */
/**
 * @typedef {{curves: Curves, maps: MapFacts[], histograms: HistogramFacts | null, spectra: SpectrumFacts | null}} Series
 */
/**
 * @typedef {{name: string, block: number, words: string, kind: string, layout: string, dtype: string, size: number,
 *   shape: number[], aliases: string[], trainable: boolean, blocks: string[], heads: number, stacked: number,
 *   unitsAxis: number, transposed: boolean, row: string, column: string, unit: string,
 *   targets: Record<string, Series>}} LayerFacts
 */
/**
 * @typedef {{name: string, block: number, classes: string[], frames: number[], norms: Note, bias: Note | null,
 *   cosine: Note | null, templates: Note | null, limit: number}} HeadFacts
 */
/**
 * @typedef {{rule: string, severity: string, parameter: string, unit: string | null, epoch: number, step: number,
 *   cause: string, advice: string, source: string, timeless: boolean, message: string, open: boolean}} FindingFacts
 */
/**
 * @typedef {{format: number, title: string, timeless: boolean, colours: string | null, snapshots: number, moments: Times, frames: Times, layers: LayerFacts[], heads: HeadFacts[],
 *   findings: FindingFacts[], strips: Note, totals: Record<string, Curves>}} Facts
 */

/** As the page is written. */
const FORMAT = 1;

export class Run {
  /**
   * @param {Document} page
   * @param {string} prefix Of the ids of its elements.
   */
  constructor(page, prefix = "") {
    const element = page.getElementById(`${prefix}data`);
    if (!element) throw new Error("not a lightning_weightviz page");
    /** @type {Facts} */
    this.facts = JSON.parse(element.textContent ?? "");
    if (this.facts?.format !== FORMAT) throw new Error("a page of another version of lightning_weightviz");
    this.page = page;
    this.prefix = prefix;
    /** @type {Map<number, Promise<Uint8Array>>} */
    this.blocks = new Map();
    /** @type {Map<string, LayerFacts>} */
    this.layers = new Map(this.facts.layers.map((layer) => [layer.name, layer]));
  }

  /**
   * The bytes of a block; the last few stay at hand.
   * @param {number} place
   * @returns {Promise<Uint8Array>}
   */
  block(place) {
    let bytes = this.blocks.get(place);
    if (!bytes) {
      bytes = inflate(this.page.getElementById(`${this.prefix}block-${place}`)?.textContent ?? "");
      this.blocks.set(place, bytes);
      const oldest = this.blocks.keys().next().value;
      if (this.blocks.size > 8 && oldest !== undefined) this.blocks.delete(oldest);
    }
    return bytes;
  }

  /** How much it is of, in words. */
  about() {
    const { timeless, layers, snapshots, moments } = this.facts;
    const size = layers.reduce((sum, layer) => sum + layer.size, 0);
    const last = moments.step.length - 1;
    const words = [`${amount(size)} values in ${layers.length} parameters`];
    if (!timeless && last >= 0) words.push(`${snapshots} snapshots up to ${momentWords(moments, last)}`);
    return words.join(" · ");
  }

  /**
   * The head that a layer is, if it is one.
   * @param {string} name
   */
  headOf(name) {
    return this.facts.heads.find((head) => head.name === name) ?? null;
  }

  /**
   * A frame in words.
   * @param {number} frame
   */
  frameWords(frame) {
    return this.facts.timeless ? "now" : momentWords(this.facts.frames, frame);
  }

  /**
   * A moment in words.
   * @param {number} moment
   */
  momentWords(moment) {
    return this.facts.timeless ? "now" : momentWords(this.facts.moments, moment);
  }

  /**
   * The first frame at a step or after it; else the last.
   * @param {number} step
   */
  frameAt(step) {
    const place = this.facts.frames.step.findIndex((one) => one >= step);
    return place < 0 ? Math.max(this.facts.frames.step.length - 1, 0) : place;
  }

  /**
   * The last frame that is not after a step; else the first.
   * @param {number} step
   */
  frameUpTo(step) {
    return lastUpTo(this.facts.frames.step, step);
  }

  /**
   * The last moment that is not after a step; else the first.
   * @param {number} step
   */
  momentUpTo(step) {
    return lastUpTo(this.facts.moments.step, step);
  }

  /**
   * The moment that a frame was kept at.
   * @param {number} frame
   */
  momentOf(frame) {
    return this.facts.moments.ordinal.indexOf(this.facts.frames.ordinal[frame]);
  }
}

/**
 * @param {number[]} steps
 * @param {number} step
 */
function lastUpTo(steps, step) {
  let found = 0;
  steps.forEach((one, place) => {
    if (one <= step) found = place;
  });
  return found;
}

/**
 * Which of the frames of a map or another thing stands for a frame of the page: the last that is not after it.
 * @param {number[]} frames
 * @param {number} frame
 */
export function nearest(frames, frame) {
  return lastUpTo(frames, frame);
}

/**
 * A moment in words.
 * @param {Times} times
 * @param {number} place
 */
export function momentWords(times, place) {
  const step = times.step[place];
  if (step === undefined) return "no snapshot";
  const start = times.ordinal[place] === 0 && times.epoch[place] === 0;
  return `${start ? "start" : `epoch ${times.epoch[place]}`} · step ${step}`.replaceAll("-", "−");
}
