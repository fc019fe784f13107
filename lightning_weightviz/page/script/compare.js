// A second run: another page's file that is dropped here, or chosen; its data alone are read.

import { make, named, part } from "./dom.js";
import { counted } from "./findings.js";
import { Run } from "./run.js";
import { runs } from "./runs.js";
import { tell } from "./state.js";

/**
 * Reads a page's file; nothing of it is run.
 * @param {File} file
 */
async function take(file) {
  try {
    const page = new DOMParser().parseFromString(await file.text(), "text/html");
    runs.other = new Run(page);
    showRuns("");
    tell("other");
  } catch (trouble) {
    // What is no JSON is no page either.
    const words =
      trouble instanceof SyntaxError || !(trouble instanceof Error)
        ? "no page of lightning_weightviz"
        : trouble.message;
    showRuns(`${file.name} is ${words}`);
  }
}

/** @param {string} trouble */
function showRuns(trouble) {
  const input = make("input", {
    type: "file",
    accept: ".html,text/html",
    "aria-label": "The page of a second run",
    change: () => {
      const file = input.files?.[0];
      if (file) void take(file);
    },
  });
  const choose = make("label", { class: "file" }, runs.other ? "another run…" : "compare with a second run…", input);
  const open = runs.other?.facts.findings.filter((finding) => finding.open) ?? [];
  const found = open.length ? ` (${counted(open)} now)` : "";
  const words = runs.other
    ? [make("span", { class: "other-title" }, "beside it: ", named(runs.other.facts.title), found)]
    : [];
  const away =
    runs.other &&
    make(
      "button",
      {
        type: "button",
        class: "plain",
        click: () => {
          runs.other = null;
          showRuns("");
          tell("other");
        },
      },
      "remove",
    );
  part("runs").replaceChildren(
    ...words,
    away || "",
    choose,
    trouble ? make("span", { role: "alert" }, named(trouble)) : "",
  );
}

/** Takes what is dropped on the page. */
export function listenToDrops() {
  const sign = part("drop");
  let inside = 0;
  document.addEventListener("dragenter", () => {
    inside++;
    sign.hidden = false;
  });
  document.addEventListener("dragleave", () => {
    inside--;
    sign.hidden = inside > 0 ? sign.hidden : true;
  });
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    inside = 0;
    sign.hidden = true;
    const file = event.dataTransfer?.files[0];
    if (file) void take(file);
  });
  showRuns("");
}
