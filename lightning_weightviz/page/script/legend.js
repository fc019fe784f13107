// The colours of the map and what they stand for.

import { cssColour } from "./colours.js";
import { make, part } from "./dom.js";
import { number } from "./number.js";
import { brokenOf } from "./paint.js";
import { view } from "./state.js";

/** @typedef {import("./frames.js").Frames} Frames */

/**
 * The colours and what they stand for.
 * @param {Frames} frames
 * @param {Float32Array} values
 * @param {number} limit
 */
export function showScale(frames, values, limit) {
  const table = frames.table(view.from);
  const rgb = frames.sheet.channels === 3;
  const bar = make("canvas", { class: "bar", "aria-hidden": "true" });
  bar.width = table.colours.length;
  bar.height = 1;
  const context = bar.getContext("2d");
  const image = context?.createImageData(table.colours.length, 1);
  if (context && image) {
    new Uint32Array(image.data.buffer).set(table.colours);
    context.putImageData(image, 0, 0);
  }
  const low = table.middle ? number(-limit) : "0";
  const ends = [make("span", {}, low), bar, make("span", {}, number(limit).replace(/^/, table.middle ? "+" : ""))];
  const inColour = make(
    "span",
    {},
    `in each colour ${number(-limit)} is dark, 0 middle grey, +${number(limit)} bright`,
  );
  const broken = brokenOf(values).map((kind) => {
    const swatch = make("i");
    swatch.style.background = cssColour(kind.colour);
    return make("span", { class: "broken" }, swatch, ` ${kind.word}: ${kind.count}`);
  });
  const meaning = `${view.from ? "change, " : ""}${meaningOf(frames)}`;
  part("scale").replaceChildren(
    make("span", { class: "ends" }, ...(rgb ? [inColour] : ends)),
    ...broken,
    make("span", { class: "meaning" }, meaning),
  );
}

/**
 * What a cell is.
 * @param {Frames} frames
 */
export function meaningOf(frames) {
  const { facts } = frames;
  const thing =
    facts.name === "norms" ? "norm of one kernel" : facts.name === "sums" ? "sum of one kernel" : "one weight";
  if (frames.tiled) return `each tile: one ${frames.layer.unit}, one range for all`;
  const [height, width] = [facts.cells.shape[1], facts.cells.shape[2]];
  if (height === facts.shape[0] && width === facts.shape[1]) return `each cell: ${thing}`;
  const block = `${Math.ceil(facts.shape[0] / height)}×${Math.ceil(facts.shape[1] / width)}`;
  const uneven = facts.shape[0] % height || facts.shape[1] % width ? "up to " : "";
  return `each cell: the value farthest from 0 of ${uneven}${block}`;
}
