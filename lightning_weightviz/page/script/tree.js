// The table of layers: a tree that folds, or a list sorted by any column; each row small curves over time.

import { readNumbers } from "./decode.js";
import { keepSeen, make, part } from "./dom.js";
import { gravest } from "./findings.js";
import { putHeadings, UNSORTED } from "./headings.js";
import { matcher, treeOf } from "./names.js";
import { rowsOf } from "./order.js";
import { isPrinting } from "./print.js";
import { nameOf, Row } from "./row.js";
import { runs } from "./runs.js";
import { listen, look, view } from "./state.js";
import { Scales, stripsOf, together, wholeStrips } from "./strips.js";

/** @typedef {import("./names.js").Branch} Branch */
/** @typedef {import("./strips.js").Strips} Strips */
/** @typedef {import("./strips.js").Column} Column */

/** Rows that are open at first, at most. */
const OPEN_ROWS = 60;
/** Rows that are put on the page at once. */
const PAGE_ROWS = 400;

class Tree {
  /**
   * @param {Float32Array} values Of the strips.
   * @param {Strips | null} whole Of the whole model.
   */
  constructor(values, whole) {
    const { layers, moments } = runs.first.facts;
    this.length = moments.step.length;
    this.root = treeOf(layers);
    this.layerStrips = stripsOf(values, layers.length, this.length);
    this.scales = new Scales(this.layerStrips);
    this.findings = gravest();
    /** @type {Map<string, Strips>} */
    this.groupStrips = new Map();
    if (whole) this.groupStrips.set("", whole);
    this.hasWhole = Boolean(whole) && layers.length > 1;
    /** @type {Map<string, Row>} */
    this.rows = new Map();
    /** @type {Row[]} */
    this.shown = [];
    /** @type {Set<string>} */
    this.open = new Set();
    this.most = PAGE_ROWS;
    this.sorted = UNSORTED;
    this.asked = "";
    /** @type {Set<Row>} */
    this.seen = new Set();
    this.watch = new IntersectionObserver((entries) => this.see(entries), { rootMargin: "200px" });
    this.body = make("div", { role: "rowgroup", class: "rows" });
    this.openFirst();
  }

  /** Opens the tree as far as all rows are a page or so, and to what is wrong. */
  openFirst() {
    let level = [this.root];
    let rows = 0;
    while (level.length) {
      const next = level.flatMap((one) => one.children);
      if (rows + next.length > OPEN_ROWS && rows) break;
      rows += next.length;
      for (const one of level) this.open.add(one.path);
      level = next.filter((one) => one.children.length);
    }
  }

  /** @param {string} name */
  reveal(name) {
    /** @param {Branch} one @returns {Branch | null} */
    const find = (one) => {
      if (one.layer) return one.layer.name === name ? one : null;
      for (const child of one.children) {
        const found = find(child);
        if (found) return found;
      }
      return null;
    };
    for (let above = find(this.root)?.parent; above; above = above.parent) this.open.add(above.path);
  }

  /**
   * @param {Branch} one
   * @returns {Strips}
   */
  strips(one) {
    if (one.layer) return this.layerStrips[one.order];
    let strips = this.groupStrips.get(one.path);
    if (!strips) {
      const { layers } = runs.first.facts;
      const parts = one.layers.map((order) => ({ size: layers[order].size, strips: this.layerStrips[order] }));
      strips = together(parts, this.length);
      this.groupStrips.set(one.path, strips);
    }
    return strips;
  }

  get moment() {
    return Math.max(runs.first.momentOf(view.frame), 0);
  }

  /** Which rows there are, in order. */
  branches() {
    const moment = this.moment;
    const { column, down, on } = this.sorted;
    /** @param {Branch} one @returns {number | string} */
    const key = (one) => {
      if (column === "name") return one.path;
      if (column === "size") return one.size;
      return this.strips(one)[/** @type {Column} */ (column)][moment];
    };
    const means = this.asked ? matcher(this.asked) : null;
    return rowsOf(this.root, { means, open: this.open, whole: this.hasWhole, down, key: on ? key : null });
  }

  /** Puts the rows on the page. */
  render() {
    const focused = this.shown.find((row) => row.element === document.activeElement);
    const { rows, count } = this.branches();
    const chosen = rows.findIndex((one) => nameOf(one) === view.layer);
    this.most = Math.max(this.most, chosen + 1);
    this.shown = rows.slice(0, this.most).map((one) => this.row(one));
    this.seen.clear();
    this.watch.disconnect();
    this.body.replaceChildren(...this.shown.map((row) => row.element));
    for (const row of this.shown) this.watch.observe(row.element);
    const total = runs.first.facts.layers.length;
    part("count").textContent = this.asked ? `${count} of ${total}` : `${total} parameters`;
    if (!rows.length) this.body.append(make("p", { class: "empty" }, "No layer has such a name."));
    if (rows.length > this.most) this.body.append(this.moreRows(rows.length - this.most));
    this.fill();
    if (focused && this.shown.includes(focused)) focused.element.focus();
    this.rove();
  }

  /** @param {number} left */
  moreRows(left) {
    const more = () => {
      this.most += PAGE_ROWS;
      this.render();
    };
    return make("button", { type: "button", class: "more-rows", click: more }, `${left} more rows`);
  }

  /**
   * @param {Branch} one
   * @returns {Row}
   */
  row(one) {
    const key = `${one.layer ? "layer" : "group"} ${one.path}`;
    let row = this.rows.get(key);
    if (!row) {
      const made = new Row(one, this.worst(one));
      made.element.addEventListener("click", () => this.choose(made));
      made.element.addEventListener("focus", () => this.rove(made));
      this.rows.set(key, made);
      row = made;
    }
    row.place(this.sorted.on, Boolean(this.asked) || this.open.has(one.path));
    return row;
  }

  /** @param {Branch} one */
  worst(one) {
    if (one.layer) return this.findings.get(one.layer.name) ?? null;
    const { layers } = runs.first.facts;
    for (const [name, finding] of this.findings) {
      if (one.layers.some((order) => layers[order].name === name)) return finding;
    }
    return null;
  }

  /** @param {Row} row */
  choose(row) {
    const { one } = row;
    const name = nameOf(one);
    if (name !== undefined) look({ layer: name, target: "", map: "" });
    else this.fold(one, !this.open.has(one.path));
  }

  /**
   * @param {Branch} one
   * @param {boolean} open
   */
  fold(one, open) {
    if (open) this.open.add(one.path);
    else this.open.delete(one.path);
    this.render();
  }

  /** Numbers at the moment that is looked at. */
  fill() {
    // All that is written comes before what is drawn.
    for (const row of this.shown) row.write(this.strips(row.one), this.moment);
    this.drawSeen();
  }

  drawSeen() {
    for (const row of isPrinting() ? this.shown : this.seen) row.draw(this.scales, this.strips(row.one), this.moment);
  }

  /** @param {IntersectionObserverEntry[]} entries */
  see(entries) {
    const rows = new Map(this.shown.map((row) => [/** @type {Element} */ (row.element), row]));
    for (const entry of entries) {
      const row = rows.get(entry.target);
      if (!row) continue;
      if (!entry.isIntersecting) this.seen.delete(row);
      else if (!this.seen.has(row)) {
        this.seen.add(row);
        row.draw(this.scales, this.strips(row.one), this.moment);
      }
    }
  }

  /**
   * One row alone is reached by Tab: the focused, else the chosen, else the first.
   * @param {Row} [row]
   */
  rove(row) {
    const at =
      row ??
      this.shown.find((one) => one.element === document.activeElement) ??
      this.shown.find((one) => one.one.layer?.name === view.layer) ??
      this.shown[0];
    for (const one of this.shown) one.element.tabIndex = one === at ? 0 : -1;
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const place = this.shown.findIndex((row) => row.element === document.activeElement);
    if (place < 0) return;
    const row = this.shown[place];
    const { one } = row;
    const folds = one.children.length > 0 && one.parent !== null && !this.asked;
    /** @type {number | null} */
    let next = null;
    if (event.key === "ArrowDown") next = place + 1;
    else if (event.key === "ArrowUp") next = place - 1;
    else if (event.key === "Home") next = 0;
    else if (event.key === "End") next = this.shown.length - 1;
    else if (event.key === "Enter") this.choose(row);
    else if (event.key === "ArrowRight") {
      if (folds && !this.open.has(one.path)) this.fold(one, true);
      else next = place + 1;
    } else if (event.key === "ArrowLeft") {
      if (folds && this.open.has(one.path)) this.fold(one, false);
      else next = this.shown.findIndex((other) => other.one === one.parent);
    } else return;
    event.preventDefault();
    event.stopPropagation();
    if (next !== null) this.shown[next]?.element.focus();
  }

  /** The headings as they sort now. */
  head() {
    return putHeadings(this.sorted, (sorted) => this.sort(sorted));
  }

  /** @param {import("./headings.js").Sorted} sorted */
  sort(sorted) {
    this.sorted = sorted;
    this.most = PAGE_ROWS;
    this.head();
    this.render();
  }
}

/** Puts the table of layers on the page. */
export async function showTree() {
  const { strips } = runs.first.facts;
  const bytes = await runs.first.block(0);
  const tree = new Tree(readNumbers(bytes, strips), wholeStrips(bytes, runs.first.facts.totals));
  tree.reveal(view.layer);
  part("layers").replaceChildren(tree.head(), tree.body);
  part("legend").textContent = tree.scales.words;
  tree.body.addEventListener("keydown", (event) => tree.key(event));
  const search = /** @type {HTMLInputElement} */ (part("search"));
  search.addEventListener("input", () => {
    tree.asked = search.value.trim();
    tree.render();
  });
  search.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown" || event.key === "Enter") {
      const row = tree.shown.find((one) => one.one.layer) ?? tree.shown[0];
      if (event.key === "Enter" && row) tree.choose(row);
      row?.element.focus();
      event.preventDefault();
    } else if (event.key === "Escape" && search.value) {
      search.value = tree.asked = "";
      tree.render();
    }
  });
  tree.render();
  let chosen = view.layer;
  listen((changed) => {
    if (changed.has("layer") && view.layer !== chosen) {
      chosen = view.layer;
      if (!tree.shown.some((row) => row.one.layer?.name === chosen)) {
        tree.reveal(chosen);
        tree.render();
      }
      const row = tree.shown.find((one) => one.one.layer?.name === chosen);
      const inside = part("layers");
      // Only the table scrolls, not the page.
      if (row && inside.scrollHeight > inside.clientHeight) keepSeen(inside, row.element);
    }
    if (changed.has("frame") && tree.sorted.on) tree.render();
    else if (changed.has("frame")) tree.fill();
    else if (changed.has("layer")) for (const row of tree.shown) row.choosing();
  });
  window.addEventListener("resize", () => tree.drawSeen());
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => tree.drawSeen());
  return tree;
}
