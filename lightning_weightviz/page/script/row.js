// One row of the table of layers.

import { make, named } from "./dom.js";
import { amount, number } from "./number.js";
import { view, WHOLE } from "./state.js";
import { COLUMNS, drawStrip } from "./strips.js";

/** @typedef {import("./names.js").Branch} Branch */
/** @typedef {import("./run.js").FindingFacts} FindingFacts */
/** @typedef {import("./strips.js").Strips} Strips */
/** @typedef {import("./strips.js").Scales} Scales */
/** @typedef {import("./strips.js").Column} Column */

/**
 * The name by which a row is looked at: of a group none.
 * @param {Branch} one
 */
export function nameOf(one) {
  return one.parent ? one.layer?.name : WHOLE;
}

export class Row {
  /**
   * @param {Branch} one
   * @param {FindingFacts | null} finding The gravest.
   */
  constructor(one, finding) {
    this.one = one;
    /** @type {Map<Column, HTMLElement>} */
    this.numbers = new Map();
    /** @type {Map<Column, HTMLCanvasElement>} */
    this.strips = new Map();
    this.label = named("");
    const name = make(
      "div",
      { role: "gridcell", class: "name" },
      make("span", { class: "fold", "aria-hidden": "true" }),
      this.label,
    );
    if (finding) {
      const over = finding.open ? "" : " over";
      name.append(
        make("span", {
          class: `dot ${finding.severity}${over}`,
          role: "img",
          "aria-label": finding.severity,
          title: finding.message,
        }),
      );
    }
    const title = one.parent ? one.path : WHOLE;
    const kind = one.layer ? "leaf" : one.parent ? "group" : "whole";
    const size = make("div", { role: "gridcell", class: "size" }, amount(one.size));
    this.element = make("div", { role: "row", tabindex: -1, title, class: kind }, name, size);
    if (one.layer) this.element.dataset.parameter = one.layer.name;
    for (const column of COLUMNS) {
      const [strip, text] = [make("canvas", { "aria-hidden": "true" }), make("span")];
      this.strips.set(column, strip);
      this.numbers.set(column, text);
      this.element.append(make("div", { role: "gridcell", class: `over-time ${column}` }, strip, text));
    }
  }

  /**
   * As a row of the tree, or of a list.
   * @param {boolean} flat
   * @param {boolean} open
   */
  place(flat, open) {
    const { one, element } = this;
    const depth = flat ? 0 : one.depth;
    element.setAttribute("aria-level", String(depth + 1));
    element.style.setProperty("--depth", String(depth));
    this.label.textContent = one.parent ? (flat ? one.path : one.label) : WHOLE;
    if (one.children.length && one.parent) element.setAttribute("aria-expanded", String(open));
  }

  /**
   * Numbers at a moment, and whether it is chosen.
   * @param {Strips} strips
   * @param {number} moment
   */
  write(strips, moment) {
    for (const [column, element] of this.numbers) {
      const value = strips[column][moment];
      const known = value !== undefined && !Number.isNaN(value);
      if (column === "turned") element.textContent = known ? `${number(value, 2)}°` : "–";
      else element.textContent = known ? number(value) : "–";
    }
    this.choosing();
  }

  choosing() {
    const chosen = nameOf(this.one) === view.layer;
    if (this.element.classList.contains("chosen") === chosen && this.element.hasAttribute("aria-selected")) return;
    this.element.setAttribute("aria-selected", String(chosen));
    this.element.classList.toggle("chosen", chosen);
  }

  /**
   * @param {Scales} scales
   * @param {Strips} strips
   * @param {number} moment
   */
  draw(scales, strips, moment) {
    for (const [column, canvas] of this.strips) drawStrip(canvas, scales, column, strips[column], moment);
  }
}
