// All kept snapshots of a map side by side, small: a click goes to one.

import { make, part } from "./dom.js";
import { paintSheet } from "./paint.js";
import { runs } from "./runs.js";
import { look, view } from "./state.js";

/** @typedef {import("./frames.js").Frames} Frames */

const [THUMB_WIDTH, THUMB_HEIGHT] = [148, 96];

/** @type {{frames: Frames, from: string, limit: number} | null} */
let filmed = null;

/**
 * Shows a map's film, and where in it the page is; paints it anew only where it is another.
 * @param {Frames | null} frames
 * @param {number} limit
 */
export function showFilm(frames, limit) {
  const place = part("film");
  place.hidden = !frames || frames.facts.frames.length < 2;
  if (!frames || place.hidden) return;
  if (!filmed || filmed.frames !== frames || filmed.from !== view.from || filmed.limit !== limit) {
    filmed = { frames, from: view.from, limit };
    const film = filmed;
    place.replaceChildren(...frames.facts.frames.map((frame) => thumb(frame)));
    // The map itself comes first.
    requestAnimationFrame(() => filmed === film && paintFilm(frames, limit));
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

/**
 * @param {Frames} frames
 * @param {number} limit
 */
function paintFilm(frames, limit) {
  const bitmap = document.createElement("canvas");
  frames.facts.frames.forEach((frame, index) => {
    const canvas = /** @type {HTMLCanvasElement} */ (part("film").children[index]);
    paintSheet(frames.sheet, frames.at(frame, view.from).values, frames.table(view.from), limit, bitmap);
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
  });
}
