// Whose numbers the table of layers shows, where there are two runs.

import { choices } from "./controls.js";
import { part } from "./dom.js";
import { runs, shownRuns } from "./runs.js";
import { view } from "./state.js";

/** @typedef {"both" | "first" | "second" | "difference"} Numbers */

/** @type {Numbers[]} */
const NUMBERS = ["both", "first", "second", "difference"];

/**
 * Of one run its own.
 * @returns {Numbers}
 */
export function numbersNow() {
  if (!runs.other) return "first";
  return NUMBERS.find((one) => one === view.numbers) ?? "both";
}

/** Puts the choice above the table. */
export function showNumbers() {
  const place = part("numbers");
  const focused = document.activeElement instanceof HTMLElement ? document.activeElement.dataset.choice : undefined;
  place.hidden = !runs.other;
  part("layers").dataset.numbers = runs.other ? numbersNow() : "";
  if (!runs.other) return;
  const words = NUMBERS.map((one) => /** @type {[string, string]} */ ([one, one]));
  const group = choices("numbers", words, numbersNow());
  const titles = new Map(shownRuns().map(({ word, title }) => [word, title]));
  for (const button of group.querySelectorAll("button")) {
    const word = button.textContent ?? "";
    button.title =
      titles.get(word) ??
      (word === "both" ? "One below the other; sorted by the first" : "Second − first; sorted by its size");
    if (titles.has(word)) button.classList.add("run-name", word);
  }
  place.replaceChildren(group);
  if (focused) /** @type {HTMLElement | null} */ (place.querySelector(`[data-choice="${focused}"]`))?.focus();
}
