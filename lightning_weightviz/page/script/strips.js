// Small curves in the table of layers: all of a column in one scale, so that they can be compared.

import { readNumbers } from "./decode.js";
import { sized, tint } from "./dom.js";
import { degrees } from "./number.js";

/**
 * @typedef {"rms" | "change" | "turned"} Column
 * @typedef {{rms: number[], change: number[], turned: number[]}} Strips Numbers over time.
 * @typedef {{values: number[], at: number[], now: number, colour: string, fill: string}} Line `at` and `now` are shares
 *   of the strip's width; `fill` is "" for a line alone.
 */

const [WIDTH, HEIGHT] = [42, 17];

/** @type {Column[]} */
export const COLUMNS = ["rms", "change", "turned"];

/**
 * Each layer's numbers over time.
 * @param {Float32Array} values rms, change and rotation of all layers, as the page holds them.
 * @param {number} layers
 * @param {number} length
 * @returns {Strips[]}
 */
export function stripsOf(values, layers, length) {
  return Array.from({ length: layers }, (_, layer) => {
    const [rms, change, rotation] = [0, 1, 2].map((index) => {
      const at = (index * layers + layer) * length;
      return Array.from(values.subarray(at, at + length));
    });
    return { rms, change, turned: rotation.map((one) => degrees(one) ?? NaN) };
  });
}

/**
 * Of several layers together: the rms of all their values, and the means by size of the others.
 * @param {{size: number, strips: Strips}[]} parts
 * @param {number} length
 * @returns {Strips}
 */
export function together(parts, length) {
  /** @param {(part: Strips, moment: number) => number} value */
  const mean = (value) =>
    Array.from({ length }, (_, moment) => {
      let [sum, size] = [0, 0];
      for (const part of parts) {
        const one = value(part.strips, moment);
        if (Number.isNaN(one)) continue;
        sum += one * part.size;
        size += part.size;
      }
      return size ? sum / size : NaN;
    });
  return {
    rms: mean((strips, moment) => strips.rms[moment] ** 2).map(Math.sqrt),
    change: mean((strips, moment) => strips.change[moment]),
    turned: mean((strips, moment) => strips.turned[moment]),
  };
}

/**
 * The whole model's numbers over time, where they are known.
 * @param {Uint8Array} bytes
 * @param {Record<string, import("./run.js").Curves>} all
 * @returns {Strips | null}
 */
export function wholeStrips(bytes, all) {
  const totals = Object.values(all)[0];
  const note = totals?.values;
  if (!note) return null;
  const values = readNumbers(bytes, note);
  const length = note.shape[1];
  /** @param {string} name */
  const curve = (name) => {
    const place = totals.names.indexOf(name);
    return place < 0 ? new Array(length).fill(NaN) : Array.from(values.subarray(place * length, (place + 1) * length));
  };
  const turned = curve("rotation").map((one) => degrees(one) ?? NaN);
  return { rms: curve("rms"), change: curve("relative_change"), turned };
}

/** Where numbers of a column lie between 0 and 1. */
export class Scales {
  /** @param {Strips[]} all Of every run. */
  constructor(all) {
    const changes = all.flatMap((strips) => strips.change.filter((one) => one > 0)).sort((a, b) => a - b);
    this.low = Math.log(changes[Math.floor(changes.length * 0.02)] || 1e-6);
    this.high = Math.max(Math.log(changes.at(-1) || 1), this.low + 1e-9);
    this.most = 1e-9;
    this.factor = Math.log(1.25);
    for (const strips of all) {
      for (const one of strips.turned) if (one > this.most) this.most = one;
      const start = firstOf(strips.rms);
      for (const one of strips.rms) {
        const ratio = Math.abs(Math.log(one / start));
        if (ratio > this.factor && Number.isFinite(ratio)) this.factor = ratio;
      }
    }
  }

  /**
   * @param {Column} column
   * @param {number} value
   * @param {number} start
   */
  place(column, value, start) {
    if (column === "turned") return value / this.most;
    if (column === "change") return value > 0 ? Math.max(0, (Math.log(value) - this.low) / (this.high - this.low)) : 0;
    return 0.5 + (0.5 * Math.log(value / start)) / this.factor;
  }

  /** What the strips say, in words. */
  get words() {
    const factor = Math.exp(this.factor);
    return `Strips over time, one scale for all layers: rms from 1/${factor.toPrecision(2)} to ${factor.toPrecision(2)} times the start, change on a log scale, turned from 0° to ${Math.round(this.most)}°.`;
  }
}

/** @param {number[]} values */
function firstOf(values) {
  return values.find((value) => value > 0 && Number.isFinite(value)) ?? 1;
}

/**
 * Draws one strip, with a mark at the moment that is looked at.
 * @param {HTMLCanvasElement} canvas
 * @param {Scales} scales
 * @param {Column} column
 * @param {Line[]} lines
 */
export function drawStrip(canvas, scales, column, lines) {
  const [width, height] = [WIDTH, HEIGHT];
  const context = sized(canvas, width, height);
  const base = column === "rms" ? 0.5 : 0;
  /** @param {number} share */
  const y = (share) => 1 + (height - 2) * (1 - Math.min(1, Math.max(0, share)));
  /** @param {number} share */
  const x = (share) => share * (width - 2) + 1;
  context.strokeStyle = tint("line");
  context.beginPath();
  context.moveTo(0, y(base));
  context.lineTo(width, y(base));
  context.stroke();
  for (const { values, at, colour, fill } of lines) {
    const start = firstOf(values);
    const bar = Math.max(1, width / Math.max(values.length, 2));
    // Of a line alone a single point would not be seen.
    const dot = fill || values.filter(Number.isFinite).length > 1 ? 0 : 1;
    context.fillStyle = tint(fill || colour);
    context.strokeStyle = tint(colour);
    context.beginPath();
    let open = false;
    values.forEach((value, place) => {
      if (!Number.isFinite(value)) {
        open = false;
        return;
      }
      const [across, down] = [x(at[place]), y(scales.place(column, value, start))];
      if (fill) context.fillRect(across - 0.5, Math.min(down, y(base)), bar, Math.abs(y(base) - down));
      if (dot) context.fillRect(across - 1.5, down - 1.5, 3, 3);
      if (open) context.lineTo(across, down);
      else context.moveTo(across, down);
      open = true;
    });
    context.stroke();
  }
  if (!lines.length) return;
  context.fillStyle = tint("ink");
  context.fillRect(x(lines[0].now) - 0.5, 0, 1, height);
}
