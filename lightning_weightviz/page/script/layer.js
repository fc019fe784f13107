// The chosen layer: its map at the time that is looked at, and the other run's beside it.

import { showControls } from "./controls.js";
import { make, named, part } from "./dom.js";
import { paintFilm, showFilm } from "./film.js";
import { findingItem, ranked } from "./findings.js";
import { meaningOf, showScale } from "./legend.js";
import { otherFrame, runs } from "./runs.js";
import { Side } from "./side.js";
import { listen, listenLater, view, WHOLE } from "./state.js";
import { drawTrace } from "./trace.js";
import { valueWords } from "./value.js";
import { Viewport } from "./viewport.js";

/** @typedef {import("./frames.js").Frames} Frames */

class Chosen {
  constructor() {
    this.viewport = new Viewport();
    /** @param {number} pixel */
    const point = (pixel) => this.point(pixel);
    this.side = new Side(/** @type {HTMLCanvasElement} */ (part("map")), this.viewport, point);
    this.other = new Side(/** @type {HTMLCanvasElement} */ (part("map-other")), this.viewport, point);
    this.pixel = -1;
    this.turn = 0;
    this.side.canvas.addEventListener("keydown", (event) => this.key(event));
  }

  get facts() {
    return runs.first.layers.get(view.layer) ?? null;
  }

  /** Reads the layer anew. */
  async load() {
    const turn = ++this.turn;
    const [ours, others] = await Promise.all([
      this.side.load(runs.first, view.layer),
      runs.other ? this.other.load(runs.other, view.layer) : null,
    ]);
    // Another layer may have been chosen meanwhile.
    if (turn !== this.turn) return;
    const same = ours && this.side.frames && sameShape(ours, this.side.frames) && ours.layer === this.side.frames.layer;
    this.side.frames = ours;
    this.other.frames = others;
    if (!same) {
      this.pixel = -1;
      this.side.map.marked = this.other.map.marked = -1;
      this.viewport.reset();
    }
    this.words();
    this.controls();
    this.paint();
  }

  /** What the layer is, and what is wrong with it. */
  words() {
    const { facts } = this;
    if (!facts) {
      const found = ranked(runs.first).filter((finding) => !runs.first.layers.has(finding.parameter));
      const items = found.map((finding) => findingItem(finding, false));
      part("which").replaceChildren(
        make("h2", {}, view.layer === WHOLE ? "Whole model" : "No layer is chosen"),
        items.length ? make("ul", { class: "found" }, ...items) : "",
      );
      return;
    }
    const notes = [facts.words, facts.dtype];
    if (facts.aliases.length) notes.push(`also ${facts.aliases.join(", ")}`);
    const found = ranked(runs.first).filter((finding) => finding.parameter === facts.name);
    const items = found.map((finding) => findingItem(finding, true));
    part("which").replaceChildren(
      make("h2", {}, named(facts.name)),
      make("p", { class: "about" }, named(notes.join(" · "))),
      items.length ? make("ul", { class: "found" }, ...items) : "",
    );
  }

  controls() {
    showControls(this.facts, this.side.frames && this.viewport);
  }

  /** Draws the frame that is looked at. */
  paint() {
    const none = !this.side.frames;
    part("maps").hidden = part("scale").hidden = part("value").hidden = none;
    showFilm(this.side.frames, this.limit);
    if (!this.side.frames) return;
    const { limit } = this;
    part("other-run").hidden = !runs.other;
    const values = this.side.paint(view.frame, limit);
    if (runs.other) this.other.paint(otherFrame(view.frame), limit);
    this.captions();
    if (values) showScale(this.side.frames, values, limit);
    this.say();
  }

  /** One range for both runs where they show the same. */
  get limit() {
    const [ours, others] = [this.side.frames, this.other.frames];
    const limit = ours?.limit(view.from) ?? 1;
    return ours && others && ours.facts.name === others.facts.name ? Math.max(limit, others.limit(view.from)) : limit;
  }

  captions() {
    const { frames } = this.side;
    if (!frames) return;
    const kept = frames.facts.frames[frames.pair(view.frame, "").now];
    const late = kept === view.frame ? "" : ` · kept at ${runs.first.frameWords(kept)}`;
    const words = runs.other ? [named(runs.first.facts.title), ` · ${runs.first.frameWords(view.frame)}`] : [];
    part("map-words").replaceChildren(...words, late);
    this.side.canvas.setAttribute(
      "aria-label",
      `${view.layer}, ${meaningOf(frames)}; arrow keys move from cell to cell, + and − zoom`,
    );
    if (!runs.other) return;
    const at = otherFrame(view.frame);
    const missing = this.other.frames
      ? ""
      : runs.other.layers.has(view.layer)
        ? " · has no map of it"
        : " · has no such layer";
    part("map-other-words").replaceChildren(named(runs.other.facts.title), ` · ${runs.other.frameWords(at)}${missing}`);
    this.other.canvas.hidden = !this.other.frames;
  }

  /** @param {number} pixel */
  point(pixel) {
    const at = this.side.frames?.sheet.places[pixel] ?? -1;
    if (at < 0) return;
    this.pixel = pixel;
    this.side.map.mark(pixel);
    if (this.other.frames && this.side.frames && sameShape(this.other.frames, this.side.frames))
      this.other.map.mark(pixel);
    this.say();
  }

  /** Says what is pointed at. */
  say() {
    const { frames } = this.side;
    const place = part("value");
    const at = frames?.sheet.places[this.pixel] ?? -1;
    if (!frames || at < 0) {
      place.replaceChildren(
        make("span", { class: "hint" }, "Point at the map, or tap it, to read a value. Wheel or pinch zooms."),
      );
      return;
    }
    const trace = make("canvas", { class: "trace", "aria-hidden": "true", title: "this cell over the kept snapshots" });
    const parts = valueWords(frames, at, view.frame, view.from);
    if (this.other.frames && sameShape(this.other.frames, frames)) {
      const others = valueWords(this.other.frames, at, otherFrame(view.frame), view.from).slice(1);
      parts.push(make("span", { class: "beside" }, "other run: ", ...others));
    }
    place.replaceChildren(...parts, trace);
    drawTrace(trace, frames.history(at), frames.pair(view.frame, "").now);
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const { frames } = this.side;
    if (!frames) return;
    const { sheet } = frames;
    const moves = new Map([
      ["ArrowLeft", [-1, 0]],
      ["ArrowRight", [1, 0]],
      ["ArrowUp", [0, -1]],
      ["ArrowDown", [0, 1]],
    ]);
    const step = moves.get(event.key);
    if (step) {
      let [x, y] =
        this.pixel < 0 ? [-step[0], -step[1]] : [this.pixel % sheet.width, Math.floor(this.pixel / sheet.width)];
      // Over gaps, to the next cell.
      do {
        x += step[0];
        y += step[1];
      } while (x >= 0 && y >= 0 && x < sheet.width && y < sheet.height && sheet.places[y * sheet.width + x] < 0);
      if (x >= 0 && y >= 0 && x < sheet.width && y < sheet.height) this.point(y * sheet.width + x);
    } else if (event.key === "+" || event.key === "=" || event.key === "-") {
      const [x, y] = this.pixel < 0 ? [0.5, 0.5] : this.share(sheet.width, sheet.height);
      this.viewport.scale(event.key === "-" ? 1 / 1.5 : 1.5, x, y);
    } else if (event.key === "0") this.viewport.reset();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  /**
   * Where the cell that is pointed at lies in the window.
   * @param {number} width
   * @param {number} height
   */
  share(width, height) {
    const { zoom, left, top } = this.viewport;
    const x = (((this.pixel % width) + 0.5) / width - left) * zoom;
    const y = ((Math.floor(this.pixel / width) + 0.5) / height - top) * zoom;
    return [Math.min(Math.max(x, 0), 1), Math.min(Math.max(y, 0), 1)];
  }
}

/**
 * @param {Frames} a
 * @param {Frames} b
 */
function sameShape(a, b) {
  return a.facts.name === b.facts.name && a.facts.cells.shape.slice(1).join() === b.facts.cells.shape.slice(1).join();
}

/** Shows the chosen layer, and follows what is looked at. */
export async function showLayer() {
  const chosen = new Chosen();
  listen((changed) => {
    if (["layer", "target", "map", "other"].some((name) => changed.has(name))) return chosen.load();
    if (changed.has("frame") || changed.has("from")) {
      if (changed.has("from")) chosen.controls();
      chosen.paint();
    }
  });
  listenLater(paintFilm);
  // A row that is pressed is about to be chosen: its block is read meanwhile.
  part("layers").addEventListener("pointerdown", (event) => {
    const row = event.target instanceof Element ? event.target.closest("[data-parameter]") : null;
    const layer = row instanceof HTMLElement ? runs.first.layers.get(row.dataset.parameter ?? "") : null;
    if (layer) void runs.first.block(layer.block);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => chosen.paint());
  await chosen.load();
}
