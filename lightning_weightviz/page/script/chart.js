// A small chart over steps, by uPlot: one line a run, a mark at the time that is looked at.

import { FONT, make, tint } from "./dom.js";
import { number } from "./number.js";
import { runs } from "./runs.js";
import { look, view } from "./state.js";

const HEIGHT_OF_CHART = 118;
/** From this ratio on a log scale shows more. */
const WIDE_RATIO = 30;

/** @typedef {{label: string, values: (number | null)[], colour: string, dash?: number[]}} Line */

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
   */
  constructor(title, log, lines) {
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
      scales: { x: { time: false }, y: { distr: this.log ? 3 : 1, range: this.log ? undefined : padded } },
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
          points: { show: this.steps.length < 3 },
        })),
      ],
      hooks: {
        draw: [(/** @type {Plot} */ plot) => this.drawNow(plot)],
        setCursor: [(/** @type {Plot} */ plot) => this.say(plot.cursor.idx)],
      },
    };
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
    const at = place ?? this.steps.indexOf(now);
    const values = this.lines.map((line) => line.values[at]).filter((value) => value !== null && value !== undefined);
    this.says.textContent = this.lines.length > 2 ? "" : values.map((value) => number(value)).join(" | ");
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
 * A range with a little room, also of what does not change.
 * @param {Plot} _
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
