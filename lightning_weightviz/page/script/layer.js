// The chosen layer: its map at the time that is looked at, and the other run's beside it.

import { cssColour, INFINITE_PIXEL, NAN_PIXEL } from "./colours.js";
import { make, named, part } from "./dom.js";
import { findingItem, ranked } from "./findings.js";
import { Frames } from "./frames.js";
import { MapView } from "./map.js";
import { number } from "./number.js";
import { brokenOf, paintSheet } from "./paint.js";
import { otherFrame, runs } from "./runs.js";
import { listen, look, view } from "./state.js";
import { drawTrace } from "./trace.js";
import { valueWords } from "./value.js";
import { Viewport } from "./viewport.js";

/** @typedef {import("./run.js").LayerFacts} LayerFacts */
/** @typedef {import("./run.js").Run} Run */

const MAP_WORDS = new Map([
  ["values", "weights"],
  ["filters", "as pictures"],
  ["norms", "kernel norms"],
  ["sums", "kernel sums"],
]);

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
function mapOf(layer, target) {
  const maps = layer.targets[target]?.maps ?? [];
  return maps.find((map) => map.name === view.map) ?? maps[0] ?? null;
}

class Side {
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

  /** @param {number} frame Of its own run. */
  paint(frame) {
    const { frames } = this;
    if (!frames) return;
    const { values } = frames.at(frame, view.from);
    paintSheet(frames.sheet, values, frames.table(view.from), frames.limit(view.from), this.bitmap);
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
      part("which").replaceChildren(make("p", { class: "empty" }, "No layer is chosen."));
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

  /** Which target, which map, and since when. */
  controls() {
    const { facts } = this;
    const place = part("controls");
    const focused = document.activeElement instanceof HTMLElement ? document.activeElement.dataset.choice : undefined;
    place.replaceChildren();
    if (!facts) return;
    const target = targetOf(facts);
    const targets = Object.keys(facts.targets);
    if (targets.length > 1) {
      place.append(
        choices(
          "target",
          targets.map((name) => [name, name]),
          target,
        ),
      );
    }
    const maps = facts.targets[target]?.maps ?? [];
    if (maps.length > 1) {
      const words = maps.map((map) => /** @type {[string, string]} */ ([map.name, this.mapWord(map.name, target)]));
      place.append(choices("map", words, mapOf(facts, target)?.name ?? ""));
    }
    if (this.side.frames) {
      place.append(this.since());
      place.append(
        make(
          "button",
          { type: "button", title: "All of the map (0)", click: () => this.viewport.reset() },
          "whole map",
        ),
      );
    }
    if (focused) /** @type {HTMLElement | null} */ (place.querySelector(`[data-choice="${focused}"]`))?.focus();
  }

  /**
   * @param {string} name
   * @param {string} target
   */
  mapWord(name, target) {
    return name === "values" ? target : (MAP_WORDS.get(name) ?? name);
  }

  /** What is taken away from the weights. */
  since() {
    const { frames } = runs.first.facts;
    const choice = make("select", {
      "aria-label": "Weights, or their change",
      "data-choice": "from",
      change: () => look({ from: choice.value }),
    });
    choice.append(
      make("option", { value: "" }, "as they are"),
      make("option", { value: "start" }, "change since the start"),
      make("option", { value: "previous" }, "change since the kept snapshot before"),
    );
    const group = make("optgroup", { label: "change since" });
    frames.step.forEach((_, frame) => group.append(make("option", { value: frame }, runs.first.frameWords(frame))));
    choice.append(group);
    choice.value = view.from;
    return choice;
  }

  /** Draws the frame that is looked at. */
  paint() {
    const none = !this.side.frames;
    part("maps").hidden = part("scale").hidden = part("value").hidden = none;
    if (!this.side.frames) return;
    const values = this.side.paint(view.frame);
    part("other-run").hidden = !runs.other;
    if (runs.other) this.other.paint(otherFrame(view.frame));
    this.side.map.draw();
    if (runs.other) this.other.map.draw();
    this.captions();
    if (values) this.scale(this.side.frames, values);
    this.say();
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
      `${view.layer}, ${this.meaning()}; arrow keys move from cell to cell, + and − zoom`,
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

  /** What a cell is. */
  meaning() {
    const { frames } = this.side;
    if (!frames) return "";
    const { facts } = frames;
    const thing =
      facts.name === "norms" ? "norm of one kernel" : facts.name === "sums" ? "sum of one kernel" : "one weight";
    if (frames.tiled) return `each tile one ${frames.layer.unit}, one range for all`;
    const [height, width] = [facts.cells.shape[1], facts.cells.shape[2]];
    if (height === facts.shape[0] && width === facts.shape[1]) return `each cell ${thing}`;
    const block = `${Math.ceil(facts.shape[0] / height)}×${Math.ceil(facts.shape[1] / width)}`;
    return `each cell the one farthest from 0 of ${block}`;
  }

  /**
   * The colours and what they stand for.
   * @param {Frames} frames
   * @param {Float32Array} values
   */
  scale(frames, values) {
    const limit = frames.limit(view.from);
    const table = frames.table(view.from);
    const rgb = frames.sheet.channels === 3;
    const bar = make("canvas", { class: "bar", "aria-hidden": "true" });
    bar.width = table.colours.length;
    bar.height = 1;
    const context = bar.getContext("2d");
    const image = context?.createImageData(table.colours.length, 1);
    if (context && image) {
      new Uint32Array(image.data.buffer).set(table.colours);
      context.putImageData(image, 0, 0);
    }
    const low = table.middle ? number(-limit) : "0";
    const ends = [make("span", {}, low), bar, make("span", {}, number(limit).replace(/^/, table.middle ? "+" : ""))];
    const inColour = make(
      "span",
      {},
      `in each colour ${number(-limit)} is dark, 0 middle grey, +${number(limit)} bright`,
    );
    const broken = brokenOf(values).map((kind) => {
      const swatch = make("i");
      swatch.style.background = cssColour(kind.word === "NaN" ? NAN_PIXEL : INFINITE_PIXEL);
      return make("span", { class: "broken" }, swatch, ` ${kind.word}: ${kind.count}`);
    });
    const meaning = `${view.from ? "change, " : ""}${this.meaning()}`;
    part("scale").replaceChildren(
      make("span", { class: "ends" }, ...(rgb ? [inColour] : ends)),
      ...broken,
      make("span", { class: "meaning" }, meaning),
    );
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
 * Buttons of which one is pressed.
 * @param {"target" | "map"} name
 * @param {[string, string][]} options
 * @param {string} chosen
 */
function choices(name, options, chosen) {
  const buttons = options.map(([value, word]) =>
    make(
      "button",
      {
        type: "button",
        "aria-pressed": String(value === chosen),
        "data-choice": `${name}-${value}`,
        click: () => look({ [name]: value }),
      },
      word,
    ),
  );
  return make("span", { class: "choices", role: "group", "aria-label": name }, ...buttons);
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
    if (["layer", "target", "map", "other"].some((name) => changed.has(name))) void chosen.load();
    else if (changed.has("frame") || changed.has("from")) {
      if (changed.has("from")) chosen.controls();
      chosen.paint();
    }
  });
  new ResizeObserver(() => {
    chosen.side.map.refresh();
    chosen.other.map.refresh();
  }).observe(part("maps"));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => chosen.paint());
  await chosen.load();
}
