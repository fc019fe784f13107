// All kept snapshots of a map side by side, small: a click goes to one.

import { make, part, rested } from "./dom.js";
import { paintSheet } from "./paint.js";
import { runs } from "./runs.js";
import { look, view } from "./state.js";

/** @typedef {import("./frames.js").Frames} Frames */

const [THUMB_WIDTH, THUMB_HEIGHT] = [148, 96];

/** @type {{frames: Frames, from: string, limit: number} | null} */
let filmed = null;
let isPainted = false;

/**
 * Shows a map's film, and where in it the page is; empty where it is another, until it is painted.
 * @param {Frames | null} frames
 * @param {number} limit
 */
export function showFilm(frames, limit) {
  const place = part("film");
  place.hidden = !frames || frames.facts.frames.length < 2;
  if (!frames || place.hidden) return;
  if (!filmed || filmed.frames !== frames || filmed.from !== view.from || filmed.limit !== limit) {
    filmed = { frames, from: view.from, limit };
    place.replaceChildren(...frames.facts.frames.map((frame) => thumb(frame)));
    isPainted = false;
  }
  const now = frames.facts.frames[frames.pair(view.frame, "").now];
  for (const [index, frame] of frames.facts.frames.entries())
    place.children[index].classList.toggle("now", frame === now);
}

/** @param {number} frame */
function thumb(frame) {
  const canvas = make("canvas", { width: THUMB_WIDTH, height: THUMB_HEIGHT, title: runs.first.frameWords(frame) });
  canvas.addEventListener("click", () => look({ frame }));
  return canvas;
}

/** Paints the film, one snapshot after the other, where it is not painted yet. */
export async function paintFilm() {
  if (!filmed || isPainted || part("film").hidden) return;
  const film = filmed;
  const { frames, from, limit } = film;
  isPainted = true;
  const bitmap = document.createElement("canvas");
  for (const [index, frame] of frames.facts.frames.entries()) {
    await rested();
    if (film !== filmed) return;
    const canvas = /** @type {HTMLCanvasElement} */ (part("film").children[index]);
    paintSheet(frames.sheet, frames.at(frame, from).values, frames.table(from), limit, bitmap);
    const context = canvas.getContext("2d");
    if (!context) return;
    // Pictures keep their proportions, matrices fill the frame.
    const share = frames.tiled
      ? bitmap.width / bitmap.height
      : Math.min(Math.max(bitmap.width / bitmap.height, 1.5), 4);
    const width = Math.min(THUMB_WIDTH, THUMB_HEIGHT * share);
    const height = Math.min(THUMB_HEIGHT, width / share);
    context.imageSmoothingEnabled = bitmap.width > width;
    context.imageSmoothingQuality = "medium";
    context.drawImage(bitmap, (THUMB_WIDTH - width) / 2, (THUMB_HEIGHT - height) / 2, width, height);
  }
}
