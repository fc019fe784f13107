// Keys of the whole page.

import { part } from "./dom.js";
import { move, togglePlay } from "./time.js";

/** Puts the keys to work. */
export function listenToKeys() {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    const at = event.target instanceof HTMLElement ? event.target : null;
    const writes = at?.matches("input[type=search], select, textarea");
    if (writes) return;
    // What is pressed by the space bar itself stays so.
    const pressed = at?.matches("button, summary, a");
    if (event.key === "ArrowLeft" && at?.id !== "time") move(-1);
    else if (event.key === "ArrowRight" && at?.id !== "time") move(1);
    else if (event.key === " " && !pressed) togglePlay();
    else if (event.key === "/") part("search").focus();
    else return;
    event.preventDefault();
  });
  part("keys").textContent =
    "Keys: ← → snapshot · space plays · / searches · in the table ↑ ↓ move, → ← unfold and fold, Enter chooses · on the map arrows move from cell to cell, + − 0 zoom";
}
