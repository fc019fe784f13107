// Values of a frame to the pixels of a sheet.

import { colourOf, GAP_PIXEL, INFINITE_PIXEL, mixedColour, NAN_PIXEL } from "./colours.js";
import { OUTSIDE } from "./sheet.js";

/** @typedef {import("./colours.js").Table} Table */
/** @typedef {import("./sheet.js").Sheet} Sheet */

/**
 * A canvas with one pixel a cell.
 * @param {Sheet} sheet
 * @param {Float32Array} values Of one frame.
 * @param {Table} table
 * @param {number} limit
 * @param {HTMLCanvasElement} canvas To paint on.
 */
export function paintSheet(sheet, values, table, limit, canvas) {
  canvas.width = Math.max(sheet.width, 1);
  canvas.height = Math.max(sheet.height, 1);
  const context = canvas.getContext("2d");
  if (!context || !sheet.places.length) return;
  const image = context.createImageData(sheet.width, sheet.height);
  const pixels = new Uint32Array(image.data.buffer);
  const { places, channels, stride } = sheet;
  const { colours, middle } = table;
  const [scale, last] = [limit > 0 ? table.steps / limit : 0, colours.length - 1];
  for (let i = 0; i < places.length; i++) {
    const at = places[i];
    const place = values[at] * scale + middle + 0.5;
    if (at < 0) pixels[i] = at === OUTSIDE ? 0 : GAP_PIXEL;
    // As `colourOf`, without a call a cell.
    else if (channels === 1 && place >= 0 && place <= last) pixels[i] = colours[place | 0];
    else if (channels === 1) pixels[i] = colourOf(table, values[at], limit);
    else pixels[i] = mixedColour([values[at], values[at + stride], values[at + 2 * stride]], limit);
  }
  context.putImageData(image, 0, 0);
}

/**
 * Whether values that have no place in the range are among those of a frame.
 * @param {Float32Array} values
 */
export function brokenOf(values) {
  let [nan, infinite] = [0, 0];
  for (const value of values) {
    if (Number.isNaN(value)) nan++;
    else if (value === Infinity || value === -Infinity) infinite++;
  }
  return [
    { word: "NaN", count: nan, colour: NAN_PIXEL },
    { word: "±∞", count: infinite, colour: INFINITE_PIXEL },
  ].filter((kind) => kind.count > 0);
}
