// Every statistic of the chosen layer over time, and as a table.

import { Chart, merged, wantsLog } from "./chart.js";
import { seriesOf } from "./chosen.js";
import { readNumbers } from "./decode.js";
import { make, part } from "./dom.js";
import { number } from "./number.js";
import { shownRuns } from "./runs.js";
import { listenLater, view, WHOLE } from "./state.js";
import { shownValues, statisticWords } from "./statistics.js";
import { runName } from "./title.js";

/** @typedef {import("./run.js").Run} Run */
/** @typedef {import("./chart.js").Line} Line */

/** @type {Map<string, Chart>} */
let charts = new Map();
let turnOfCurves = 0;
/** Of each run, by name. @type {Map<string, (number | null)[]>[]} */
let shownCurves = [];

/**
 * A layer's statistics by name.
 * @param {Run} run
 * @param {string} name
 * @returns {Promise<Map<string, (number | null)[]>>}
 */
async function curvesOf(run, name) {
  const layer = run.layers.get(name);
  const whole = name === WHOLE ? Object.values(run.facts.totals)[0] : undefined;
  const curves = layer ? seriesOf(run)?.curves : whole;
  if (!curves?.values) return new Map();
  const values = readNumbers(await run.block(layer?.block ?? 0), curves.values);
  const length = curves.values.shape[1];
  return new Map(
    curves.names.map((one, place) => [one, shownValues(one, values.subarray(place * length, (place + 1) * length))]),
  );
}

/**
 * Whether a statistic is 0 wherever it is known.
 * @param {(number | null)[]} values
 */
function isZero(values) {
  return values.every((value) => value === null || value === 0);
}

async function loadCurves() {
  const turn = ++turnOfCurves;
  const both = shownRuns().map(({ run }) => run);
  const curves = await Promise.all(both.map((run) => curvesOf(run, view.layer)));
  if (turn !== turnOfCurves) return;
  shownCurves = curves;
  const place = part("curves");
  const names = [...new Set(curves.flatMap((one) => [...one.keys()]))];
  const flat = names.filter((name) => curves.every((one) => isZero(one.get(name) ?? [])));
  const kept = new Map();
  const grid = place.querySelector(".charts") ?? make("div", { class: "charts" });
  /** @type {[Chart, number[], Line[]][]} */
  const drawn = [];
  for (const name of names.filter((one) => !flat.includes(one))) {
    const { steps, lines } = merged(
      both.map((run) => run.facts.moments.step),
      both.map((_, run) => [lineOf(curves[run].get(name) ?? [], run)]),
    );
    const log = wantsLog(lines);
    const key = `${name} ${log}`;
    const chart = charts.get(key) ?? new Chart(statisticWords(name), log, lines);
    kept.set(key, chart);
    drawn.push([chart, steps, lines]);
  }
  for (const [key, chart] of charts) if (!kept.has(key)) chart.remove();
  charts = kept;
  grid.replaceChildren(...drawn.map(([chart]) => chart.element));
  place.hidden = !names.length;
  const zeros = flat.length ? make("p", {}, `0 throughout: ${flat.map(statisticWords).join(", ")}`) : "";
  place.replaceChildren(make("h3", {}, "Statistics over time"), grid, zeros, tableOf());
  for (const [chart, steps, lines] of drawn) chart.set(steps, lines);
}

/**
 * @param {(number | null)[]} values
 * @param {number} run
 * @returns {Line}
 */
function lineOf(values, run) {
  return { label: "", values, colour: run ? "other" : "accent", dash: run ? [4, 3] : undefined };
}

/** The numbers at the start, at the time that is looked at, and at the end: of each run. */
function tableOf() {
  const shown = shownRuns().slice(0, shownCurves.length);
  const places = shown.map(({ run, moment }) => [0, moment, run.facts.moments.step.length - 1]);
  const names = [...new Set(shownCurves.flatMap((one) => [...one.keys()]))];
  const rows = names.map((name) => {
    const values = shownCurves.flatMap((one, run) => places[run].map((place) => one.get(name)?.[place]));
    const cells = values.map((value) => make("td", {}, number(value, 4)));
    return make("tr", {}, make("th", { scope: "row" }, statisticWords(name)), ...cells);
  });
  const whens = shown.flatMap(({ run, moment }) => ["start", run.momentWords(moment), "end"]);
  const two = shown.length > 1;
  const over = two ? [make("tr", {}, make("td"), ...shown.map((one) => make("th", { colspan: 3, scope: "colgroup" }, runName(one))))] : [];
  const head = ["statistic", ...whens].map((word) => make("th", { scope: "col" }, word));
  const table = make("table", { class: two ? "two" : "" }, make("thead", {}, ...over, make("tr", {}, ...head)), make("tbody", {}, ...rows));
  const old = part("curves").querySelector("details");
  return make("details", { open: old?.open }, make("summary", {}, "as a table"), make("div", { class: "wide" }, table));
}

/** Draws the curves, and follows what is looked at. */
export async function showCurves() {
  listenLater((changed) => {
    if (["layer", "target", "other"].some((name) => changed.has(name))) return loadCurves();
    if (changed.has("frame")) {
      for (const chart of charts.values()) chart.refresh();
      part("curves").querySelector("details")?.replaceWith(tableOf());
    }
  });
  let width = 0;
  new ResizeObserver(([entry]) => {
    if (entry.contentRect.width === width) return;
    width = entry.contentRect.width;
    for (const chart of charts.values()) chart.fit();
  }).observe(part("curves"));
  window.addEventListener("resize", () => charts.forEach((chart) => chart.fit()));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () =>
    charts.forEach((chart) => chart.refresh()),
  );
  await loadCurves();
}
