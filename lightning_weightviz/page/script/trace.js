// One cell over the kept snapshots.

import { sized, tint } from "./dom.js";

/**
 * @param {HTMLCanvasElement} canvas
 * @param {number[]} values
 * @param {number} now Which of them is looked at.
 */
export function drawTrace(canvas, values, now) {
  const [width, height] = [96, 22];
  const context = sized(canvas, width, height);
  const finite = values.filter(Number.isFinite);
  const low = Math.min(0, ...finite);
  const high = Math.max(0, ...finite);
  const last = Math.max(values.length - 1, 1);
  /** @param {number} place */
  const x = (place) => 3 + (place / last) * (width - 6);
  /** @param {number} value */
  const y = (value) => 3 + (height - 6) * (1 - (value - low) / (high - low || 1));
  context.strokeStyle = tint("line");
  context.beginPath();
  context.moveTo(0, y(0));
  context.lineTo(width, y(0));
  context.stroke();
  context.strokeStyle = tint("accent");
  context.beginPath();
  let open = false;
  values.forEach((value, place) => {
    if (!Number.isFinite(value)) open = false;
    else if (open) context.lineTo(x(place), y(value));
    else {
      context.moveTo(x(place), y(value));
      open = true;
    }
  });
  context.stroke();
  if (!Number.isFinite(values[now])) return;
  context.fillStyle = tint("ink");
  context.beginPath();
  context.arc(x(now), y(values[now]), 2.5, 0, 7);
  context.fill();
}
