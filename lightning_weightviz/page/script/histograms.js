// Distributions over time: the one that is looked at large, all of them as rows of a strip.

import { Card } from "./card.js";
import { seriesOf } from "./chosen.js";
import { readNumbers } from "./decode.js";
import { FONT, make, sized, tint } from "./dom.js";
import { number } from "./number.js";
import { nearest } from "./run.js";
import { runs } from "./runs.js";
import { look, view } from "./state.js";

/** @typedef {import("./run.js").Run} Run */
/** @typedef {import("./runs.js").Shown} Shown */
/**
 * Distributions: `heights` are shares of the values by the width of their bins, `low` to `high` all edges.
 * @typedef {{frames: number[], edges: Float32Array, counts: Float32Array, heights: Float32Array, bins: number,
 *   low: number, high: number, most: number}} Histograms
 */

const ROW_HEIGHT = 11;
/** From this ratio of their peaks on two distributions are not drawn in one scale of heights. */
const FLAT = 4;

/**
 * @param {Run} run
 * @returns {Promise<Histograms | null>}
 */
async function readHistograms(run) {
  const facts = seriesOf(run)?.histograms;
  const layer = run.layers.get(view.layer);
  if (!layer || !facts?.frames.length) return null;
  const bytes = await run.block(layer.block);
  const [edges, counts] = [readNumbers(bytes, facts.edges), readNumbers(bytes, facts.counts)];
  const bins = facts.counts.shape[1];
  const heights = heightsOf(edges, counts, bins);
  const finite = edges.filter(Number.isFinite);
  const low = finite.reduce((least, one) => Math.min(least, one), Infinity);
  const high = finite.reduce((most, one) => Math.max(most, one), -Infinity);
  const most = heights.reduce((tallest, one) => Math.max(tallest, one), 0);
  return high > low ? { frames: facts.frames, edges, counts, heights, bins, low, high, most } : null;
}

/**
 * @param {Float32Array} edges
 * @param {Float32Array} counts
 * @param {number} bins
 */
function heightsOf(edges, counts, bins) {
  const heights = new Float32Array(counts.length);
  for (let from = 0, frame = 0; from < counts.length; from += bins, frame++) {
    const total = counts.subarray(from, from + bins).reduce((sum, one) => sum + one, 0);
    for (let bin = 0; bin < bins; bin++) {
      const at = frame * (bins + 1) + bin;
      const width = edges[at + 1] - edges[at];
      heights[from + bin] = width > 0 && total > 0 ? counts[from + bin] / total / width : 0;
    }
  }
  return heights;
}

class HistogramPanel {
  constructor() {
    this.canvas = make("canvas", { role: "img" });
    this.strip = make("canvas", { "aria-hidden": "true", class: "pick" });
    this.says = make("p", { class: "says", role: "status" });
    this.element = make("div", {}, this.canvas, this.strip, this.says);
    /** @type {{read: Histograms, shown: Shown, low: number, high: number, most: number} | null} */
    this.drawn = null;
    this.strip.addEventListener("click", (event) => this.pick(event));
    this.canvas.addEventListener("pointermove", (event) => this.point(event));
  }

  /**
   * @param {Histograms} read
   * @param {Shown} shown
   * @param {Histograms[]} all
   */
  draw(read, shown, all) {
    const low = Math.min(...all.map((one) => one.low));
    const high = Math.max(...all.map((one) => one.high));
    const peaks = all.map((one) => one.most);
    const [least, greatest] = [Math.min(...peaks), Math.max(...peaks)];
    // Where one is so narrow that the other would be flat, each is as high as there is room.
    const apart = greatest > FLAT * least;
    const most = apart ? read.most : greatest;
    this.drawn = { read, shown, low, high, most };
    const width = Math.max(this.element.clientWidth, 100);
    const now = nearest(read.frames, shown.frame);
    /** @param {number} value */
    const x = (value) => ((value - low) / (high - low)) * width;
    this.drawOutlines(x, width, now);
    this.drawRows(x, width, now);
    const when = shown.run.frameWords(shown.frame);
    this.canvas.setAttribute("aria-label", `distribution${all.length > 1 ? ` of ${shown.title}` : ""} at ${when}`);
    const colour = shown.place ? "orange" : "blue";
    const heights = apart ? ` Heights are each run's own: their peaks are ${number(greatest / least, 2)} to 1.` : "";
    this.says.textContent = `${colour}: this snapshot, grey line: the start. Below, a row for each kept snapshot.${heights}`;
  }

  /**
   * The distribution that is looked at, and that of the start.
   * @param {(value: number) => number} x
   * @param {number} width
   * @param {number} now
   */
  drawOutlines(x, width, now) {
    const { read, shown, low, high, most } = /** @type {NonNullable<typeof this.drawn>} */ (this.drawn);
    const context = sized(this.canvas, width, 132);
    const base = 114;
    for (const [frame, fill, stroke] of /** @type {[number, string, string][]} */ ([
      [now, shown.fill, shown.colour],
      [0, "", "ghost"],
    ])) {
      context.beginPath();
      for (let bin = 0; bin < read.bins; bin++) {
        const at = frame * (read.bins + 1) + bin;
        const y = base - (read.heights[frame * read.bins + bin] / most) * (base - 6);
        if (!bin) context.moveTo(x(read.edges[at]), base);
        context.lineTo(x(read.edges[at]), y);
        context.lineTo(x(read.edges[at + 1]), y);
        if (bin === read.bins - 1) context.lineTo(x(read.edges[at + 1]), base);
      }
      if (fill) {
        context.fillStyle = tint(fill);
        context.fill();
      }
      context.strokeStyle = tint(stroke);
      context.stroke();
    }
    context.strokeStyle = tint("line");
    context.beginPath();
    context.moveTo(0, base + 0.5);
    context.lineTo(width, base + 0.5);
    context.stroke();
    context.fillStyle = tint("quiet");
    context.font = FONT;
    context.textBaseline = "top";
    for (const [value, align] of /** @type {[number, CanvasTextAlign][]} */ ([
      [low, "left"],
      [0, "center"],
      [high, "right"],
    ])) {
      const inside = value === low || value === high || (x(value) > 60 && x(value) < width - 60);
      context.textAlign = align;
      if (inside) context.fillText(number(value), x(value), base + 4);
    }
  }

  /**
   * A row for each kept snapshot.
   * @param {(value: number) => number} x
   * @param {number} width
   * @param {number} now
   */
  drawRows(x, width, now) {
    const { read, shown, most } = /** @type {NonNullable<typeof this.drawn>} */ (this.drawn);
    const context = sized(this.strip, width, ROW_HEIGHT * read.frames.length + 1);
    context.fillStyle = tint(shown.colour);
    read.frames.forEach((_, frame) => {
      for (let bin = 0; bin < read.bins; bin++) {
        const at = frame * (read.bins + 1) + bin;
        const [left, right] = [x(read.edges[at]), x(read.edges[at + 1])];
        context.globalAlpha = Math.sqrt(read.heights[frame * read.bins + bin] / most);
        context.fillRect(left, frame * ROW_HEIGHT, right - left + 0.3, ROW_HEIGHT - 1);
      }
    });
    context.globalAlpha = 1;
    context.strokeStyle = tint("ink");
    context.strokeRect(0.5, now * ROW_HEIGHT - 0.5 + (now ? 0 : 1), width - 1, ROW_HEIGHT);
  }

  /** @param {MouseEvent} event */
  pick(event) {
    if (!this.drawn) return;
    const { read, shown } = this.drawn;
    const frame = read.frames[Math.floor(event.offsetY / ROW_HEIGHT)];
    if (frame === undefined) return;
    look({ frame: shown.place ? runs.first.frameAt(shown.run.facts.frames.step[frame]) : frame });
  }

  /** @param {PointerEvent} event */
  point(event) {
    if (!this.drawn) return;
    const { read, shown, low, high } = this.drawn;
    const value = low + (event.offsetX / this.canvas.clientWidth) * (high - low);
    const frame = nearest(read.frames, shown.frame);
    for (let bin = 0; bin < read.bins; bin++) {
      const at = frame * (read.bins + 1) + bin;
      if (value >= read.edges[at] && value < read.edges[at + 1]) {
        const count = read.counts[frame * read.bins + bin];
        this.says.textContent = `${number(count, 4)} values from ${number(read.edges[at])} to ${number(read.edges[at + 1])}`;
      }
    }
  }
}

/** Draws the distributions, and follows what is looked at. */
export async function showHistograms() {
  await new Card("histogram", "Distribution", "histograms", readHistograms, () => new HistogramPanel()).show();
}
