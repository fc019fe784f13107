// A second run: another page's file that is dropped here, or chosen; its data alone are read.

import { make, named, part } from "./dom.js";
import { Run } from "./run.js";
import { hasLayer, runs, shownRuns } from "./runs.js";
import { look, tell, view, WHOLE } from "./state.js";
import { runName } from "./title.js";

/**
 * Reads a page's file; nothing of it is run.
 * @param {File} file
 */
async function take(file) {
  try {
    const page = new DOMParser().parseFromString(await file.text(), "text/html");
    const other = new Run(page);
    await other.block(0).catch(() => {
      throw new Error("a damaged page of lightning_weightviz");
    });
    runs.other = other;
    showRuns("");
    tell("other");
  } catch (trouble) {
    // What is no JSON, or JSON of something else, is no page either.
    const isOther = trouble instanceof SyntaxError || trouble instanceof TypeError;
    const words = isOther || !(trouble instanceof Error) ? "not a lightning_weightviz page" : trouble.message;
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
  const [, second] = shownRuns();
  const words = second
    ? [make("span", {}, "compared with ", runName(second), make("small", {}, ` ${second.run.about()}${beyond(second.run)}`))]
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
          const [layer] = runs.first.facts.layers;
          if (layer && !hasLayer(view.layer) && view.layer !== WHOLE) look({ layer: layer.name, target: "", map: "" });
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

/**
 * That a second run is longer than what this page's slider can show of it.
 * @param {Run} other
 */
function beyond(other) {
  const [last, end] = [runs.first, other].map(({ facts }) => facts.frames.step.at(-1) ?? 0);
  const words = `; it continues after step ${last}: drop this page on its page to see the rest`;
  return end > last && runs.first.facts.frames.step.length > 1 ? words : "";
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
