// A map on its canvas: the sheet at the zoom that is looked at, its labels, the cell that is pointed at.

import { FONT, sized, tint } from "./dom.js";
import { follow } from "./gestures.js";
import { number } from "./number.js";

/** @typedef {import("./sheet.js").Sheet} Sheet */
/** @typedef {import("./viewport.js").Viewport} Viewport */
/**
 * What is drawn: `values` of the frame, `rowCells` and `columnCells` how many rows and columns a cell stands for, names
 * at the rows where there are any.
 * @typedef {{sheet: Sheet, bitmap: HTMLCanvasElement, values: Float32Array, vector: boolean, rowNames: string[],
 *   rowNoun: string, columnNoun: string, shape: [number, number], cells: [number, number]}} Drawing
 */

const LARGEST = 44;
const TALLEST = 600;
const NAMES = 84;

export class MapView {
  /**
   * @param {HTMLCanvasElement} canvas
   * @param {Viewport} viewport
   * @param {(pixel: number) => void} point Is told the place on the sheet that is pointed at.
   */
  constructor(canvas, viewport, point) {
    this.canvas = canvas;
    this.viewport = viewport;
    /** @type {Drawing | null} */
    this.drawing = null;
    this.marked = -1;
    this.plot = { left: 0, top: 0, width: 1, height: 1 };
    this.waits = false;
    /** Pixels across that the page leaves: asked for while it is drawn, they would be laid out twice. */
    this.room = 0;
    new ResizeObserver(([entry]) => {
      const { width } = entry.contentRect;
      if (!width || width === this.room) return;
      this.room = width;
      this.draw();
    }).observe(/** @type {Element} */ (canvas.parentElement));
    // On paper nothing is observed.
    window.addEventListener("resize", () => {
      this.room = canvas.parentElement?.clientWidth || this.room;
      this.draw();
    });
    viewport.listeners.push(() => this.refresh());
    follow(
      canvas,
      viewport,
      () => this.plot,
      (x, y) => {
        const pixel = this.pixelAt(x, y);
        if (pixel >= 0) point(pixel);
      },
    );
  }

  /** @param {Drawing} drawing */
  show(drawing) {
    this.drawing = drawing;
    this.draw();
  }

  /** @param {number} pixel Of the sheet; −1 for none. */
  mark(pixel) {
    if (this.marked === pixel) return;
    this.marked = pixel;
    this.refresh();
  }

  /** Draws once before the next picture of the screen, however often it is asked. */
  refresh() {
    if (this.waits) return;
    this.waits = true;
    requestAnimationFrame(() => {
      this.waits = false;
      this.draw();
    });
  }

  /**
   * The place on the sheet under a point of the canvas; −1 where there is none.
   * @param {number} x
   * @param {number} y
   */
  pixelAt(x, y) {
    if (!this.drawing) return -1;
    const { sheet } = this.drawing;
    const { zoom, left, top } = this.viewport;
    const column = Math.floor(((x - this.plot.left) / this.plot.width / zoom + left) * sheet.width);
    const row = Math.floor(((y - this.plot.top) / this.plot.height / zoom + top) * sheet.height);
    const inside = x >= this.plot.left && y >= this.plot.top && column < sheet.width && row < sheet.height;
    const seen = x < this.plot.left + this.plot.width && y < this.plot.top + this.plot.height;
    return inside && seen ? row * sheet.width + column : -1;
  }

  /**
   * Height and width of a cell where all is seen.
   * @param {number} width
   */
  fit(width) {
    const { sheet, vector } = /** @type {Drawing} */ (this.drawing);
    const tallest = Math.min(TALLEST, Math.max(260, window.innerHeight * 0.62));
    let across = Math.min(width / sheet.width, LARGEST);
    let down = Math.min(vector ? 48 : across, tallest / sheet.height);
    if (sheet.tiles) across = down = Math.min(across, down);
    else if (!vector) {
      across = Math.min(across, 4 * down);
      down = Math.min(Math.max(down, 150 / sheet.height), 4 * across, LARGEST);
    }
    return { across, down };
  }

  draw() {
    if (!this.drawing || !this.room) return;
    const { sheet, bitmap, rowNames } = this.drawing;
    const room = Math.max(this.room, 120);
    const margin = this.margins(room);
    const cell = this.fit(room - margin.left - 1);
    const plot = {
      left: margin.left,
      top: margin.top,
      width: sheet.width * cell.across,
      height: sheet.height * cell.down,
    };
    this.plot = plot;
    const context = sized(this.canvas, plot.left + plot.width + 1, plot.top + plot.height + margin.bottom);
    this.canvas.style.touchAction = this.viewport.zoom > 1 ? "none" : "pan-y";
    const { zoom, left, top } = this.viewport;
    context.save();
    context.beginPath();
    context.rect(plot.left, plot.top, plot.width, plot.height);
    context.clip();
    // Smaller than a pixel of the screen, cells are mixed rather than left out.
    context.imageSmoothingEnabled = cell.across * zoom * (window.devicePixelRatio || 1) < 1;
    context.translate(plot.left - left * plot.width * zoom, plot.top - top * plot.height * zoom);
    context.drawImage(bitmap, 0, 0, plot.width * zoom, plot.height * zoom);
    this.digits(context, cell.across * zoom, cell.down * zoom);
    if (this.marked >= 0) this.frame(context, cell.across * zoom, cell.down * zoom);
    context.restore();
    context.strokeStyle = tint("line");
    context.strokeRect(plot.left - 0.5, plot.top - 0.5, plot.width + 1, plot.height + 1);
    if (!sheet.tiles) this.axes(context, cell);
    this.canvas.dataset.names = String(rowNames.length);
  }

  /** @param {number} room */
  margins(room) {
    const { sheet, rowNames, vector } = /** @type {Drawing} */ (this.drawing);
    if (sheet.tiles) return { left: 1, top: 1, bottom: 1 };
    const named = rowNames.length || sheet.rows.length;
    const left = vector ? 1 : named ? Math.min(NAMES, room * 0.24) : 34;
    return { left, top: sheet.columns.length ? 16 : 1, bottom: 17 };
  }

  /**
   * Values in the cells, where there is room.
   * @param {CanvasRenderingContext2D} context
   * @param {number} across
   * @param {number} down
   */
  digits(context, across, down) {
    const { sheet, values } = /** @type {Drawing} */ (this.drawing);
    if (across < 46 || down < 16 || sheet.channels > 1) return;
    const { zoom, left, top } = this.viewport;
    context.font = FONT;
    context.textAlign = "center";
    context.textBaseline = "middle";
    const [firstRow, firstColumn] = [Math.floor(top * sheet.height), Math.floor(left * sheet.width)];
    const [rows, columns] = [Math.ceil(sheet.height / zoom) + 1, Math.ceil(sheet.width / zoom) + 1];
    for (let y = firstRow; y < Math.min(firstRow + rows, sheet.height); y++) {
      for (let x = firstColumn; x < Math.min(firstColumn + columns, sheet.width); x++) {
        const at = sheet.places[y * sheet.width + x];
        if (at < 0) continue;
        const text = number(values[at], 2);
        // Readable on any colour of the map.
        context.lineWidth = 3;
        context.strokeStyle = "rgba(255, 255, 255, 0.75)";
        context.strokeText(text, (x + 0.5) * across, (y + 0.5) * down);
        context.fillStyle = "#202124";
        context.fillText(text, (x + 0.5) * across, (y + 0.5) * down);
      }
    }
  }

  /**
   * The cell that is pointed at.
   * @param {CanvasRenderingContext2D} context
   * @param {number} across
   * @param {number} down
   */
  frame(context, across, down) {
    const { sheet } = /** @type {Drawing} */ (this.drawing);
    const [x, y] = [this.marked % sheet.width, Math.floor(this.marked / sheet.width)];
    for (const [colour, width, grow] of /** @type {[string, number, number][]} */ ([
      ["#fff", 3, 1.5],
      ["#202124", 1.5, 1.5],
    ])) {
      context.strokeStyle = colour;
      context.lineWidth = width;
      context.strokeRect(x * across - grow, y * down - grow, across + 2 * grow, down + 2 * grow);
    }
    context.lineWidth = 1;
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {{across: number, down: number}} cell
   */
  axes(context, cell) {
    const { sheet, rowNames, vector, columnNoun, shape, cells } = /** @type {Drawing} */ (this.drawing);
    const { plot } = this;
    context.font = FONT;
    context.fillStyle = tint("quiet");
    context.textBaseline = "middle";
    context.textAlign = "right";
    context.save();
    context.beginPath();
    context.rect(0, plot.top - 1, plot.left - 3, plot.height + 2);
    context.clip();
    const high = cell.down * this.viewport.zoom;
    if (rowNames.length) {
      if (high >= 9) {
        rowNames.forEach((name, row) => {
          const y = this.y(sheet.rowAt.indexOf(row) + 0.5);
          context.fillText(shortened(context, name, plot.left - 8), plot.left - 6, y);
        });
      }
    } else if (sheet.rows.length) {
      for (const label of sheet.rows) {
        const [from, to] = [this.y(label.from), this.y(label.to)];
        const y = (Math.max(from, plot.top) + Math.min(to, plot.top + plot.height)) / 2;
        context.fillText(shortened(context, label.text, plot.left - 8), plot.left - 6, y);
      }
    } else if (!vector) {
      for (const [index, line] of ticks(sheet.rowAt, shape[0], cells[0], plot.height * this.viewport.zoom, 40)) {
        const y = this.y(line + 0.5);
        if (y >= plot.top) context.fillText(String(index), plot.left - 6, Math.max(y, plot.top + 5));
      }
    }
    context.restore();
    context.save();
    context.beginPath();
    context.rect(plot.left - 1, 0, plot.width + 2, plot.top + plot.height + 17);
    context.clip();
    context.textAlign = "center";
    for (const label of sheet.columns) {
      context.fillText(label.text, (this.x(label.from) + this.x(label.to)) / 2, 7);
    }
    const y = plot.top + plot.height + 10;
    context.textAlign = "left";
    context.fillText(columnNoun, plot.left, y);
    const taken = context.measureText(columnNoun).width + 14;
    context.textAlign = "center";
    for (const [index, line] of ticks(sheet.columnAt, shape[1], cells[1], plot.width * this.viewport.zoom, 64)) {
      const x = this.x(line + 0.5);
      if (x > plot.left + taken && x < plot.left + plot.width - 10) context.fillText(String(index), x, y);
    }
    context.restore();
  }

  /** @param {number} column */
  x(column) {
    const { sheet } = /** @type {Drawing} */ (this.drawing);
    const { zoom, left } = this.viewport;
    return this.plot.left + (column / sheet.width - left) * this.plot.width * zoom;
  }

  /** @param {number} row */
  y(row) {
    const { sheet } = /** @type {Drawing} */ (this.drawing);
    const { zoom, top } = this.viewport;
    return this.plot.top + (row / sheet.height - top) * this.plot.height * zoom;
  }
}

/**
 * Round indices along an axis, and the line of the sheet that each is on.
 * @param {Int32Array} lines
 * @param {number} length
 * @param {number} cells
 * @param {number} pixels
 * @param {number} apart
 * @returns {[number, number][]}
 */
function ticks(lines, length, cells, pixels, apart) {
  const least = (length * apart) / Math.max(pixels, 1);
  const power = 10 ** Math.floor(Math.log10(Math.max(least, 1)));
  const step = Math.max(1, [1, 2, 5, 10].map((times) => times * power).find((one) => one >= least) ?? 1);
  /** @type {[number, number][]} */
  const found = [];
  for (let index = 0; index < length; index += step) {
    const line = lines.indexOf(Math.floor((index * cells) / length));
    // Of several round indices in one cell the first.
    if (line >= 0 && line !== found.at(-1)?.[1]) found.push([index, line]);
  }
  return found;
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {string} text
 * @param {number} width
 */
function shortened(context, text, width) {
  if (context.measureText(text).width <= width) return text;
  let short = text.slice(0, 60);
  while (short && context.measureText(`${short}…`).width > width) short = short.slice(0, -1);
  return `${short}…`;
}
