// The cells of one map over time, and what has changed between two of its frames.

import { RISING, SIGNED } from "./colours.js";
import { Cells, errorOf, readShares, shareError } from "./decode.js";
import { labelsOf } from "./labels.js";
import { nearest } from "./run.js";
import { matrixSheet, tileSheet } from "./sheet.js";

/** @typedef {import("./run.js").LayerFacts} LayerFacts */
/** @typedef {import("./run.js").MapFacts} MapFacts */
/** @typedef {{values: Float32Array, error: (place: number) => number}} Moment */

const SAMPLED = 20000;

export class Frames {
  /**
   * @param {LayerFacts} layer
   * @param {MapFacts} facts
   * @param {Uint8Array} bytes
   * @param {string[]} classes
   * @param {number} aspect Of a grid of tiles.
   */
  constructor(layer, facts, bytes, classes, aspect) {
    this.layer = layer;
    this.facts = facts;
    this.bytes = bytes;
    this.cells = new Cells(bytes, facts.cells);
    this.size = this.cells.size;
    this.tiled = facts.name === "filters";
    const [height, width] = this.tiled ? [1, 1] : [facts.cells.shape[1], facts.cells.shape[2]];
    this.labels = labelsOf(layer, classes, [facts.shape[0], facts.shape[1]]);
    this.sheet = this.tiled ? tileSheet(facts.cells.shape.slice(1), aspect) : matrixSheet(layer, height, width);
    /** @type {Float32Array | null} */
    this.shares = null;
    /** @type {Map<string, number>} */
    this.limits = new Map();
  }

  /**
   * Which of its frames stands for one of the page, and which it is compared with; −1 for none.
   * @param {number} frame
   * @param {string} from
   */
  pair(frame, from) {
    const now = nearest(this.facts.frames, frame);
    if (!from) return { now, then: -1 };
    if (from === "start") return { now, then: 0 };
    if (from === "previous") return { now, then: Math.max(now - 1, 0) };
    return { now, then: nearest(this.facts.frames, Number(from)) };
  }

  /** @param {number} place */
  raw(place) {
    return this.cells.frame(place);
  }

  /**
   * The cells at a frame of the page, or what they have changed.
   * @param {number} frame
   * @param {string} from
   * @returns {Moment}
   */
  at(frame, from) {
    const { now, then } = this.pair(frame, from);
    const values = this.raw(now);
    if (then < 0) return { values, error: (place) => this.error(now, values[place]) };
    const before = this.raw(then);
    return {
      values: values.map((value, place) => value - before[place]),
      error: (place) => (now === then ? 0 : this.error(now, values[place]) + this.error(then, before[place])),
    };
  }

  /**
   * How far a cell of a frame may be off: what comes from an earlier page is rounded twice.
   * @param {number} frame
   * @param {number} value
   */
  error(frame, value) {
    const off = Number.isFinite(value) ? (this.facts.off?.[frame] ?? 0) : 0;
    return errorOf(this.facts.cells, value) + off;
  }

  /**
   * One range for all frames.
   * @param {string} from
   */
  limit(from) {
    if (!from) return this.facts.limit;
    let limit = this.limits.get(from);
    if (limit === undefined) {
      limit = this.changeLimit(from);
      this.limits.set(from, limit);
    }
    return limit;
  }

  /** @param {string} from */
  changeLimit(from) {
    const every = Math.max(1, Math.floor(this.cells.length / SAMPLED));
    /** @type {number[]} */
    const sizes = [];
    for (const frame of this.facts.frames) {
      const { now, then } = this.pair(frame, from);
      const [values, before] = [this.raw(now), this.raw(then)];
      if (now === then) continue;
      for (let place = 0; place < this.size; place += every) {
        const size = Math.abs(values[place] - before[place]);
        if (Number.isFinite(size)) sizes.push(size);
      }
    }
    sizes.sort((a, b) => a - b);
    return sizes[Math.floor(sizes.length * 0.995)] || 1;
  }

  /** @param {string} from */
  table(from) {
    return this.facts.signed || from ? SIGNED : RISING;
  }

  /**
   * The rms of the values of a cell, where it is known.
   * @param {number} place
   * @param {number} frame
   */
  rms(place, frame) {
    const note = this.facts.rms;
    if (!note) return null;
    this.shares ??= readShares(this.bytes, note);
    const now = nearest(this.facts.frames, frame);
    const extreme = Math.abs(this.cells.value(now, place));
    const value = extreme * this.shares[now * this.size + place];
    if (!Number.isFinite(value)) return null;
    return { value, error: value * shareError(note) + errorOf(this.facts.cells, extreme) };
  }

  /**
   * Rows and columns of the cells that a frame was kept in: those before a resume may be coarser than those drawn.
   * @param {number} frame
   * @returns {[number, number]}
   */
  grid(frame) {
    const drawn = this.facts.cells.shape;
    const kept = this.facts.kept?.[nearest(this.facts.frames, frame)] ?? drawn.slice(1, 3);
    return [Math.min(kept[0], drawn[1]), Math.min(kept[1], drawn[2])];
  }

  /**
   * A cell over all of its frames.
   * @param {number} place
   */
  history(place) {
    return this.facts.frames.map((_, frame) => Math.fround(this.cells.value(frame, place)));
  }
}
