// The numbers in the table of layers, of one run or two: as words, as what rows are sorted by, and over time.

import { readNumbers } from "./decode.js";
import { amount, number } from "./number.js";
import { numbersNow } from "./numbers.js";
import { shownRuns } from "./runs.js";
import { Scales, stripsOf, together, wholeStrips } from "./strips.js";
import { commonLayers } from "./union.js";

/** @typedef {import("./names.js").Branch} Branch */
/** @typedef {import("./run.js").Run} Run */
/** @typedef {import("./strips.js").Column} Column */
/** @typedef {import("./strips.js").Strips} Strips */
/** @typedef {import("./strips.js").Line} Line */
/** @typedef {{run: Run, colour: string, fill: string, strips: Strips[], whole: Strips | null, at: number[]}} Source */

/** What tells two lines apart in one strip: only the first is filled. */
const UNFILLED = "";

/** Reads what the table shows of each run. */
export async function readColumns() {
  const shown = shownRuns();
  const read = await Promise.all(
    shown.map(async ({ run, colour, fill }) => {
      const bytes = await run.block(0);
      const { layers, moments, strips, totals } = run.facts;
      const all = stripsOf(readNumbers(bytes, strips), layers.length, moments.step.length);
      return { run, colour, fill, strips: all, whole: wholeStrips(bytes, totals) };
    }),
  );
  const steps = read.flatMap(({ run }) => run.facts.moments.step);
  const low = steps.reduce((least, one) => Math.min(least, one), Infinity);
  const high = steps.reduce((most, one) => Math.max(most, one), -Infinity);
  return new Columns(
    read.map((one) => {
      const { step } = one.run.facts.moments;
      const last = Math.max(step.length - 1, 1);
      // Of one run, snapshot by snapshot; two are beside each other at the same step.
      const at = step.map((now, place) => (read.length < 2 ? place / last : high > low ? (now - low) / (high - low) : 0));
      return { ...one, at };
    }),
  );
}

export class Columns {
  /** @param {Source[]} sources Of each run. */
  constructor(sources) {
    const common = commonLayers(sources.map(({ run }) => run.facts.layers));
    this.sources = sources;
    this.layers = common.map(({ layer }) => layer);
    this.orders = common.map(({ orders }) => orders);
    this.scales = new Scales(sources.flatMap(({ strips }) => strips));
    this.hasWhole = sources.some(({ whole }) => whole) && common.length > 1;
    /** @type {Map<Branch, (Strips | null)[]>} */
    this.known = new Map();
  }

  /**
   * A row's numbers over time, of each run.
   * @param {Branch} one
   */
  strips(one) {
    let strips = this.known.get(one);
    if (!strips) {
      strips = this.sources.map((source, place) => this.stripsIn(one, source, place));
      this.known.set(one, strips);
    }
    return strips;
  }

  /**
   * @param {Branch} one
   * @param {Source} source
   * @param {number} place
   */
  stripsIn(one, source, place) {
    if (!one.parent && source.whole) return source.whole;
    const orders = one.layers.map((layer) => this.orders[layer][place]).filter((order) => order >= 0);
    if (!orders.length) return null;
    if (one.layer) return source.strips[orders[0]];
    const parts = orders.map((order) => ({ size: source.run.facts.layers[order].size, strips: source.strips[order] }));
    return together(parts, source.at.length);
  }

  /**
   * How many values it has in each run: NaN where the run has none of it.
   * @param {Branch} one
   */
  sizes(one) {
    return this.sources.map(({ run }, place) => {
      const orders = one.layers.map((layer) => this.orders[layer][place]).filter((order) => order >= 0);
      return orders.length ? orders.reduce((sum, order) => sum + run.facts.layers[order].size, 0) : NaN;
    });
  }

  /**
   * The only run that has it; null where both have.
   * @param {Branch} one
   */
  only(one) {
    const sizes = this.sizes(one);
    if (sizes.length < 2 || !sizes.some(Number.isNaN)) return null;
    return Number.isNaN(sizes[0]) ? "second" : "first";
  }

  /**
   * The numbers of a row at the step that is looked at, of each run.
   * @param {Branch} one
   * @param {Column | "size"} column
   */
  values(one, column) {
    if (column === "size") return this.sizes(one);
    const strips = this.strips(one);
    return shownRuns().map(({ moment, place }) => strips[place]?.[column][moment] ?? NaN);
  }

  /**
   * What rows are sorted by: of a difference its size.
   * @param {Branch} one
   * @param {string} column
   */
  key(one, column) {
    if (column === "name") return one.path;
    const [first, second] = this.values(one, /** @type {Column | "size"} */ (column));
    const numbers = numbersNow();
    if (numbers === "difference") return Math.abs(second - first);
    if (numbers === "second") return second;
    return numbers === "both" && Number.isNaN(first) ? second : first;
  }

  /**
   * What a cell says: one line, or two where both runs are shown.
   * @param {Branch} one
   * @param {Column | "size"} column
   * @returns {string[]}
   */
  words(one, column) {
    const [first, second] = this.values(one, column);
    const numbers = numbersNow();
    if (numbers === "first") return [cellWords(column, first)];
    if (numbers === "second") return [cellWords(column, second)];
    if (numbers === "both") return [cellWords(column, first), cellWords(column, second)];
    const exact = second - first;
    // What is a tenth of a degree apart is told apart by no eye.
    const difference = column === "turned" ? Math.round(10 * exact) / 10 : exact;
    return [`${difference > 0 ? "+" : ""}${cellWords(column, difference, 2)}`];
  }

  /**
   * The same for who does not see the colours; null of one run.
   * @param {string[]} words
   */
  spoken(words) {
    if (this.sources.length < 2) return null;
    const numbers = numbersNow();
    return numbers === "both" ? `first ${words[0]}, second ${words[1]}` : `${numbers} ${words[0]}`;
  }

  /**
   * What a cell draws.
   * @param {Branch} one
   * @param {Column} column
   * @returns {Line[]}
   */
  lines(one, column) {
    const strips = this.strips(one);
    const numbers = numbersNow();
    const lines = shownRuns().flatMap(({ place, moment, word }) => {
      const { at, colour, fill } = this.sources[place];
      const values = strips[place]?.[column];
      const wanted = word === numbers || numbers === "both" || numbers === "difference";
      return values && wanted ? [{ values, at, now: at[moment] ?? 0, colour, fill }] : [];
    });
    return lines.map((line, place) => (place ? { ...line, fill: UNFILLED } : line));
  }
}

/**
 * @param {Column | "size"} column
 * @param {number} value
 * @param {number} digits Of what is a share or a size.
 */
function cellWords(column, value, digits = 3) {
  if (Number.isNaN(value)) return "–";
  if (column === "size") return value < 0 ? `−${amount(-value)}` : amount(value);
  return column === "turned" ? `${number(value, 2)}°` : number(value, digits);
}
