// One row of the table of layers.

import { make, named } from "./dom.js";
import { view, WHOLE } from "./state.js";
import { COLUMNS, drawStrip } from "./strips.js";

/** @typedef {import("./names.js").Branch} Branch */
/** @typedef {import("./columns.js").Columns} Columns */
/** @typedef {import("./findings.js").Found} Found */
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
   * @param {Columns} columns
   * @param {Found[]} found The gravest of each run.
   */
  constructor(one, columns, found) {
    this.one = one;
    this.columns = columns;
    /** Of each column its lines: one a run. @type {Map<Column | "size", HTMLElement[]>} */
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
    const two = columns.sources.length > 1;
    for (const { finding, shown } of found) {
      const over = finding.open ? "" : " over";
      const whose = two ? `${shown.word} run: ` : "";
      name.append(
        make("span", {
          class: `dot ${finding.severity}${over}${two ? ` ${shown.word}` : ""}`,
          role: "img",
          "aria-label": `${whose}${finding.severity}`,
          title: `${whose}${finding.message}`,
        }),
      );
    }
    const only = columns.only(one);
    if (only) name.append(make("span", { class: `only run-name ${only}`, title: `Only the ${only} run has it` }, `only ${only}`));
    const title = one.parent ? one.path : WHOLE;
    const kind = `${one.layer ? "leaf" : one.parent ? "group" : "whole"}${only ? " of-one" : ""}`;
    this.element = make("div", { role: "row", tabindex: -1, title, class: kind }, name, this.cell("size"));
    if (one.layer) this.element.dataset.parameter = one.layer.name;
    for (const column of COLUMNS) {
      const cell = this.cell(column);
      const strip = make("canvas", { "aria-hidden": "true" });
      this.strips.set(column, strip);
      cell.prepend(strip);
      this.element.append(cell);
    }
  }

  /** @param {Column | "size"} column */
  cell(column) {
    const lines = this.columns.sources.map(() => make("span"));
    this.numbers.set(column, lines);
    const words = lines.length > 1 ? make("span", { class: "lines" }, ...lines) : lines[0];
    return make("div", { role: "gridcell", class: column === "size" ? column : `over-time ${column}` }, words);
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

  /** Numbers at the step that is looked at, and whether it is chosen. */
  write() {
    for (const [column, lines] of this.numbers) {
      const words = this.columns.words(this.one, column);
      lines.forEach((line, place) => (line.textContent = words[place] ?? ""));
      const spoken = this.columns.spoken(words);
      if (spoken) lines[0].closest("[role=gridcell]")?.setAttribute("aria-label", spoken);
    }
    this.choosing();
  }

  choosing() {
    const chosen = nameOf(this.one) === view.layer;
    if (this.element.classList.contains("chosen") === chosen && this.element.hasAttribute("aria-selected")) return;
    this.element.setAttribute("aria-selected", String(chosen));
    this.element.classList.toggle("chosen", chosen);
  }

  /** Numbers over time. */
  draw() {
    const { columns, one } = this;
    for (const [column, canvas] of this.strips) drawStrip(canvas, columns.scales, column, columns.lines(one, column));
  }
}
