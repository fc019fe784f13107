// The classes of a head as a table.

import { make, named } from "./dom.js";
import { number } from "./number.js";

/** @typedef {import("./classes.js").Head} Head */

/**
 * @param {Head} one
 * @param {number} at
 * @param {boolean | undefined} open
 */
export function classTable(one, at, open) {
  const { classes, cosine } = one.facts;
  const count = classes.length;
  const paired =
    cosine && one.cosine && cosine.shape[1] === count
      ? one.cosine.subarray(at * count * count, (at + 1) * count * count)
      : null;
  const words = ["class", "norm", ...(one.bias ? ["bias"] : []), ...(paired ? ["most alike"] : [])];
  const rows = classes.map((name, row) => {
    const cells = [number(one.norms[at * count + row])];
    if (one.bias) cells.push(number(one.bias[at * count + row]));
    const line = make(
      "tr",
      {},
      make("th", { scope: "row" }, named(name)),
      ...cells.map((cell) => make("td", {}, cell)),
    );
    if (paired) {
      let best = -1;
      for (let other = 0; other < count; other++) {
        if (other !== row && (best < 0 || paired[row * count + other] > paired[row * count + best])) best = other;
      }
      line.append(
        best < 0 ? make("td") : make("td", {}, named(classes[best]), ` ${number(paired[row * count + best], 2)}`),
      );
    }
    return line;
  });
  const table = make(
    "table",
    {},
    make("thead", {}, make("tr", {}, ...words.map((word) => make("th", { scope: "col" }, word)))),
    make("tbody", {}, ...rows),
  );
  return make("details", { open }, make("summary", {}, "as a table"), make("div", { class: "wide" }, table));
}
