// One run's map of the chosen layer.

import { seriesOf } from "./chosen.js";
import { Frames } from "./frames.js";
import { MapView } from "./map.js";
import { paintSheet } from "./paint.js";
import { view } from "./state.js";

/** @typedef {import("./run.js").Run} Run */
/** @typedef {import("./run.js").Series} Series */
/** @typedef {import("./viewport.js").Viewport} Viewport */

/** @param {Series | null} series */
export function mapOf(series) {
  const maps = series?.maps ?? [];
  return maps.find((map) => map.name === view.map) ?? maps[0] ?? null;
}

export class Side {
  /**
   * @param {HTMLCanvasElement} canvas
   * @param {Viewport} viewport
   * @param {(pixel: number) => void} point
   */
  constructor(canvas, viewport, point) {
    this.canvas = canvas;
    this.map = new MapView(canvas, viewport, point);
    /** @type {Frames | null} */
    this.frames = null;
    this.bitmap = document.createElement("canvas");
  }

  /**
   * Reads a layer's map.
   * @param {Run} run
   * @param {string} name
   */
  async load(run, name) {
    const layer = run.layers.get(name);
    const facts = mapOf(seriesOf(run));
    if (!layer || !facts || !facts.frames.length || facts.cells.shape.includes(0)) return null;
    const bytes = await run.block(layer.block);
    const classes = run.headOf(name)?.classes ?? [];
    return new Frames(layer, facts, bytes, classes, innerWidth < 700 ? 0.85 : 1.6);
  }

  /**
   * @param {number} frame Of its own run.
   * @param {string} from Of its own run.
   * @param {number} limit
   */
  paint(frame, from, limit) {
    const { frames } = this;
    if (!frames) return;
    const { values } = frames.at(frame, from);
    paintSheet(frames.sheet, values, frames.table(from), limit, this.bitmap);
    const { facts, layer, labels, sheet } = frames;
    this.map.show({
      sheet,
      bitmap: this.bitmap,
      values,
      vector: layer.layout === "vector",
      rowNames: labels.rowNames.length === facts.cells.shape[1] ? labels.rowNames : [],
      rowNoun: layer.row,
      columnNoun: layer.column,
      shape: [facts.shape[0], facts.shape[1]],
      cells: frames.tiled ? [1, 1] : [facts.cells.shape[1], facts.cells.shape[2]],
    });
    return values;
  }
}
