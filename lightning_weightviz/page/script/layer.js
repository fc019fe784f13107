// The chosen layer: its map at the time that is looked at, and the other run's beside it.

import { fromOf, layerNow, missingWords } from "./chosen.js";
import { showControls } from "./controls.js";
import { make, named, part } from "./dom.js";
import { paintFilm, showFilm } from "./film.js";
import { findingItem, foundIn } from "./findings.js";
import { meaningOf, showScale } from "./legend.js";
import { number } from "./number.js";
import { runs, shownRuns } from "./runs.js";
import { Side } from "./side.js";
import { listen, listenLater, view, WHOLE } from "./state.js";
import { runName } from "./title.js";
import { drawTrace } from "./trace.js";
import { valueWords } from "./value.js";
import { Viewport } from "./viewport.js";

/** @typedef {import("./frames.js").Frames} Frames */

class Chosen {
  constructor() {
    this.viewport = new Viewport();
    /** Of each run. */
    this.sides = ["map", "map-other"].map((id, place) => {
      const canvas = /** @type {HTMLCanvasElement} */ (part(id));
      canvas.addEventListener("keydown", (event) => this.key(event, place));
      return new Side(canvas, this.viewport, (pixel) => this.point(pixel, place));
    });
    this.pixel = -1;
    /** The run whose map is read. */
    this.place = 0;
    this.turn = 0;
  }

  /** The maps of the runs; those that have none of the layer are left out. */
  get mapped() {
    return shownRuns().flatMap((shown) => {
      const side = this.sides[shown.place];
      return side.frames ? [{ ...shown, side, frames: side.frames, from: fromOf(shown.run) }] : [];
    });
  }

  /** The map that is read: the first run's with the other beside it, or that which is pointed at where they differ. */
  get frames() {
    const { mapped } = this;
    return (mapped.find(({ place }) => place === this.place) ?? mapped[0])?.frames ?? null;
  }

  /**
   * Reads a run's map, or the first one where both are alike.
   * @param {number} place
   */
  turnTo(place) {
    const { mapped } = this;
    const one = mapped.find((shown) => shown.place === place);
    if (!one) return;
    const next = sameShape(one.frames, mapped[0].frames) ? mapped[0].place : place;
    if (next !== this.place) this.pixel = -1;
    this.place = next;
  }

  /** Reads the layer anew. */
  async load() {
    const turn = ++this.turn;
    const read = await Promise.all(shownRuns().map(({ run, place }) => this.sides[place].load(run, view.layer)));
    // Another layer may have been chosen meanwhile.
    if (turn !== this.turn) return;
    const before = this.sides.find((side) => side.frames)?.frames;
    this.sides.forEach((side, place) => (side.frames = read[place] ?? null));
    const { frames } = this;
    if (!frames || !before || !sameShape(frames, before) || frames.layer !== before.layer) {
      this.pixel = -1;
      this.place = 0;
      for (const side of this.sides) side.map.marked = -1;
      this.viewport.reset();
    }
    this.words();
    this.controls();
    this.paint();
  }

  /** What the layer is, and what is wrong with it. */
  words() {
    const facts = layerNow();
    const found = shownRuns().flatMap((shown) =>
      foundIn(shown.run, facts?.name ?? null).map((finding) => findingItem(finding, Boolean(facts), shown)),
    );
    const items = found.length ? make("ul", { class: "found" }, ...found) : "";
    if (!facts) {
      const title = view.layer === WHOLE ? "Whole model" : "No layer is chosen";
      part("which").replaceChildren(make("h2", {}, title), items);
      return;
    }
    part("which").replaceChildren(make("h2", {}, named(facts.name)), ...this.about(), items);
  }

  /** What the layer is; of each run where it is not the same in both. */
  about() {
    const all = shownRuns().flatMap((shown) => {
      const facts = shown.run.layers.get(view.layer);
      if (!facts) return [];
      const also = facts.aliases.length ? [`also ${facts.aliases.join(", ")}`] : [];
      return [{ shown, words: [facts.words, facts.dtype, ...also].join(" · ") }];
    });
    const same = all.every(({ words }) => words === all[0].words);
    if (same && all.length === shownRuns().length) return [make("p", { class: "about" }, named(all[0].words))];
    return all.map(({ shown, words }) => make("p", { class: "about" }, runName(shown), ": ", named(words)));
  }

  controls() {
    showControls(layerNow(), this.frames && this.viewport);
  }

  /** Draws the frame that is looked at. */
  paint() {
    const { mapped } = this;
    part("maps").hidden = part("scale").hidden = part("value").hidden = !mapped.length;
    part("other-run").hidden = !runs.other;
    showFilm(this.sides[0].frames, this.limit(0));
    if (!mapped.length) return;
    const values = mapped.map(({ side, frame, from, place }) => side.paint(frame, from, this.limit(place)))[0];
    this.captions();
    if (values) showScale(mapped[0].frames, values, this.limit(mapped[0].place));
    this.say();
  }

  /**
   * One range for both runs where they show the same.
   * @param {number} place Of the run.
   */
  limit(place) {
    const one = this.mapped.find((mapped) => mapped.place === place);
    if (!one) return 1;
    const alike = this.mapped.filter(({ frames }) => frames.facts.name === one.frames.facts.name);
    return Math.max(...alike.map(({ frames, from }) => frames.limit(from)));
  }

  captions() {
    const { mapped } = this;
    for (const shown of shownRuns()) {
      const one = mapped.find(({ place }) => place === shown.place);
      /** @type {(Node | string)[]} */
      const words = runs.other ? [runName(shown), ` · ${shown.run.frameWords(shown.frame)}`] : [];
      if (!one) words.push(` · ${missingWords(shown.run, "map")}`);
      else {
        const kept = one.frames.facts.frames[one.frames.pair(one.frame, "").now];
        if (kept !== one.frame) words.push(` · kept at ${shown.run.frameWords(kept)}`);
        if (one.frames.facts.name !== mapped[0].frames.facts.name) {
          words.push(` · ${meaningOf(one.frames)}, up to ${number(this.limit(one.place))}`);
        }
        one.side.canvas.setAttribute(
          "aria-label",
          `${view.layer}${runs.other ? ` of ${shown.title}` : ""}, ${meaningOf(one.frames)}; arrow keys move from cell to cell, + and − zoom`,
        );
      }
      part(shown.place ? "map-other-words" : "map-words").replaceChildren(...words);
      this.sides[shown.place].canvas.hidden = !one;
    }
  }

  /**
   * @param {number} pixel
   * @param {number} from The run on whose map it is.
   */
  point(pixel, from) {
    this.turnTo(from);
    const { frames, mapped } = this;
    const at = frames?.sheet.places[pixel] ?? -1;
    if (!frames || at < 0) return;
    this.pixel = pixel;
    for (const one of mapped) one.side.map.mark(sameShape(one.frames, frames) ? pixel : -1);
    this.say();
  }

  /** Says what is pointed at. */
  say() {
    const { frames, mapped } = this;
    const lead = mapped.find((one) => one.frames === frames);
    const place = part("value");
    const at = lead?.frames.sheet.places[this.pixel] ?? -1;
    if (!lead || at < 0) {
      place.replaceChildren(
        make("span", { class: "hint" }, "Point at the map, or tap it, to read a value. Wheel or pinch zooms."),
      );
      return;
    }
    const trace = make("canvas", { class: "trace", "aria-hidden": "true", title: "this cell over the kept snapshots" });
    const parts = valueWords(lead.frames, at, lead.frame, lead.from);
    /** @param {{word: string, title: string}} one */
    const name = (one) => make("span", { class: `run-name ${one.word}`, title: one.title }, `${one.word}: `);
    if (mapped.length > 1) parts.splice(1, 0, name(lead));
    for (const other of mapped.filter((one) => one !== lead && sameShape(one.frames, lead.frames))) {
      const words = valueWords(other.frames, at, other.frame, other.from).slice(1);
      parts.push(make("span", { class: "beside" }, name(other), ...words));
    }
    place.replaceChildren(...parts, trace);
    drawTrace(trace, lead.frames.history(at), lead.frames.pair(lead.frame, "").now);
  }

  /**
   * @param {KeyboardEvent} event
   * @param {number} from The run on whose map it is.
   */
  key(event, from) {
    this.turnTo(from);
    const { frames } = this;
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
      if (x >= 0 && y >= 0 && x < sheet.width && y < sheet.height) this.point(y * sheet.width + x, from);
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
    for (const { run } of shownRuns()) {
      const layer = row instanceof HTMLElement ? run.layers.get(row.dataset.parameter ?? "") : null;
      if (layer) void run.block(layer.block);
    }
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => chosen.paint());
  await chosen.load();
}
