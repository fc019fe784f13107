// Singular values beside what noise of the same spread reaches.

import { Card } from "./card.js";
import { seriesOf } from "./chosen.js";
import { readNumbers } from "./decode.js";
import { FONT, make, sized, tint } from "./dom.js";
import { number } from "./number.js";
import { nearest } from "./run.js";
import { view } from "./state.js";

/** @typedef {import("./run.js").Run} Run */
/** @typedef {import("./runs.js").Shown} Shown */
/** @typedef {{frames: number[], values: Float32Array, edges: Float32Array, count: number, exact: boolean}} Spectrum */

/**
 * @param {Run} run
 * @returns {Promise<Spectrum | null>}
 */
async function readSpectrum(run) {
  const facts = seriesOf(run)?.spectra;
  const layer = run.layers.get(view.layer);
  if (!layer || !facts?.frames.length || !facts.values.shape[1]) return null;
  const bytes = await run.block(layer.block);
  return {
    frames: facts.frames,
    values: readNumbers(bytes, facts.values),
    edges: readNumbers(bytes, facts.edges),
    count: facts.values.shape[1],
    exact: facts.exact,
  };
}

class SpectrumPanel {
  constructor() {
    this.canvas = make("canvas", { role: "img" });
    this.says = make("p", { class: "says" });
    this.element = make("div", {}, this.canvas, this.says);
  }

  /**
   * @param {Spectrum} read
   * @param {Shown} shown
   * @param {Spectrum[]} all
   */
  draw(read, shown, all) {
    const width = Math.max(this.element.clientWidth, 100);
    const [left, base, height] = [40, 200, 222];
    const context = sized(this.canvas, width, height);
    const now = nearest(read.frames, shown.frame);
    const values = all.flatMap((one) => [...one.values, ...one.edges]);
    const top = 1.05 * values.reduce((most, one) => (one > most ? one : most), 1e-30);
    const count = Math.max(...all.map((one) => one.count));
    /** @param {number} place */
    const x = (place) => left + 6 + (place / Math.max(count - 1, 1)) * (width - left - 12);
    /** @param {number} value */
    const y = (value) => base - (value / top) * (base - 6);
    context.font = FONT;
    context.strokeStyle = tint("line");
    context.strokeRect(left + 0.5, 5.5, width - left - 1, base - 5);
    context.fillStyle = tint("quiet");
    context.textAlign = "right";
    context.textBaseline = "middle";
    for (const share of [0, 0.5, 1]) {
      context.fillText(number((share * top) / 1.05, 2), left - 5, y((share * top) / 1.05));
    }
    context.textAlign = "left";
    context.fillText("largest", left, base + 12);
    context.textAlign = "right";
    context.fillText(`${count}th`, width, base + 12);
    const edge = read.edges[now];
    if (Number.isFinite(edge)) {
      context.setLineDash([5, 4]);
      context.strokeStyle = tint("warning");
      context.beginPath();
      context.moveTo(left, y(edge));
      context.lineTo(width, y(edge));
      context.stroke();
      context.setLineDash([]);
      context.fillStyle = tint("warning");
      context.fillText("noise edge", width - 6, y(edge) - 8);
    }
    let above = 0;
    let known = 0;
    for (const [frame, colour] of /** @type {[number, string][]} */ ([
      [0, "ghost"],
      [now, shown.colour],
    ])) {
      context.fillStyle = context.strokeStyle = tint(colour);
      context.beginPath();
      for (let place = 0; place < read.count; place++) {
        const value = read.values[frame * read.count + place];
        if (Number.isNaN(value)) continue;
        context.lineTo(x(place), y(value));
        if (frame !== now || colour === "ghost") continue;
        known++;
        if (value > edge) above++;
        context.fillRect(x(place) - 1.5, y(value) - 1.5, 3, 3);
      }
      context.stroke();
    }
    const which = read.exact ? "singular values" : "largest singular values";
    const words = `${above} of ${known} ${which} above what noise of the same spread reaches. Grey: the start.`;
    this.says.textContent = words;
    this.canvas.setAttribute("aria-label", all.length > 1 ? `${shown.title}: ${words}` : words);
  }
}

/** Draws the spectrum, and follows what is looked at. */
export async function showSpectrum() {
  await new Card("spectrum", "Singular values", "singular values", readSpectrum, () => new SpectrumPanel()).show();
}
