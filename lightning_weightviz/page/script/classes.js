// The classes of a head: which are alike, how strong each is, what each looks for.

import { Card } from "./card.js";
import { Chart } from "./chart.js";
import { classTable } from "./classtable.js";
import { SIGNED } from "./colours.js";
import { cosineOf } from "./cosine.js";
import { readCells, readNumbers } from "./decode.js";
import { make, named } from "./dom.js";
import { number } from "./number.js";
import { paintSheet } from "./paint.js";
import { nearest } from "./run.js";
import { tileSheet } from "./sheet.js";
import { view } from "./state.js";

/** @typedef {import("./run.js").HeadFacts} HeadFacts */
/** @typedef {import("./run.js").Run} Run */
/** @typedef {import("./runs.js").Shown} Shown */
/**
 * @typedef {{facts: HeadFacts, steps: number[], norms: Float32Array, bias: Float32Array | null,
 *   cosine: Float32Array | null, templates: Float32Array | null}} Head
 */

const MOST_TEMPLATES = 60;
const MOST_LINES = 24;
/** Told apart on light and dark. */
const HUES = [210, 25, 130, 345, 50, 275, 175, 0, 90, 310];

/**
 * @param {Run} run
 * @returns {Promise<Head | null>}
 */
async function readHead(run) {
  const facts = run.headOf(view.layer);
  if (!facts?.frames.length) return null;
  const bytes = await run.block(facts.block);
  return {
    facts,
    steps: facts.frames.map((frame) => run.facts.frames.step[frame]),
    norms: readNumbers(bytes, facts.norms),
    bias: facts.bias && readNumbers(bytes, facts.bias),
    cosine: facts.cosine && readCells(bytes, facts.cosine),
    templates: facts.templates && readCells(bytes, facts.templates),
  };
}

class ClassPanel {
  constructor() {
    this.element = make("div");
    /** @type {Chart | null} */
    this.chart = null;
  }

  clear() {
    this.chart?.remove();
    this.chart = null;
    this.element.replaceChildren();
  }

  /**
   * @param {Head} head
   * @param {Shown} shown
   * @param {Head[]} all
   */
  draw(head, shown, all) {
    const opened = this.element.querySelector("details")?.open;
    this.chart?.remove();
    const at = nearest(head.facts.frames, shown.frame);
    const views = make("div", { class: "class-views" });
    const count = make("p", {}, `${head.facts.classes.length} classes`);
    this.element.replaceChildren(count, views, templatesOf(head, at, all), classTable(head, at, opened));
    if (head.facts.cosine && head.cosine) views.append(cosineOf(head.facts, head.cosine, at));
    views.append(this.norms(head, all));
  }

  /**
   * How long each class's row is, over time.
   * @param {Head} head
   * @param {Head[]} all
   */
  norms(head, all) {
    const { facts, norms, steps } = head;
    const count = facts.classes.length;
    const lines = chosenClasses(head, all).map((place, rank) => ({
      label: facts.classes[place],
      colour: `hsl(${HUES[rank % HUES.length]} 60% 52%)`,
      values: facts.frames.map((_, frame) => {
        const value = norms[frame * count + place];
        return Number.isFinite(value) ? value : null;
      }),
    }));
    const which = count <= MOST_LINES ? "" : ", the five largest and smallest";
    const chart = new Chart(`How strong each class is (norm${which})`, false, lines, all.length > 1 ? endsOf(all) : null);
    this.chart = chart;
    const keys = lines.map((line) => {
      const swatch = make("i");
      swatch.style.background = line.colour;
      return make("span", {}, swatch, " ", named(line.label));
    });
    // Once it is on the page.
    queueMicrotask(() => this.chart === chart && chart.set(steps, lines));
    return make("div", {}, chart.element, make("p", { class: "keys" }, ...keys));
  }
}

/**
 * The classes that get a line, by their norms at the end; of two runs of the same classes those of the first, so that a
 * class has one colour.
 * @param {Head} head
 * @param {Head[]} all
 */
function chosenClasses(head, all) {
  const same = JSON.stringify(all[0].facts.classes) === JSON.stringify(head.facts.classes);
  const { facts, norms } = same ? all[0] : head;
  const count = facts.classes.length;
  const last = facts.frames.length - 1;
  const order = facts.classes
    .map((_, place) => place)
    .sort((a, b) => norms[last * count + b] - norms[last * count + a]);
  return count <= MOST_LINES ? order : [...order.slice(0, 5), ...order.slice(-5)];
}

/**
 * The steps and the norms of all runs, from the least to the most.
 * @param {Head[]} all
 */
function endsOf(all) {
  const steps = all.flatMap((one) => one.steps);
  const norms = all.flatMap((one) => [...one.norms]).filter(Number.isFinite);
  /** @type {(values: number[]) => [number, number]} */
  const ends = (values) => [
    values.reduce((least, one) => Math.min(least, one), Infinity),
    values.reduce((most, one) => Math.max(most, one), -Infinity),
  ];
  return norms.length ? { x: ends(steps), y: ends(norms) } : null;
}

/**
 * What each class looks for.
 * @param {Head} head
 * @param {number} at
 * @param {Head[]} all
 */
function templatesOf(head, at, all) {
  const { facts, templates } = head;
  if (!facts.templates || !templates) return "";
  const [, count, channels, height, width] = facts.templates.shape;
  const size = channels * height * width;
  const shown = Math.min(count, MOST_TEMPLATES);
  const limit = Math.max(...all.filter((one) => one.templates).map((one) => one.facts.limit));
  const tiles = Array.from({ length: shown }, (_, place) => {
    const name = facts.classes[place] ?? String(place);
    const canvas = make("canvas", { role: "img", "aria-label": `template of ${name}` });
    const from = (at * count + place) * size;
    const sheet = tileSheet([1, channels, height, width], 1);
    paintSheet(sheet, templates.subarray(from, from + size), SIGNED, limit, canvas);
    return make("figure", {}, canvas, make("figcaption", {}, named(name)));
  });
  const more = shown < count ? `, the first ${shown} of ${count}` : "";
  return make(
    "div",
    {},
    make("h4", {}, `What each class looks for${more} (±${number(limit)})`),
    make("div", { class: "templates" }, ...tiles),
  );
}

/** Draws the classes, and follows what is looked at. */
export async function showClasses() {
  await new Card("classes", "Classes", "classes", readHead, () => new ClassPanel()).show();
}
