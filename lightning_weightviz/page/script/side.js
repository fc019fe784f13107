// One run's map of the chosen layer.

import { Frames } from "./frames.js";
import { MapView } from "./map.js";
import { paintSheet } from "./paint.js";
import { view } from "./state.js";

/** @typedef {import("./run.js").LayerFacts} LayerFacts */
/** @typedef {import("./run.js").Run} Run */
/** @typedef {import("./viewport.js").Viewport} Viewport */

/**
 * The target that is looked at: what is asked for where the layer has it.
 * @param {LayerFacts} layer
 */
export function targetOf(layer) {
  return Object.hasOwn(layer.targets, view.target) ? view.target : (Object.keys(layer.targets)[0] ?? "");
}

/**
 * @param {LayerFacts} layer
 * @param {string} target
 */
export function mapOf(layer, target) {
  const maps = layer.targets[target]?.maps ?? [];
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
    const facts = layer && mapOf(layer, targetOf(layer));
    if (!layer || !facts || !facts.frames.length || facts.cells.shape.includes(0)) return null;
    const bytes = await run.block(layer.block);
    const classes = run.headOf(name)?.classes ?? [];
    return new Frames(layer, facts, bytes, classes, innerWidth < 700 ? 0.85 : 1.6);
  }

  /**
   * @param {number} frame Of its own run.
   * @param {number} limit
   */
  paint(frame, limit) {
    const { frames } = this;
    if (!frames) return;
    const { values } = frames.at(frame, view.from);
    paintSheet(frames.sheet, values, frames.table(view.from), limit, this.bitmap);
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
