// Elements: everything from outside becomes text here, never markup.

/** @typedef {Record<string, string | number | boolean | null | undefined | ((event: any) => void)>} Properties */

/**
 * An element with attributes, listeners (functions) and children.
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {Properties} [properties]
 * @param {...(Node | string | null | false)} children
 * @returns {HTMLElementTagNameMap[T]}
 */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, String(value));
  }
  for (const child of children) if (child !== null && child !== false) element.append(child);
  return element;
}

/**
 * The element of the skeleton with an id.
 * @param {string} id
 * @returns {HTMLElement}
 */
export function part(id) {
  const element = document.getElementById(id);
  if (!element) throw new Error(`the page has no #${id}`);
  return element;
}

/**
 * A name as text that cannot turn what stands beside it.
 * @param {string} text
 */
export function named(text) {
  return make("bdi", {}, text);
}

/**
 * A sentence with a name in it.
 * @param {string} sentence
 * @param {string} name
 */
export function naming(sentence, name) {
  const at = name ? sentence.indexOf(name) : -1;
  if (at < 0) return named(sentence);
  return make("span", {}, sentence.slice(0, at), named(name), sentence.slice(at + name.length));
}

/**
 * A canvas of a size in CSS pixels, sharp on any screen; its context is scaled to them.
 * @param {HTMLCanvasElement} canvas
 * @param {number} width
 * @param {number} height
 * @returns {CanvasRenderingContext2D}
 */
export function sized(canvas, width, height) {
  const ratio = window.devicePixelRatio || 1;
  const [wide, high] = [Math.max(1, Math.round(width * ratio)), Math.max(1, Math.round(height * ratio))];
  if (canvas.width !== wide || canvas.height !== high) {
    canvas.width = wide;
    canvas.height = high;
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
  }
  const context = canvas.getContext("2d");
  if (!context) throw new Error("the browser draws no canvas");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return context;
}

/** @type {Map<string, string>} */
const tints = new Map();
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", forgetTints);

/** After the style has other colours. */
export function forgetTints() {
  tints.clear();
}

/**
 * A colour of the style, light or dark as it is now.
 * @param {string} name
 */
export function tint(name) {
  let colour = tints.get(name);
  if (colour === undefined) {
    colour = getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
    tints.set(name, colour);
  }
  return colour;
}

/** Until what was drawn is on the screen. */
export function painted() {
  return new Promise((done) => requestAnimationFrame(() => setTimeout(done, 0)));
}

/** Until the browser has done what waits, so that it is never long without listening. */
export function rested() {
  return new Promise((done) => setTimeout(done, 0));
}

/**
 * Scrolls a box, not the page, until an element in it is seen.
 * @param {HTMLElement} inside
 * @param {HTMLElement} element
 */
export function keepSeen(inside, element) {
  const [outer, inner] = [inside.getBoundingClientRect(), element.getBoundingClientRect()];
  if (inner.top < outer.top + 30) inside.scrollTop += inner.top - outer.top - 60;
  else if (inner.bottom > outer.bottom) inside.scrollTop += inner.bottom - outer.bottom + 60;
}

/** The words that canvases are written in. */
export const FONT = "11px system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif";
