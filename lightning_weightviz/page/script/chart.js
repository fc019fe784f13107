// A small chart over steps, by uPlot: one line a run, a mark at the time that is looked at.

import { FONT, make, tint } from "./dom.js";
import { number } from "./number.js";
import { runs } from "./runs.js";
import { look, view } from "./state.js";

const HEIGHT_OF_CHART = 118;
/** From this ratio on a log scale shows more. */
const WIDE_RATIO = 30;

/** @typedef {{label: string, values: (number | null)[], colour: string, dash?: number[]}} Line */
/** @typedef {{x: [number, number], y: [number, number]}} Ends What two charts in one scale reach from and to. */

/**
 * Whether a log scale shows more of some lines.
 * @param {Line[]} lines
 */
export function wantsLog(lines) {
  let [low, high] = [Infinity, 0];
  for (const { values } of lines) {
    for (const value of values) {
      if (value === null) continue;
      if (value <= 0) return false;
      low = Math.min(low, value);
      high = Math.max(high, value);
    }
  }
  return high / low > WIDE_RATIO;
}

export class Chart {
  /**
   * @param {string} title
   * @param {boolean} log
   * @param {Line[]} lines
   * @param {Ends | null} ends Of the axes; null for those of the lines.
   */
  constructor(title, log, lines, ends = null) {
    this.says = make("output");
    this.place = make("div");
    this.element = make(
      "div",
      { class: "chart" },
      make("h4", {}, title + (log ? " · log" : ""), this.says),
      this.place,
    );
    this.log = log;
    this.lines = lines;
    this.ends = ends;
    /** @type {number[]} */
    this.steps = [];
    /** @type {Plot | null} */
    this.plot = null;
  }

  /**
   * Draws lines over steps; the page shows the chart already.
   * @param {number[]} steps
   * @param {Line[]} lines
   */
  set(steps, lines) {
    this.steps = steps;
    const same = this.lines.length === lines.length;
    this.lines = lines;
    const data = [steps, ...lines.map((line) => line.values)];
    if (this.plot && same) this.plot.setData(data);
    else {
      this.plot?.destroy();
      this.plot = new uPlot(this.options(), data, this.place);
      this.plot.over.addEventListener("click", () => this.click());
    }
    this.say(null);
  }

  options() {
    const axis = {
      stroke: () => tint("quiet"),
      font: FONT,
      grid: { stroke: () => tint("line"), width: 0.5 },
      ticks: { show: false },
    };
    return {
      width: Math.max(this.place.clientWidth, 120),
      height: HEIGHT_OF_CHART,
      legend: { show: false },
      padding: [6, 6, 0, 0],
      scales: this.scales(),
      axes: [
        {
          ...axis,
          size: 20,
          gap: 2,
          space: 60,
          values: (/** @type {Plot} */ _, /** @type {number[]} */ at) => at.map((one) => number(one)),
        },
        {
          ...axis,
          size: 48,
          gap: 3,
          space: 26,
          values: (/** @type {Plot} */ _, /** @type {(number | null)[]} */ at) =>
            at.map((one) => (one === null ? "" : number(one, 2))),
        },
      ],
      cursor: { y: false, drag: { x: false, y: false }, sync: { key: "steps" }, points: { size: 6 } },
      series: [
        {},
        ...this.lines.map((_, place) => ({
          stroke: () => tint(this.lines[place].colour) || this.lines[place].colour,
          width: 1.5,
          dash: this.lines[place].dash,
          spanGaps: true,
          points: { show: this.lines[place].values.filter((value) => value !== null).length < 3 },
        })),
      ],
      hooks: {
        draw: [(/** @type {Plot} */ plot) => this.drawNow(plot)],
        setCursor: [(/** @type {Plot} */ plot) => this.say(plot.cursor.idx)],
      },
    };
  }

  scales() {
    const { ends } = this;
    if (ends) return { x: { time: false, range: () => ends.x }, y: { range: () => padded(null, ...ends.y) } };
    return { x: { time: false }, y: { distr: this.log ? 3 : 1, range: this.log ? undefined : padded } };
  }

  /**
   * The time that is looked at.
   * @param {Plot} plot
   */
  drawNow(plot) {
    const step = runs.first.facts.frames.step[view.frame];
    if (step === undefined) return;
    const x = Math.round(plot.valToPos(step, "x", true)) + 0.5;
    const { ctx, bbox } = plot;
    // A run may have ended before.
    if (x > bbox.left + bbox.width + 1) return;
    ctx.save();
    ctx.strokeStyle = tint("ink");
    ctx.globalAlpha = 0.55;
    ctx.setLineDash([]);
    ctx.lineWidth = 1;
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    ctx.restore();
  }

  /**
   * Says the values at a place, or at the time that is looked at.
   * @param {number | null} place
   */
  say(place) {
    const now = runs.first.facts.frames.step[view.frame];
    const at = place ?? this.steps.findLastIndex((step) => step <= now);
    const { lines } = this;
    if (lines.length > 2) return;
    const words = lines.flatMap(({ values, colour }, line) => {
      if (lines.length === 1) return typeof values[at] === "number" ? number(values[at]) : "";
      const word = make("span", {}, number(lastKnown(values, at)));
      word.style.color = tint(colour) || colour;
      return line ? [" | ", word] : word;
    });
    this.says.replaceChildren(...words);
  }

  /** Goes to the kept snapshot that is nearest to where it was clicked. */
  click() {
    const place = this.plot?.cursor.idx;
    if (place === null || place === undefined) return;
    const { step } = runs.first.facts.frames;
    let nearestFrame = 0;
    step.forEach((one, frame) => {
      if (Math.abs(one - this.steps[place]) < Math.abs(step[nearestFrame] - this.steps[place])) nearestFrame = frame;
    });
    look({ frame: nearestFrame });
  }

  /** After another time is looked at, or the colours have changed. */
  refresh() {
    this.plot?.redraw(false, false);
    this.say(null);
  }

  fit() {
    const width = this.place.clientWidth;
    if (this.plot && width) this.plot.setSize({ width, height: HEIGHT_OF_CHART });
  }

  remove() {
    this.plot?.destroy();
    this.element.remove();
  }
}

/**
 * A line's value at a place, or the last before it: of two runs one may have no snapshot there.
 * @param {(number | null)[]} values
 * @param {number} at
 */
function lastKnown(values, at) {
  for (let place = at; place >= 0; place--) if (values[place] !== null) return values[place] ?? null;
  return null;
}

/**
 * A range with a little room, also of what does not change.
 * @param {Plot | null} _
 * @param {number | null} low
 * @param {number | null} high
 */
function padded(_, low, high) {
  if (low === null || high === null) return [0, 1];
  const room = high > low ? 0.06 * (high - low) : Math.max(Math.abs(high) * 0.1, 1e-6);
  return [low >= 0 && low - room < 0 ? 0 : low - room, high + room];
}

/**
 * Lines over the steps of two runs together: null where a run has no value.
 * @param {number[][]} steps
 * @param {Line[][]} lines Of each run.
 * @returns {{steps: number[], lines: Line[]}}
 */
export function merged(steps, lines) {
  if (steps.length === 1) return { steps: steps[0], lines: lines[0] };
  const all = [...new Set(steps.flat())].sort((a, b) => a - b);
  const places = new Map(all.map((step, place) => [step, place]));
  const spread = lines.flatMap((some, run) =>
    some.map((line) => {
      /** @type {(number | null)[]} */
      const values = new Array(all.length).fill(null);
      steps[run].forEach((step, place) => (values[places.get(step) ?? 0] = line.values[place] ?? null));
      return { ...line, values };
    }),
  );
  return { steps: all, lines: spread };
}
