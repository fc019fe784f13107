// Where the page begins.

import { showClasses } from "./classes.js";
import { useColours } from "./colours.js";
import { listenToDrops } from "./compare.js";
import { showCurves } from "./curves.js";
import { make, part } from "./dom.js";
import { paintFilm } from "./film.js";
import { ranked, showFindings } from "./findings.js";
import { showHistograms } from "./histograms.js";
import { listenToKeys } from "./keyboard.js";
import { showLayer } from "./layer.js";
import { listenToPrints } from "./print.js";
import { hasLayer, runs } from "./runs.js";
import { showSpectrum } from "./spectrum.js";
import { addressed, look, view, WHOLE } from "./state.js";
import { showTime } from "./time.js";
import { showTree } from "./tree.js";

/** What is looked at first: what the address asks for, else what is wrong, else the first layer with a picture. */
function firstView() {
  const { frames } = runs.first.facts;
  const layers = runs.first.facts.layers.length ? runs.first.facts.layers : (runs.other?.facts.layers ?? []);
  const last = Math.max(frames.step.length - 1, 0);
  const asked = addressed();
  const wrong = ranked(runs.first).find((finding) => finding.open && runs.first.layers.has(finding.parameter));
  const pictured = layers.find((layer) => Object.values(layer.targets).some((series) => series.maps.length));
  const name = wrong?.parameter ?? (pictured ?? layers[0])?.name ?? "";
  Object.assign(view, { frame: last, ...asked });
  view.frame = Math.min(Math.max(view.frame, 0), last);
  if (!hasLayer(view.layer) && view.layer !== WHOLE) view.layer = name;
}

function showHead() {
  const { title, heads } = runs.first.facts;
  part("title").replaceChildren(make("bdi", {}, title));
  const links = heads.slice(0, 3).map((head) => {
    const words = heads.length > 1 ? `classes of ${head.name}` : `${head.classes.length} classes`;
    return make("button", { type: "button", click: () => look({ layer: head.name, target: "", map: "" }) }, words);
  });
  part("about").replaceChildren(runs.first.about(), ...links.flatMap((link) => [" · ", link]));
}

async function begin() {
  const { colours } = runs.first.facts;
  if (colours) useColours(colours);
  firstView();
  showHead();
  showFindings();
  showTime();
  listenToKeys();
  listenToDrops();
  listenToPrints();
  window.addEventListener("hashchange", () => {
    const asked = addressed();
    if (asked.layer !== undefined && !hasLayer(asked.layer) && asked.layer !== WHOLE) delete asked.layer;
    const last = Math.max(runs.first.facts.frames.step.length - 1, 0);
    if (asked.frame !== undefined) asked.frame = Math.min(Math.max(asked.frame, 0), last);
    look({ target: "", map: "", from: "", numbers: "", ...asked });
  });
  await Promise.all([showTree(), showLayer()]);
  await Promise.all([paintFilm(), showHistograms(), showSpectrum(), showClasses(), showCurves()]);
  document.documentElement.dataset.ready = "true";
}

begin().catch((trouble) => {
  const old = typeof DecompressionStream === "undefined";
  const words = old ? "this browser is too old: it has no DecompressionStream" : String(trouble);
  part("findings").prepend(make("p", { role: "alert" }, `The page cannot be shown: ${words}`));
});
