// The classes of a head: which are alike, how strong each is, what each looks for.

import { Chart } from "./chart.js";
import { SIGNED } from "./colours.js";
import { readCells, readNumbers } from "./decode.js";
import { FONT, make, named, part, sized, tint } from "./dom.js";
import { spanOf } from "./labels.js";
import { number, withError } from "./number.js";
import { paintSheet } from "./paint.js";
import { nearest } from "./run.js";
import { runs } from "./runs.js";
import { matrixSheet, tileSheet } from "./sheet.js";
import { listenLater, view } from "./state.js";

/** @typedef {import("./run.js").HeadFacts} HeadFacts */
/**
 * @typedef {{facts: HeadFacts, norms: Float32Array, bias: Float32Array | null, cosine: Float32Array | null,
 *   templates: Float32Array | null}} Head
 */

const MOST_TEMPLATES = 60;
const MOST_LINES = 24;
/** Told apart on light and dark. */
const HUES = [210, 25, 130, 345, 50, 275, 175, 0, 90, 310];

/** @type {Head | null} */
let head = null;
let turnOfHead = 0;
/** @type {Chart | null} */
let normChart = null;

async function loadHead() {
  const turn = ++turnOfHead;
  const facts = runs.first.headOf(view.layer);
  const bytes = facts ? await runs.first.block(facts.block) : null;
  if (turn !== turnOfHead) return;
  normChart?.remove();
  normChart = null;
  head = null;
  part("classes").hidden = !facts || !facts.frames.length;
  if (!facts || !bytes || !facts.frames.length) return;
  head = {
    facts,
    norms: readNumbers(bytes, facts.norms),
    bias: facts.bias && readNumbers(bytes, facts.bias),
    cosine: facts.cosine && readCells(bytes, facts.cosine),
    templates: facts.templates && readCells(bytes, facts.templates),
  };
  drawHead();
}

function drawHead() {
  if (!head) return;
  const place = part("classes");
  const opened = place.querySelector("details")?.open;
  const at = nearest(head.facts.frames, view.frame);
  const views = make("div", { class: "class-views" });
  const title = `${head.facts.classes.length} classes`;
  place.replaceChildren(make("h3", {}, title), views, templatesOf(head, at), classTable(head, at, opened));
  if (head.cosine) views.append(cosineOf(head, at));
  views.append(normsOf(head));
}

/**
 * The cosine of each pair of classes.
 * @param {Head} one
 * @param {number} at
 */
function cosineOf(one, at) {
  const note = /** @type {import("./decode.js").Note} */ (one.facts.cosine);
  const cells = /** @type {Float32Array} */ (one.cosine);
  const count = note.shape[1];
  const { classes } = one.facts;
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

/**
 * How long each class's row is, over time.
 * @param {Head} one
 */
function normsOf(one) {
  const { facts, norms } = one;
  const count = facts.classes.length;
  const last = facts.frames.length - 1;
  const order = facts.classes
    .map((_, place) => place)
    .sort((a, b) => norms[last * count + b] - norms[last * count + a]);
  const chosen = count <= MOST_LINES ? order : [...order.slice(0, 5), ...order.slice(-5)];
  const lines = chosen.map((place, rank) => ({
    label: facts.classes[place],
    colour: `hsl(${HUES[rank % HUES.length]} 60% 52%)`,
    values: facts.frames.map((_, frame) => {
      const value = norms[frame * count + place];
      return Number.isFinite(value) ? value : null;
    }),
  }));
  const which = count <= MOST_LINES ? "" : ", the five largest and smallest";
  normChart = new Chart(`How strong each class is (norm${which})`, false, lines);
  const keys = lines.map((line) => {
    const swatch = make("i");
    swatch.style.background = line.colour;
    return make("span", {}, swatch, " ", named(line.label));
  });
  const chart = normChart;
  const steps = facts.frames.map((frame) => runs.first.facts.frames.step[frame]);
  queueMicrotask(() => chart.set(steps, lines));
  return make("div", {}, chart.element, make("p", { class: "keys" }, ...keys));
}

/**
 * What each class looks for.
 * @param {Head} one
 * @param {number} at
 */
function templatesOf(one, at) {
  const note = one.facts.templates;
  if (!note || !one.templates) return "";
  const [, count, channels, height, width] = note.shape;
  const size = channels * height * width;
  const shown = Math.min(count, MOST_TEMPLATES);
  const tiles = Array.from({ length: shown }, (_, place) => {
    const canvas = make("canvas", { role: "img", "aria-label": `template of ${one.facts.classes[place] ?? place}` });
    const from = (at * count + place) * size;
    paintSheet(
      tileSheet([1, channels, height, width], 1),
      /** @type {Float32Array} */ (one.templates).subarray(from, from + size),
      SIGNED,
      one.facts.limit,
      canvas,
    );
    return make("figure", {}, canvas, make("figcaption", {}, named(one.facts.classes[place] ?? String(place))));
  });
  const more = shown < count ? `, the first ${shown} of ${count}` : "";
  return make(
    "div",
    {},
    make("h4", {}, `What each class looks for${more} (±${number(one.facts.limit)})`),
    make("div", { class: "templates" }, ...tiles),
  );
}

/**
 * @param {Head} one
 * @param {number} at
 * @param {boolean | undefined} open
 */
function classTable(one, at, open) {
  const { classes, cosine } = one.facts;
  const count = classes.length;
  const paired =
    cosine && one.cosine && cosine.shape[1] === count
      ? one.cosine.subarray(at * count * count, (at + 1) * count * count)
      : null;
  const words = ["class", "norm", ...(one.bias ? ["bias"] : []), ...(paired ? ["most alike"] : [])];
  const rows = classes.map((name, row) => {
    const cells = [number(one.norms[at * count + row])];
    if (one.bias) cells.push(number(one.bias[at * count + row]));
    const line = make(
      "tr",
      {},
      make("th", { scope: "row" }, named(name)),
      ...cells.map((cell) => make("td", {}, cell)),
    );
    if (paired) {
      let best = -1;
      for (let other = 0; other < count; other++) {
        if (other !== row && (best < 0 || paired[row * count + other] > paired[row * count + best])) best = other;
      }
      line.append(
        best < 0 ? make("td") : make("td", {}, named(classes[best]), ` ${number(paired[row * count + best], 2)}`),
      );
    }
    return line;
  });
  const table = make(
    "table",
    {},
    make("thead", {}, make("tr", {}, ...words.map((word) => make("th", { scope: "col" }, word)))),
    make("tbody", {}, ...rows),
  );
  return make("details", { open }, make("summary", {}, "as a table"), make("div", { class: "wide" }, table));
}

/** Draws the classes, and follows what is looked at. */
export async function showClasses() {
  listenLater((changed) => {
    if (changed.has("layer")) return loadHead();
    if (changed.has("frame")) {
      normChart?.remove();
      drawHead();
    }
  });
  window.addEventListener("resize", () => {
    normChart?.remove();
    drawHead();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawHead);
  await loadHead();
}
