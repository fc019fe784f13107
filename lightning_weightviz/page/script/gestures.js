// Wheel, drag, pinch and double click on a map.

/** @typedef {import("./viewport.js").Viewport} Viewport */
/** @typedef {{left: number, top: number, width: number, height: number}} Box */

const DRAG = 4;

/**
 * Moves a viewport by what is done on a canvas, and tells where it is pointed at.
 * @param {HTMLCanvasElement} canvas
 * @param {Viewport} viewport
 * @param {() => Box} plot The map's box on the canvas.
 * @param {(x: number, y: number) => void} point
 */
export function follow(canvas, viewport, plot, point) {
  /** @type {Map<number, {x: number, y: number}>} */
  const down = new Map();
  let dragged = false;

  /** @param {MouseEvent} event */
  function at(event) {
    const box = canvas.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  }

  /** @param {{x: number, y: number}} place */
  function share(place) {
    const box = plot();
    return { x: (place.x - box.left) / box.width, y: (place.y - box.top) / box.height };
  }

  canvas.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    down.set(event.pointerId, at(event));
    dragged = false;
    if (viewport.zoom > 1 || down.size > 1) canvas.setPointerCapture(event.pointerId);
    if (down.size === 1) point(at(event).x, at(event).y);
  });
  // Keeps the focus where it is, and with it the meaning of the arrow keys.
  canvas.addEventListener("mousedown", (event) => event.preventDefault());

  canvas.addEventListener("pointermove", (event) => {
    const now = at(event);
    const before = down.get(event.pointerId);
    if (!before) {
      point(now.x, now.y);
      return;
    }
    if (!dragged && Math.hypot(now.x - before.x, now.y - before.y) < DRAG) return;
    dragged = true;
    down.set(event.pointerId, now);
    if (down.size === 2) {
      const other = [...down].find(([id]) => id !== event.pointerId)?.[1] ?? now;
      const factor = distance(now, other) / Math.max(distance(before, other), 1);
      const middle = share({ x: (now.x + other.x) / 2, y: (now.y + other.y) / 2 });
      viewport.scale(factor, middle.x, middle.y);
    } else if (viewport.zoom > 1) {
      const box = plot();
      viewport.pan((now.x - before.x) / box.width, (now.y - before.y) / box.height);
    } else {
      point(now.x, now.y);
    }
  });
  for (const name of /** @type {const} */ (["pointerup", "pointercancel"])) {
    canvas.addEventListener(name, (event) => down.delete(event.pointerId));
  }
  canvas.addEventListener("pointerleave", (event) => {
    if (!canvas.hasPointerCapture(event.pointerId)) down.delete(event.pointerId);
  });

  canvas.addEventListener(
    "wheel",
    (event) => {
      // All of it is seen already: the page scrolls.
      if (viewport.zoom === 1 && event.deltaY > 0) return;
      event.preventDefault();
      const place = share(at(event));
      const lines = event.deltaMode === 1 ? 16 : 1;
      viewport.scale(Math.exp(-event.deltaY * lines * 0.002), place.x, place.y);
    },
    { passive: false },
  );
  canvas.addEventListener("dblclick", () => viewport.reset());
}

/**
 * @param {{x: number, y: number}} a
 * @param {{x: number, y: number}} b
 */
function distance(a, b) {
  return Math.hypot(a.x - b.x, a.y - b.y);
}
