// Singular values beside what noise of the same spread reaches.

import { readNumbers } from "./decode.js";
import { FONT, make, part, sized, tint } from "./dom.js";
import { number } from "./number.js";
import { nearest } from "./run.js";
import { runs } from "./runs.js";
import { targetOf } from "./side.js";
import { listenLater, view } from "./state.js";

/** @typedef {{frames: number[], values: Float32Array, edges: Float32Array, count: number, exact: boolean}} Spectrum */

/** @type {Spectrum | null} */
let spectrum = null;
let turnOfSpectrum = 0;
const spectrumCanvas = make("canvas", { role: "img" });
const spectrumSays = make("p", { class: "says" });

async function loadSpectrum() {
  const turn = ++turnOfSpectrum;
  const layer = runs.first.layers.get(view.layer);
  const facts = layer?.targets[targetOf(layer)]?.spectra;
  const bytes = layer && facts ? await runs.first.block(layer.block) : null;
  if (turn !== turnOfSpectrum) return;
  spectrum = null;
  if (facts && bytes && facts.frames.length && facts.values.shape[1]) {
    spectrum = {
      frames: facts.frames,
      values: readNumbers(bytes, facts.values),
      edges: readNumbers(bytes, facts.edges),
      count: facts.values.shape[1],
      exact: facts.exact,
    };
  }
  part("spectrum").hidden = !spectrum;
  drawSpectrum();
}

function drawSpectrum() {
  if (!spectrum) return;
  const read = spectrum;
  const width = Math.max(part("spectrum").clientWidth - 24, 100);
  const [left, base, height] = [40, 200, 222];
  const context = sized(spectrumCanvas, width, height);
  const now = nearest(read.frames, view.frame);
  const top = 1.05 * [...read.values, ...read.edges].reduce((most, one) => (one > most ? one : most), 1e-30);
  /** @param {number} place */
  const x = (place) => left + 6 + (place / Math.max(read.count - 1, 1)) * (width - left - 12);
  /** @param {number} value */
  const y = (value) => base - (value / top) * (base - 6);
  context.font = FONT;
  context.strokeStyle = tint("line");
  context.strokeRect(left + 0.5, 5.5, width - left - 1, base - 5);
  context.fillStyle = tint("quiet");
  context.textAlign = "right";
  context.textBaseline = "middle";
  for (const share of [0, 0.5, 1]) context.fillText(number((share * top) / 1.05, 2), left - 5, y((share * top) / 1.05));
  context.textAlign = "left";
  context.fillText("largest", left, base + 12);
  context.textAlign = "right";
  context.fillText(`${read.count}th`, width, base + 12);
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
    [now, "accent"],
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
  spectrumSays.textContent = words;
  spectrumCanvas.setAttribute("aria-label", words);
}

/** Draws the spectrum, and follows what is looked at. */
export async function showSpectrum() {
  part("spectrum").replaceChildren(make("h3", {}, "Singular values"), spectrumCanvas, spectrumSays);
  listenLater((changed) => {
    if (changed.has("layer") || changed.has("target")) return loadSpectrum();
    if (changed.has("frame")) drawSpectrum();
  });
  window.addEventListener("resize", drawSpectrum);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawSpectrum);
  await loadSpectrum();
}
