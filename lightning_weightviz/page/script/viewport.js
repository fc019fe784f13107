// Which part of a map is seen: shared by two that are looked at together.

const MOST_ZOOM = 64;

export class Viewport {
  constructor() {
    this.zoom = 1;
    /** Of the left and the upper edge, as shares of the whole. */
    this.left = 0;
    this.top = 0;
    /** @type {(() => void)[]} */
    this.listeners = [];
  }

  /** All of it. */
  reset() {
    this.set(1, 0, 0);
  }

  /**
   * @param {number} zoom
   * @param {number} left
   * @param {number} top
   */
  set(zoom, left, top) {
    const before = [this.zoom, this.left, this.top];
    this.zoom = Math.min(Math.max(zoom, 1), MOST_ZOOM);
    const most = 1 - 1 / this.zoom;
    this.left = Math.min(Math.max(left, 0), most);
    this.top = Math.min(Math.max(top, 0), most);
    if (before[0] === this.zoom && before[1] === this.left && before[2] === this.top) return;
    for (const listener of this.listeners) listener();
  }

  /**
   * Larger or smaller about a point of the window, in shares of it.
   * @param {number} factor
   * @param {number} x
   * @param {number} y
   */
  scale(factor, x, y) {
    const zoom = Math.min(Math.max(this.zoom * factor, 1), MOST_ZOOM);
    this.set(zoom, this.left + x / this.zoom - x / zoom, this.top + y / this.zoom - y / zoom);
  }

  /**
   * By shares of the window.
   * @param {number} x
   * @param {number} y
   */
  pan(x, y) {
    this.set(this.zoom, this.left - x / this.zoom, this.top - y / this.zoom);
  }
}
