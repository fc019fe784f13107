// What the map shows: which target, which map, the weights or their change.

import { seriesOf, targetNow, targetsNow } from "./chosen.js";
import { make, part } from "./dom.js";
import { runs, shownRuns } from "./runs.js";
import { mapOf } from "./side.js";
import { look, view } from "./state.js";

/** @typedef {import("./run.js").LayerFacts} LayerFacts */
/** @typedef {import("./viewport.js").Viewport} Viewport */

const MAP_WORDS = new Map([
  ["values", "weights"],
  ["filters", "as pictures"],
  ["norms", "kernel norms"],
  ["sums", "kernel sums"],
]);

/**
 * Which target, which map, and since when.
 * @param {LayerFacts | null} facts
 * @param {Viewport | null} viewport Where there is a map.
 */
export function showControls(facts, viewport) {
  const place = part("controls");
  const focused = document.activeElement instanceof HTMLElement ? document.activeElement.dataset.choice : undefined;
  place.replaceChildren();
  if (!facts) return;
  const [target, targets] = [targetNow(), targetsNow()];
  if (targets.length > 1) {
    place.append(
      choices(
        "target",
        targets.map((name) => [name, name]),
        target,
      ),
    );
  }
  const series = shownRuns().map(({ run }) => seriesOf(run)).find((one) => one?.maps.length) ?? null;
  const maps = series?.maps ?? [];
  if (maps.length > 1) {
    const words = maps.map((map) => /** @type {[string, string]} */ ([map.name, mapWord(map.name, target)]));
    place.append(choices("map", words, mapOf(series)?.name ?? ""));
  }
  if (viewport) {
    place.append(sinceChoice());
    place.append(
      make("button", { type: "button", title: "All of the map (0)", click: () => viewport.reset() }, "whole map"),
    );
  }
  if (focused) /** @type {HTMLElement | null} */ (place.querySelector(`[data-choice="${focused}"]`))?.focus();
}

/**
 * @param {string} name
 * @param {string} target
 */
function mapWord(name, target) {
  return name === "values" ? target : (MAP_WORDS.get(name) ?? name);
}

/** What is taken away from the weights. */
function sinceChoice() {
  const { frames } = runs.first.facts;
  const choice = make("select", {
    "aria-label": "Weights, or their change",
    "data-choice": "from",
    change: () => look({ from: choice.value }),
  });
  choice.append(
    make("option", { value: "" }, "values as they are"),
    make("option", { value: "start" }, "change since the start"),
    make("option", { value: "previous" }, "change since the kept snapshot before"),
  );
  const group = make("optgroup", { label: "change since" });
  frames.step.forEach((_, frame) => group.append(make("option", { value: frame }, runs.first.frameWords(frame))));
  choice.append(group);
  choice.value = view.from;
  return choice;
}

/**
 * Buttons of which one is pressed.
 * @param {"target" | "map" | "numbers"} name
 * @param {[string, string][]} options
 * @param {string} chosen
 */
export function choices(name, options, chosen) {
  const buttons = options.map(([value, word]) =>
    make(
      "button",
      {
        type: "button",
        "aria-pressed": String(value === chosen),
        "data-choice": `${name}-${value}`,
        click: () => look({ [name]: value }),
      },
      word,
    ),
  );
  return make("span", { class: "choices", role: "group", "aria-label": name }, ...buttons);
}
