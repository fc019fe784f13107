// The slider over the kept snapshots, which moves everything.

import { make, part } from "./dom.js";
import { runs, shownRuns } from "./runs.js";
import { listen, look, view } from "./state.js";

const PACE = 700;

/** @type {number | undefined} */
let playing;

/** @param {number} steps */
export function move(steps) {
  const last = runs.first.facts.frames.step.length - 1;
  look({ frame: Math.min(Math.max(view.frame + steps, 0), Math.max(last, 0)) });
}

/** Starts to play, or stops. */
export function togglePlay() {
  if (playing !== undefined) {
    stop();
    return;
  }
  const last = runs.first.facts.frames.step.length - 1;
  if (view.frame >= last) look({ frame: 0 });
  playing = window.setInterval(() => {
    move(1);
    if (view.frame >= last) stop();
  }, PACE);
  showPlay();
}

function stop() {
  window.clearInterval(playing);
  playing = undefined;
  showPlay();
}

function showPlay() {
  const button = part("play");
  button.setAttribute("aria-label", playing === undefined ? "Play" : "Pause");
  button.classList.toggle("playing", playing !== undefined);
}

function showNow() {
  const { frames } = runs.first.facts;
  const slider = /** @type {HTMLInputElement} */ (part("time"));
  const words = runs.first.frameWords(view.frame);
  slider.value = String(view.frame);
  slider.setAttribute("aria-valuetext", words);
  const [, second] = shownRuns();
  // As said only where it is another step.
  const other = second && second.run.frameWords(second.frame) !== words ? second.run.frameWords(second.frame) : "";
  part("now").replaceChildren(
    make("b", {}, words),
    make("span", {}, ` kept ${view.frame + 1} of ${frames.step.length}`),
    other && make("span", { class: "run-name second", title: "The second run's map" }, ` second: ${other}`),
  );
}

/** Where frames lie, and where findings begin. */
function showMarks() {
  const { frames } = runs.first.facts;
  const last = Math.max(frames.step.length - 1, 1);
  const marks = frames.step.map((step, place) => {
    const end = place === 0 ? " first" : place === frames.step.length - 1 ? " last" : "";
    const odd = (frames.step.length - 1 - place) % 2 ? " odd" : "";
    const mark = make("span", { class: `tick${end}${odd}` }, make("small", {}, String(step)));
    mark.style.left = `${(100 * place) / last}%`;
    return mark;
  });
  for (const { run, word } of shownRuns()) {
    for (const finding of run.facts.findings) {
      if (finding.timeless) continue;
      const title = runs.other ? `${word} run: ${finding.message}` : finding.message;
      const mark = make("span", { class: `flag ${finding.severity} ${word}`, title });
      mark.style.left = `${(100 * runs.first.frameAt(finding.step)) / last}%`;
      marks.push(mark);
    }
  }
  part("marks").replaceChildren(...marks);
}

/** Puts the slider to work. */
export function showTime() {
  const slider = /** @type {HTMLInputElement} */ (part("time"));
  slider.max = String(Math.max(runs.first.facts.frames.step.length - 1, 0));
  slider.addEventListener("input", () => look({ frame: Number(slider.value) }));
  part("play").addEventListener("click", togglePlay);
  showPlay();
  showMarks();
  showNow();
  listen((changed) => {
    if (changed.has("other")) showMarks();
    if (changed.has("frame") || changed.has("other")) showNow();
  });
}
