// The cosine of each pair of classes, with the pair under the pointer in words.

import { SIGNED } from "./colours.js";
import { FONT, make, named, sized, tint } from "./dom.js";
import { spanOf } from "./labels.js";
import { number, withError } from "./number.js";
import { paintSheet } from "./paint.js";
import { matrixSheet } from "./sheet.js";

/** @typedef {import("./run.js").HeadFacts} HeadFacts */

/**
 * The cosine of each pair of classes.
 * @param {HeadFacts} facts
 * @param {Float32Array} cells Over time.
 * @param {number} at Which of them.
 */
export function cosineOf(facts, cells, at) {
  const note = /** @type {import("./decode.js").Note} */ (facts.cosine);
  const count = note.shape[1];
  const { classes } = facts;
  const values = cells.subarray(at * count * count, (at + 1) * count * count);
  const sheet = matrixSheet({ ...plainLayer }, count, count);
  const bitmap = document.createElement("canvas");
  paintSheet(
    sheet,
    values.map((value, place) => (isDiagonal(place, count) ? 1 : value)),
    SIGNED,
    1,
    bitmap,
  );
  const canvas = make("canvas", { role: "img", "aria-label": "cosine of each pair of classes" });
  const says = make("p", { class: "says", role: "status" });
  const most = alike(values, count);
  const rest =
    count === classes.length && most
      ? ["most alike: ", named(classes[most[0]]), " and ", named(classes[most[1]]), ` (${number(most[2], 2)})`]
      : ["point at a pair"];
  says.replaceChildren(...rest);
  const figure = make("div", {}, make("h4", {}, "Which classes are alike (cosine)"), canvas, says);
  queueMicrotask(() => {
    const names = count === classes.length && count <= 24;
    const margin = names ? 72 : 2;
    const side = Math.max(80, Math.min(figure.clientWidth - margin - 2, 300));
    const context = sized(canvas, side + margin + 1, side + 2);
    context.imageSmoothingEnabled = false;
    context.drawImage(bitmap, margin, 1, side, side);
    context.fillStyle = tint("quiet");
    context.font = FONT;
    context.textAlign = "right";
    context.textBaseline = "middle";
    context.beginPath();
    context.rect(0, 0, margin - 4, side + 2);
    context.clip();
    if (names)
      classes.forEach((name, row) => context.fillText(name.slice(0, 24), margin - 6, ((row + 0.5) * side) / count));
    canvas.onpointermove = (event) => {
      const [row, column] = [event.offsetY - 1, event.offsetX - margin].map((place) =>
        Math.floor((place * count) / side),
      );
      if (row < 0 || column < 0 || row >= count || column >= count) return;
      const value = values[row * count + column];
      says.replaceChildren(
        classRange(classes, row, count),
        " and ",
        classRange(classes, column, count),
        ": ",
        make(
          "b",
          {},
          isDiagonal(row * count + column, count) && Number.isNaN(value)
            ? "the same"
            : withError(value, 0.5 * (note.step ?? 0.001)),
        ),
      );
    };
  });
  return figure;
}

/** A matrix of no layer. */
const plainLayer = /** @type {import("./run.js").LayerFacts} */ (
  /** @type {unknown} */ ({ blocks: [], heads: 1, stacked: 1, layout: "matrix" })
);

/**
 * @param {number} place
 * @param {number} count
 */
function isDiagonal(place, count) {
  return Math.floor(place / count) === place % count;
}

/**
 * The pair of the largest cosine.
 * @param {Float32Array} values
 * @param {number} count
 * @returns {[number, number, number] | null}
 */
function alike(values, count) {
  /** @type {[number, number, number] | null} */
  let found = null;
  for (let row = 0; row < count; row++) {
    for (let column = row + 1; column < count; column++) {
      const value = values[row * count + column];
      if (Number.isFinite(value) && (!found || value > found[2])) found = [row, column, value];
    }
  }
  return found;
}

/**
 * @param {string[]} classes
 * @param {number} cell
 * @param {number} cells
 */
function classRange(classes, cell, cells) {
  const [first, last] = spanOf(cell, cells, classes.length);
  return first === last ? named(classes[first]) : make("span", {}, named(classes[first]), " … ", named(classes[last]));
}
