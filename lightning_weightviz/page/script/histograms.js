// Distributions over time: the one that is looked at large, all of them as rows of a strip.

import { readNumbers } from "./decode.js";
import { FONT, make, part, sized, tint } from "./dom.js";
import { number } from "./number.js";
import { nearest } from "./run.js";
import { runs } from "./runs.js";
import { targetOf } from "./side.js";
import { listenLater, look, view } from "./state.js";

/** @typedef {{frames: number[], edges: Float32Array, counts: Float32Array, bins: number, low: number, high: number, most: number}} Read */

/** @type {Read | null} */
let histograms = null;
let turnOfHistograms = 0;
const histogramCanvas = make("canvas", { role: "img" });
const stripCanvas = make("canvas", { "aria-hidden": "true", class: "pick" });
const histogramSays = make("p", { class: "says", role: "status" });

async function loadHistograms() {
  const turn = ++turnOfHistograms;
  const layer = runs.first.layers.get(view.layer);
  const facts = layer?.targets[targetOf(layer)]?.histograms;
  const bytes = layer && facts ? await runs.first.block(layer.block) : null;
  if (turn !== turnOfHistograms) return;
  histograms = null;
  if (facts && bytes && facts.frames.length) {
    const [edges, counts] = [readNumbers(bytes, facts.edges), readNumbers(bytes, facts.counts)];
    const bins = facts.counts.shape[1];
    histograms = { frames: facts.frames, edges, counts, bins, low: 0, high: 0, most: 0 };
    for (let frame = 0; frame < facts.frames.length; frame++) {
      for (let bin = 0; bin < bins; bin++) histograms.most = Math.max(histograms.most, density(histograms, frame, bin));
    }
    const finite = edges.filter(Number.isFinite);
    histograms.low = finite.reduce((low, one) => Math.min(low, one), Infinity);
    histograms.high = finite.reduce((high, one) => Math.max(high, one), -Infinity);
  }
  part("histogram").hidden = !histograms || !(histograms.high > histograms.low);
  drawHistograms();
}

/**
 * The share of the values in a bin, by its width.
 * @param {Read} read
 * @param {number} frame
 * @param {number} bin
 */
function density(read, frame, bin) {
  const at = frame * (read.bins + 1) + bin;
  const width = read.edges[at + 1] - read.edges[at];
  let total = 0;
  for (let one = 0; one < read.bins; one++) total += read.counts[frame * read.bins + one];
  return width > 0 && total > 0 ? read.counts[frame * read.bins + bin] / total / width : 0;
}

function drawHistograms() {
  const place = part("histogram");
  if (place.hidden || !histograms) return;
  const read = histograms;
  const width = Math.max(place.clientWidth - 24, 100);
  const now = nearest(read.frames, view.frame);
  const context = sized(histogramCanvas, width, 132);
  /** @param {number} value */
  const x = (value) => ((value - read.low) / (read.high - read.low)) * width;
  const base = 114;
  for (const [frame, fill, stroke] of /** @type {[number, string, string][]} */ ([
    [now, "strip", "accent"],
    [0, "", "ghost"],
  ])) {
    context.beginPath();
    for (let bin = 0; bin < read.bins; bin++) {
      const at = frame * (read.bins + 1) + bin;
      const y = base - (density(read, frame, bin) / read.most) * (base - 6);
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
    [read.low, "left"],
    [0, "center"],
    [read.high, "right"],
  ])) {
    const inside = value === read.low || value === read.high || (x(value) > 60 && x(value) < width - 60);
    context.textAlign = align;
    if (inside) context.fillText(number(value), x(value), base + 4);
  }
  drawStripOfHistograms(read, width, now);
  histogramCanvas.setAttribute("aria-label", `distribution at ${runs.first.frameWords(view.frame)}`);
  histogramSays.textContent = "blue: this snapshot, grey line: the start. Below, a row for each kept snapshot.";
}

/**
 * @param {Read} read
 * @param {number} width
 * @param {number} now
 */
function drawStripOfHistograms(read, width, now) {
  const high = 11;
  const context = sized(stripCanvas, width, high * read.frames.length + 1);
  context.fillStyle = tint("accent");
  read.frames.forEach((_, frame) => {
    for (let bin = 0; bin < read.bins; bin++) {
      const at = frame * (read.bins + 1) + bin;
      const left = ((read.edges[at] - read.low) / (read.high - read.low)) * width;
      const right = ((read.edges[at + 1] - read.low) / (read.high - read.low)) * width;
      context.globalAlpha = Math.sqrt(density(read, frame, bin) / read.most);
      context.fillRect(left, frame * high, right - left + 0.3, high - 1);
    }
  });
  context.globalAlpha = 1;
  context.strokeStyle = tint("ink");
  context.strokeRect(0.5, now * high - 0.5 + (now ? 0 : 1), width - 1, high);
}

/** Draws the distributions, and follows what is looked at. */
export async function showHistograms() {
  part("histogram").replaceChildren(make("h3", {}, "Distribution"), histogramCanvas, stripCanvas, histogramSays);
  stripCanvas.addEventListener("click", (event) => {
    const frame = histograms?.frames[Math.floor(event.offsetY / 11)];
    if (frame !== undefined) look({ frame });
  });
  histogramCanvas.addEventListener("pointermove", (event) => {
    const read = histograms;
    if (!read) return;
    const value = read.low + (event.offsetX / histogramCanvas.clientWidth) * (read.high - read.low);
    const frame = nearest(read.frames, view.frame);
    for (let bin = 0; bin < read.bins; bin++) {
      const at = frame * (read.bins + 1) + bin;
      if (value >= read.edges[at] && value < read.edges[at + 1]) {
        const count = read.counts[frame * read.bins + bin];
        histogramSays.textContent = `${number(count, 4)} values from ${number(read.edges[at])} to ${number(read.edges[at + 1])}`;
      }
    }
  });
  listenLater((changed) => {
    if (changed.has("layer") || changed.has("target")) return loadHistograms();
    if (changed.has("frame")) drawHistograms();
  });
  window.addEventListener("resize", drawHistograms);
  // It has the room of the spectrum where there is none.
  let width = 0;
  new ResizeObserver(([entry]) => {
    if (entry.contentRect.width === width) return;
    width = entry.contentRect.width;
    drawHistograms();
  }).observe(part("histogram"));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawHistograms);
  await loadHistograms();
}
