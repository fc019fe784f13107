// A card below the map: a panel of each run, beside each other in one scale.

import { missingWords } from "./chosen.js";
import { make, part } from "./dom.js";
import { shownRuns } from "./runs.js";
import { listenLater } from "./state.js";
import { runName } from "./title.js";

/** @typedef {import("./run.js").Run} Run */
/** @typedef {import("./runs.js").Shown} Shown */

/**
 * @template Read
 * @typedef {{element: HTMLElement, draw: (read: Read, shown: Shown, all: Read[]) => void, clear?: () => void}} Panel
 *   `all` is what is read of every run, for one scale.
 */

/** @template Read */
export class Card {
  /**
   * @param {string} id
   * @param {string} title
   * @param {string} thing What a run may have none of.
   * @param {(run: Run) => Promise<Read | null>} read What a run has of the layer that is looked at.
   * @param {() => Panel<Read>} panel
   */
  constructor(id, title, thing, read, panel) {
    this.id = id;
    this.title = title;
    this.thing = thing;
    this.read = read;
    this.panels = [panel(), panel()];
    /** @type {(Read | null)[]} */
    this.reads = [];
    this.turn = 0;
    this.state = "";
  }

  /** Reads the layer anew. */
  async load() {
    const turn = ++this.turn;
    const shown = shownRuns();
    const reads = await Promise.all(shown.map(({ run }) => this.read(run)));
    // Another layer may have been chosen meanwhile.
    if (turn !== this.turn) return;
    this.reads = reads;
    for (const panel of this.panels) panel.clear?.();
    part(this.id).hidden = reads.every((read) => read === null);
    this.arrange(shown);
    this.draw();
  }

  /**
   * Puts the panels on the card, where they do not stand there already.
   * @param {Shown[]} shown
   */
  arrange(shown) {
    const words = shown.map(({ run }, place) => (this.reads[place] ? "" : missingWords(run, this.thing)));
    const state = JSON.stringify([words, shown.map(({ title }) => title)]);
    if (state === this.state || part(this.id).hidden) return;
    this.state = state;
    const two = shown.length > 1;
    const parts = shown.map((one, place) => {
      const inside = words[place] ? make("p", { class: "missing" }, words[place]) : this.panels[place].element;
      return two ? make("div", { class: "of-run" }, make("h4", {}, runName(one)), inside) : inside;
    });
    const place = part(this.id);
    place.classList.toggle("two", two);
    place.replaceChildren(make("h3", {}, this.title), two ? make("div", { class: "side-by-side" }, ...parts) : parts[0]);
  }

  draw() {
    if (part(this.id).hidden) return;
    const all = this.reads.filter((read) => read !== null);
    shownRuns().forEach((shown, place) => {
      const read = this.reads[place];
      if (read) this.panels[place].draw(read, shown, all);
    });
  }

  /** Draws, and follows what is looked at. */
  async show() {
    listenLater((changed) => {
      if (["layer", "target", "other"].some((name) => changed.has(name))) return this.load();
      if (changed.has("frame")) this.draw();
    });
    window.addEventListener("resize", () => this.draw());
    // A card has the room of the one beside it where there is none.
    let width = 0;
    new ResizeObserver(([entry]) => {
      if (entry.contentRect.width === width) return;
      width = entry.contentRect.width;
      this.draw();
    }).observe(part(this.id));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
    await this.load();
  }
}
