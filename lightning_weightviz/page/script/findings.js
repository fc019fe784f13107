// What is wrong, since when, where: each a link to its layer and time.

import { make, named, naming, part } from "./dom.js";
import { momentWords } from "./run.js";
import { hasLayer, runs, shownRuns } from "./runs.js";
import { listen, look, WHOLE } from "./state.js";
import { runName } from "./title.js";

/** @typedef {import("./run.js").FindingFacts} FindingFacts */
/** @typedef {import("./run.js").Run} Run */
/** @typedef {import("./runs.js").Shown} Shown */
/** @typedef {{finding: FindingFacts, shown: Shown}} Found */

const GRAVITY = ["error", "warning", "note"];
const MOST_SHOWN = 6;
/** Of each of two runs. */
const MOST_BESIDE = 4;

/**
 * Those that still hold first, then by gravity, then by time.
 * @param {Run} run
 */
export function ranked(run) {
  return [...run.facts.findings].sort(
    (a, b) =>
      Number(b.open) - Number(a.open) || GRAVITY.indexOf(a.severity) - GRAVITY.indexOf(b.severity) || a.step - b.step,
  );
}

/**
 * The findings of a layer; for null those that are of no layer of the run.
 * @param {Run} run
 * @param {string | null} name
 */
export function foundIn(run, name) {
  return ranked(run).filter(({ parameter }) => (name === null ? !run.layers.has(parameter) : parameter === name));
}

/**
 * The gravest finding of each layer, by its name: in each run.
 * @returns {Map<string, Found[]>}
 */
export function gravest() {
  /** @type {Map<string, Found[]>} */
  const all = new Map();
  for (const shown of shownRuns()) {
    for (const finding of ranked(shown.run)) {
      const found = all.get(finding.parameter) ?? [];
      if (found.some((one) => one.shown.place === shown.place)) continue;
      all.set(finding.parameter, [...found, { finding, shown }]);
    }
  }
  return all;
}

/**
 * Looks at a finding's layer when it began.
 * @param {FindingFacts} finding
 */
export function go(finding) {
  const frame = runs.first.frameAt(finding.step);
  if (hasLayer(finding.parameter)) look({ layer: finding.parameter, frame, target: "", map: "", from: "" });
  else look({ layer: WHOLE, frame });
}

/** @param {FindingFacts} finding */
function since(finding) {
  if (finding.timeless) return "";
  const when = momentWords({ ordinal: [1], epoch: [finding.epoch], step: [finding.step] }, 0);
  return finding.open ? `since ${when}` : `began at ${when}, now over`;
}

/**
 * @param {FindingFacts} finding
 * @param {boolean} linked
 * @param {Shown | null} shown The run that it is of, where that is to be said.
 */
export function findingItem(finding, linked, shown) {
  const words = [
    shown && runs.other ? runName(shown) : null,
    make(
      "span",
      { class: `badge ${GRAVITY.includes(finding.severity) ? finding.severity : "note"}` },
      finding.severity,
    ),
    make("span", { class: "message" }, naming(finding.message, finding.parameter)),
    make("span", { class: "since" }, since(finding)),
  ];
  const further = [
    finding.unit ? ["where", finding.unit] : null,
    finding.cause ? ["likely cause", finding.cause] : null,
    finding.advice ? ["to try", finding.advice] : null,
    finding.source ? ["threshold", finding.source] : null,
  ].flatMap((pair) => (pair ? [make("dt", {}, pair[0]), make("dd", {}, named(pair[1]))] : []));
  const head = linked
    ? make(
        "a",
        {
          href: "#",
          class: "finding",
          click: (event) => {
            event.preventDefault();
            go(finding);
          },
        },
        ...words,
      )
    : make("span", { class: "finding" }, ...words);
  const item = make("li", { class: finding.open ? "holds" : "over" }, head);
  if (further.length) {
    item.append(make("details", {}, make("summary", {}, "why, and what to try"), make("dl", {}, ...further)));
  }
  return item;
}

/**
 * How many of what: "1 error, 2 warnings".
 * @param {FindingFacts[]} findings
 */
export function counted(findings) {
  return GRAVITY.map((name) => [name, findings.filter((finding) => finding.severity === name).length])
    .filter(([, count]) => count)
    .map(([name, count]) => `${count} ${name}${count === 1 ? "" : "s"}`)
    .join(", ");
}

/**
 * The findings of a run.
 * @param {Shown} shown
 * @returns {HTMLElement[]}
 */
function verdictOf(shown) {
  const list = ranked(shown.run);
  const { snapshots } = shown.run.facts;
  const looked = `in ${snapshots} snapshot${snapshots === 1 ? "" : "s"}`;
  const open = list.filter((finding) => finding.open);
  const name = runs.other ? [runName(shown), ": "] : [];
  if (!list.length) return [make("p", { class: "verdict fine" }, ...name, `Nothing wrong was found ${looked}`)];
  const worst = open.length ? open[0].severity : "over";
  const verdict = open.length ? `${counted(open)} now` : "Nothing is wrong now, but something was";
  const past = list.length - open.length;
  const more = past && open.length ? `, ${past} more that ${past === 1 ? "is" : "are"} over` : "";
  const items = list.map((finding) => findingItem(finding, true, null));
  const most = runs.other ? MOST_BESIDE : MOST_SHOWN;
  /** @type {HTMLElement[]} */
  const parts = [
    make("h2", { class: `verdict ${worst}` }, ...name, `${verdict}${more}`, make("small", {}, ` ${looked}`)),
    make("ul", {}, ...items.slice(0, most)),
  ];
  if (items.length > most) {
    const rest = make("ul", {}, ...items.slice(most));
    parts.push(make("details", { class: "rest" }, make("summary", {}, `${items.length - most} more`), rest));
  }
  return parts;
}

/** Puts the findings of each run on top of the page. */
export function showFindings() {
  const draw = () => {
    const shown = shownRuns();
    const two = shown.length > 1;
    const parts = shown.map(verdictOf);
    const place = part("findings");
    place.classList.toggle("side-by-side", two);
    place.replaceChildren(...(two ? parts.map((one) => make("div", { class: "of-run" }, ...one)) : parts[0]));
  };
  draw();
  listen((changed) => {
    if (changed.has("other")) draw();
  });
}
