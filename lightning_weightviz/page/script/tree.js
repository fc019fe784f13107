// The table of layers: a tree that folds, or a list sorted by any column; each row small curves over time.

import { readColumns } from "./columns.js";
import { keepSeen, make, part } from "./dom.js";
import { gravest } from "./findings.js";
import { above, openedAtFirst } from "./folds.js";
import { putHeadings, UNSORTED } from "./headings.js";
import { matcher, treeOf } from "./names.js";
import { showNumbers } from "./numbers.js";
import { rowsOf } from "./order.js";
import { isPrinting } from "./print.js";
import { nameOf, Row } from "./row.js";
import { shownRuns } from "./runs.js";
import { listen, look, view } from "./state.js";
import { runName } from "./title.js";

/** @typedef {import("./columns.js").Columns} Columns */
/** @typedef {import("./findings.js").Found} Found */
/** @typedef {import("./names.js").Branch} Branch */

/** Rows that are open at first, at most. */
const OPEN_ROWS = 60;
/** Rows that are put on the page at once. */
const PAGE_ROWS = 400;

class Tree {
  /** @param {Columns} columns */
  constructor(columns) {
    this.columns = columns;
    this.root = treeOf(columns.layers);
    this.findings = gravest();
    /** @type {Map<string, Row>} */
    this.rows = new Map();
    /** @type {Row[]} */
    this.shown = [];
    this.open = openedAtFirst(this.root, OPEN_ROWS);
    this.most = PAGE_ROWS;
    this.sorted = UNSORTED;
    this.asked = "";
    /** @type {Set<Row>} */
    this.seen = new Set();
    this.watch = new IntersectionObserver((entries) => this.see(entries), { rootMargin: "200px" });
    this.body = make("div", { role: "rowgroup", class: "rows" });
  }

  /**
   * Is asked, sorted and open as another was.
   * @param {Tree} before
   */
  follow(before) {
    this.asked = before.asked;
    this.sorted = before.sorted;
    for (const path of before.open) this.open.add(path);
  }

  /** @param {string} name */
  reveal(name) {
    for (const path of above(this.root, name)) this.open.add(path);
  }

  /** Which rows there are, in order. */
  branches() {
    const { column, down, on } = this.sorted;
    /** @param {Branch} one */
    const key = (one) => this.columns.key(one, column);
    const means = this.asked ? matcher(this.asked) : null;
    return rowsOf(this.root, { means, open: this.open, whole: this.columns.hasWhole, down, key: on ? key : null });
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
    const total = this.columns.layers.length;
    part("count").textContent = this.asked ? `${count} of ${total}` : `${total} parameters`;
    if (!rows.length) this.body.append(make("p", { class: "empty" }, "No layer matches."));
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
      const made = new Row(one, this.columns, this.worst(one));
      made.element.addEventListener("click", () => this.choose(made));
      made.element.addEventListener("focus", () => this.rove(made));
      this.rows.set(key, made);
      row = made;
    }
    row.place(this.sorted.on, Boolean(this.asked) || this.open.has(one.path));
    return row;
  }

  /**
   * The gravest finding of each run.
   * @param {Branch} one
   */
  worst(one) {
    if (one.layer) return this.findings.get(one.layer.name) ?? [];
    const names = new Set(one.layers.map((order) => this.columns.layers[order].name));
    /** @type {Found[]} */
    const found = [];
    for (const [name, all] of this.findings) {
      if (!names.has(name)) continue;
      for (const one of all) if (!found.some(({ shown }) => shown.place === one.shown.place)) found.push(one);
    }
    return found.sort((a, b) => a.shown.place - b.shown.place);
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
    for (const row of this.shown) row.write();
    this.drawSeen();
  }

  drawSeen() {
    for (const row of isPrinting() ? this.shown : this.seen) row.draw();
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
        row.draw();
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

  /** @param {string} words What is searched for. */
  ask(words) {
    this.asked = words;
    this.render();
  }

  /**
   * Brings a layer's row into the table, and the table to it.
   * @param {string} name
   */
  show(name) {
    if (!this.shown.some((row) => row.one.layer?.name === name)) {
      this.reveal(name);
      this.render();
    }
    const row = this.shown.find((one) => one.one.layer?.name === name);
    const inside = part("layers");
    // Only the table scrolls, not the page.
    if (row && inside.scrollHeight > inside.clientHeight) keepSeen(inside, row.element);
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

/** @type {Tree | null} */
let tree = null;
let turnOfTree = 0;

/** Reads the table of layers and puts it on the page. */
async function loadTree() {
  const turn = ++turnOfTree;
  const columns = await readColumns();
  if (turn !== turnOfTree) return;
  const made = new Tree(columns);
  if (tree) made.follow(tree);
  tree = made;
  tree.reveal(view.layer);
  showNumbers();
  const place = part("layers");
  place.replaceChildren(tree.head(), tree.body);
  part("legend").replaceChildren(...legendOf(tree));
  tree.body.addEventListener("keydown", (event) => made.key(event));
  tree.render();
}

/** @param {Tree} shown */
function legendOf(shown) {
  const [first, second] = shownRuns();
  const { words } = shown.columns.scales;
  return second ? [runName(first), " and ", runName(second), ". ", words] : [words];
}

/** Puts the table of layers on the page, and follows what is looked at. */
export async function showTree() {
  await loadTree();
  const search = /** @type {HTMLInputElement} */ (part("search"));
  search.addEventListener("input", () => tree?.ask(search.value.trim()));
  search.addEventListener("keydown", (event) => {
    if (!tree) return;
    if (event.key === "ArrowDown" || event.key === "Enter") {
      const row = tree.shown.find((one) => one.one.layer) ?? tree.shown[0];
      if (event.key === "Enter" && row) tree.choose(row);
      row?.element.focus();
      event.preventDefault();
    } else if (event.key === "Escape" && search.value) {
      search.value = "";
      tree.ask("");
    }
  });
  let chosen = view.layer;
  listen((changed) => {
    if (changed.has("other")) void loadTree();
    if (!tree || changed.has("other")) return;
    if (changed.has("layer") && view.layer !== chosen) {
      chosen = view.layer;
      tree.show(chosen);
    }
    if (changed.has("numbers")) showNumbers();
    const anew = changed.has("frame") || changed.has("numbers");
    if (anew && tree.sorted.on) tree.render();
    else if (anew) tree.fill();
    else if (changed.has("layer")) for (const row of tree.shown) row.choosing();
  });
  window.addEventListener("resize", () => tree?.drawSeen());
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => tree?.drawSeen());
}
