// The page on paper: light, one column, everything drawn for its width.

import { forgetTints } from "./dom.js";

/** Of the root, while it is laid out for paper. */
const PRINTING = "printing";

/** Whether the page is drawn for paper. */
export function isPrinting() {
  return document.documentElement.classList.contains(PRINTING);
}

/**
 * Lays the page out for paper or for the screen again: to what draws it is another size.
 * @param {boolean} on
 */
function printing(on) {
  document.documentElement.classList.toggle(PRINTING, on);
  forgetTints();
  window.dispatchEvent(new Event("resize"));
}

/** Before the browser prints it lays nothing out anew by itself, and canvases would stay as wide and dark as they are. */
export function listenToPrints() {
  window.addEventListener("beforeprint", () => printing(true));
  window.addEventListener("afterprint", () => printing(false));
}
