// What stands under the pointer, in words.

import { make } from "./dom.js";
import { spanOf } from "./labels.js";
import { number, withError } from "./number.js";

/** @typedef {import("./frames.js").Frames} Frames */

/**
 * A cell in words: where it is, its value with its error, and what it stands for where it is pooled.
 * @param {Frames} frames
 * @param {number} place Within a frame.
 * @param {number} frame Of the page.
 * @param {string} from
 * @returns {Node[]}
 */
export function valueWords(frames, place, frame, from) {
  const { facts, layer } = frames;
  const moment = frames.at(frame, from);
  const unit = facts.name === "filters" ? "" : facts.name === "norms" ? "norm " : facts.name === "sums" ? "sum " : "";
  const change = from ? "change of " : "";
  if (facts.name === "filters") return filterWords(frames, place, moment, change);
  const [height, width] = [facts.cells.shape[1], facts.cells.shape[2]];
  const [row, column] = [Math.floor(place / width), place % width];
  const [tall, wide] = frames.grid(frame);
  const [top, bottom] = spanOf(Math.floor((row * tall) / height), tall, facts.shape[0]);
  const [left, right] = spanOf(Math.floor((column * wide) / width), wide, facts.shape[1]);
  const value = withError(moment.values[place], moment.error(place));
  if (top === bottom && left === right) {
    const where = [frames.labels.row(top), frames.labels.column(left)].filter(Boolean).join(" · ");
    return [make("span", { class: "where" }, where), strong(change + unit, value)];
  }
  const where = [
    layer.layout === "vector" ? "" : top === bottom ? frames.labels.row(top) : frames.labels.span(top, bottom),
    columnWords(frames, left, right),
  ];
  const block = `${bottom - top + 1}×${right - left + 1}`;
  const parts = [
    make("span", { class: "where" }, where.filter(Boolean).join(" · ")),
    strong(`${change}farthest from 0 of ${block} ${unit ? `${unit}s` : ""}`, value),
  ];
  const rms = from ? null : frames.rms(place, frame);
  if (rms) parts.push(make("span", { class: "more" }, `rms ${number(rms.value, 2)} ± ${number(rms.error, 1)}`));
  if (tall < height || wide < width) parts.push(make("span", { class: "more" }, "kept coarser at this snapshot"));
  return parts;
}

/**
 * @param {Frames} frames
 * @param {number} place
 * @param {{values: Float32Array, error: (place: number) => number}} moment
 * @param {string} change
 */
function filterWords(frames, place, moment, change) {
  const [, , channels, height, width] = frames.facts.cells.shape;
  const x = place % width;
  const y = Math.floor(place / width) % height;
  const channel = Math.floor(place / (width * height)) % channels;
  const index = Math.floor(place / (width * height * channels));
  const name = frames.labels.row(index);
  const where = [name.startsWith(frames.layer.row) ? `${frames.layer.unit} ${index}` : name];
  if (channels > 1 && channels !== 3) where.push(`channel ${channel}`);
  where.push(`row ${y}`, `column ${x}`);
  const parts = [make("span", { class: "where" }, where.join(" · "))];
  const inColour = channels === 3 ? ["red", "green", "blue"] : [""];
  inColour.forEach((colour, offset) => {
    const at = place + offset * width * height;
    parts.push(strong(change + (colour && `${colour} `), withError(moment.values[at], moment.error(at))));
  });
  return parts;
}

/**
 * @param {string} word
 * @param {string} value
 */
function strong(word, value) {
  return make("span", { class: "reading" }, word.trimEnd() && `${word.trimEnd()} `, make("b", {}, value));
}

/**
 * @param {Frames} frames
 * @param {number} first
 * @param {number} last
 */
function columnWords(frames, first, last) {
  if (first === last) return frames.labels.column(first);
  return frames.layer.layout === "vector" ? frames.labels.span(first, last) : `${frames.layer.column} ${first}…${last}`;
}
