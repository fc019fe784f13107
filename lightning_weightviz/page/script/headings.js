// The headings of the table of layers, and what stands for them where there is no room for all: each way to sort.

import { make, part } from "./dom.js";

const HEADINGS = /** @type {const} */ ([
  ["name", "layer", "In the model's order, or by name"],
  ["size", "size", "How many values"],
  ["rms", "rms", "Root mean square of the values"],
  ["change", "change", "Since the snapshot before, as a share of the length; of groups the mean by size"],
  ["turned", "turned", "Degrees between the values now and at the start; of groups the mean by size"],
]);
/** @typedef {{column: string, down: boolean, on: boolean}} Sorted */

/** @type {Sorted} */
export const UNSORTED = { column: "name", down: false, on: false };

/**
 * What comes of a heading that is clicked: its way, the other way, the model's order.
 * @param {Sorted} sorted
 * @param {string} column
 * @returns {Sorted}
 */
function nextSorted(sorted, column) {
  const first = column !== "name";
  if (!sorted.on || sorted.column !== column) return { column, down: first, on: true };
  return sorted.down === first ? { column, down: !first, on: true } : UNSORTED;
}

/**
 * Every way to sort, to be chosen.
 * @param {Sorted} sorted
 * @param {(sorted: Sorted) => void} sort
 */
function putChoice(sorted, sort) {
  const choice = /** @type {HTMLSelectElement} */ (part("sort"));
  const ways = HEADINGS.flatMap(([column, word]) =>
    [column !== "name", column === "name"].map((down) => {
      const way = column === "name" ? (down ? "Z to A" : "A to Z") : down ? "largest first" : "smallest first";
      return make("option", { value: `${column} ${down}` }, `${column === "name" ? "name" : word}, ${way}`);
    }),
  );
  choice.replaceChildren(make("option", { value: "" }, "in the model's order"), ...ways);
  choice.value = sorted.on ? `${sorted.column} ${sorted.down}` : "";
  choice.onchange = () => {
    const [column, down] = choice.value.split(" ");
    sort(column ? { column, down: down === "true", on: true } : UNSORTED);
  };
}

/**
 * Puts the headings on the page, which sort.
 * @param {Sorted} sorted
 * @param {(sorted: Sorted) => void} sort
 */
export function putHeadings(sorted, sort) {
  putChoice(sorted, sort);
  // Where not all columns have room, this one has.
  const one = sorted.on && sorted.column !== "name";
  part("layers").className = one ? `by-one by-${sorted.column}` : "";
  const cells = HEADINGS.map(([column, word, title]) => {
    const by = sorted.on && sorted.column === column;
    const way = sorted.down ? "descending" : "ascending";
    const arrow = by ? (sorted.down ? " ↓" : " ↑") : "";
    const button = make(
      "button",
      { type: "button", title: `${title}. Click to sort.`, "data-column": column, click: () => sort(nextSorted(sorted, column)) },
      word + arrow,
    );
    return make("div", { role: "columnheader", class: column, "aria-sort": by ? way : "none" }, button);
  });
  const focused = document.activeElement?.getAttribute("data-column");
  const head = make("div", { role: "row", class: "head" }, ...cells);
  part("layers").querySelector(".head")?.replaceWith(head);
  if (focused) /** @type {HTMLElement | null} */ (head.querySelector(`[data-column="${focused}"]`))?.focus();
  return head;
}
