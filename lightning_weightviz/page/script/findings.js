// What is wrong, since when, where: each a link to its layer and time.

import { make, named, naming, part } from "./dom.js";
import { momentWords } from "./run.js";
import { runs } from "./runs.js";
import { look, WHOLE } from "./state.js";

/** @typedef {import("./run.js").FindingFacts} FindingFacts */
/** @typedef {import("./run.js").Run} Run */

const GRAVITY = ["error", "warning", "note"];
const MOST_SHOWN = 6;

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
 * The gravest finding of each layer, by its name.
 * @returns {Map<string, FindingFacts>}
 */
export function gravest() {
  /** @type {Map<string, FindingFacts>} */
  const found = new Map();
  for (const finding of ranked(runs.first)) {
    if (!found.has(finding.parameter)) found.set(finding.parameter, finding);
  }
  return found;
}

/**
 * Looks at a finding's layer when it began.
 * @param {FindingFacts} finding
 */
export function go(finding) {
  const frame = runs.first.frameAt(finding.step);
  if (runs.first.layers.has(finding.parameter))
    look({ layer: finding.parameter, frame, target: "", map: "", from: "" });
  else look({ layer: WHOLE, frame });
}

/** @param {FindingFacts} finding */
function since(finding) {
  if (finding.timeless) return "";
  const when = momentWords({ ordinal: [1], epoch: [finding.epoch], step: [finding.step] }, 0);
  return finding.open ? `since ${when}` : `from ${when}, over by now`;
}

/**
 * @param {FindingFacts} finding
 * @param {boolean} linked
 */
export function findingItem(finding, linked) {
  const words = [
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

/** Puts the findings of the run on top of the page. */
export function showFindings() {
  const place = part("findings");
  const list = ranked(runs.first);
  const { snapshots } = runs.first.facts;
  const looked = `in ${snapshots} snapshot${snapshots === 1 ? "" : "s"}`;
  const open = list.filter((finding) => finding.open);
  if (!list.length) {
    place.replaceChildren(make("p", { class: "verdict fine" }, `Nothing wrong was found ${looked}`));
    return;
  }
  const worst = open.length ? open[0].severity : "over";
  const verdict = open.length ? `${counted(open)} now` : "Nothing is wrong now, but something was";
  const past = list.length - open.length;
  const more = past && open.length ? `, ${past} more that ${past === 1 ? "is" : "are"} over` : "";
  const items = list.map((finding) => findingItem(finding, true));
  const shown = make("ul", {}, ...items.slice(0, MOST_SHOWN));
  place.replaceChildren(
    make("h2", { class: `verdict ${worst}` }, `${verdict}${more}`, make("small", {}, ` ${looked}`)),
    shown,
  );
  if (items.length > MOST_SHOWN) {
    const rest = make("ul", {}, ...items.slice(MOST_SHOWN));
    place.append(make("details", { class: "rest" }, make("summary", {}, `${items.length - MOST_SHOWN} more`), rest));
  }
}
