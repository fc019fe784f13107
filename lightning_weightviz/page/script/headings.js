// The headings of the table of layers.

import { make, part } from "./dom.js";

const HEADINGS = /** @type {const} */ ([
  ["name", "layer", "In the model's order, or by name"],
  ["size", "size", "How many values"],
  ["rms", "rms", "Root mean square of the values"],
  ["change", "change", "Since the snapshot before, as a share of the length; of groups the mean by size"],
  ["turned", "turned", "Degrees between the values now and at the start; of groups the mean by size"],
]);
/**
 * Puts the headings on the page, which sort.
 * @param {{column: string, down: boolean, on: boolean}} sorted
 * @param {(column: string) => void} sort
 */
export function putHeadings(sorted, sort) {
  const cells = HEADINGS.map(([column, word, title]) => {
    const by = sorted.on && sorted.column === column;
    const way = sorted.down ? "descending" : "ascending";
    const arrow = by ? (sorted.down ? " ↓" : " ↑") : "";
    const button = make(
      "button",
      { type: "button", title: `${title}. Sorts.`, "data-column": column, click: () => sort(column) },
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
