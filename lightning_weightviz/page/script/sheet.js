// Where each cell of a map lies on its sheet: matrices with gaps between their parts, pictures in a grid.

/** @typedef {import("./run.js").LayerFacts} LayerFacts */
/** @typedef {import("./run.js").MapFacts} MapFacts */
/** @typedef {{text: string, from: number, to: number}} Label */

/**
 * `places` holds for each pixel of the sheet the place of its value within a frame, negative where there is none. `channels`
 * is 3 where a pixel is a colour: its green and blue are `stride` and twice `stride` behind its red.
 * @typedef {{width: number, height: number, places: Int32Array, channels: number, stride: number, tiles: boolean,
 *   rows: Label[], columns: Label[], rowAt: Int32Array, columnAt: Int32Array}} Sheet
 */

/** What is no cell and no gap between cells. */
export const OUTSIDE = -2;

/**
 * How many gaps stand before each of so many lines.
 * @param {number} count
 * @param {number} parts
 * @param {number} heads
 */
function gapped(count, parts, heads) {
  const wide = Math.max(1, Math.round(count / 40));
  const narrow = Math.max(1, Math.round(count / 200));
  const part = parts > 1 && count % parts === 0 ? count / parts : count;
  const head = heads > 1 && part % heads === 0 && part / heads >= 4 ? part / heads : part;
  let before = 0;
  return Array.from({ length: count }, (_, line) => {
    if (line && line % part === 0) before += wide;
    else if (line && line % head === 0) before += narrow;
    return line + before;
  });
}

/**
 * @param {number} length
 * @param {number[]} lines
 */
function inverse(length, lines) {
  const at = new Int32Array(length).fill(-1);
  lines.forEach((place, line) => {
    at[place] = line;
  });
  return at;
}

/**
 * A matrix, its parts a little apart.
 * @param {LayerFacts} layer
 * @param {number} height
 * @param {number} width
 * @returns {Sheet}
 */
export function matrixSheet(layer, height, width) {
  const parts = Math.max(layer.blocks.length, layer.stacked);
  const vector = layer.layout === "vector";
  const down = gapped(height, vector ? 1 : parts, vector ? 1 : layer.heads);
  const across = gapped(width, vector ? parts : 1, vector ? layer.heads : 1);
  const [tall, wide] = [(down.at(-1) ?? -1) + 1, (across.at(-1) ?? -1) + 1];
  const places = new Int32Array(tall * wide).fill(OUTSIDE);
  down.forEach((y, row) => across.forEach((x, column) => (places[y * wide + x] = row * width + column)));
  const lines = vector ? across : down;
  const part = lines.length / Math.max(parts, 1);
  const labels = (layer.blocks.length && lines.length % parts === 0 ? layer.blocks : []).map((text, index) => ({
    text,
    from: lines[index * part],
    to: lines[(index + 1) * part - 1] + 1,
  }));
  return {
    width: wide,
    height: tall,
    places,
    channels: 1,
    stride: 0,
    tiles: false,
    rows: vector ? [] : labels,
    columns: vector ? labels : [],
    rowAt: inverse(tall, down),
    columnAt: inverse(wide, across),
  };
}

/**
 * Pictures side by side, in rows from the top left.
 * @param {number[]} shape n, channels, height, width
 * @param {number} aspect Of the whole, width over height.
 * @returns {Sheet}
 */
export function tileSheet(shape, aspect) {
  const [count, channels, height, width] = shape;
  const inColour = channels === 3;
  const beside = inColour ? 1 : channels;
  const [pitchX, pitchY] = [width * beside + 1, height + 1];
  const columns = Math.min(count, Math.max(1, Math.round(Math.sqrt((count * pitchY * aspect) / pitchX))));
  const rows = Math.ceil(count / columns);
  const [wide, tall] = [columns * pitchX + 1, rows * pitchY + 1];
  const places = new Int32Array(wide * tall).fill(OUTSIDE);
  for (let tile = 0; tile < count; tile++) {
    const [left, top] = [(tile % columns) * pitchX + 1, Math.floor(tile / columns) * pitchY + 1];
    for (let y = top - 1; y <= top + height; y++) places.fill(-1, y * wide + left - 1, y * wide + left + pitchX);
    for (let channel = 0; channel < beside; channel++) {
      for (let y = 0; y < height; y++) {
        for (let x = 0; x < width; x++) {
          places[(top + y) * wide + left + channel * width + x] =
            ((tile * channels + channel) * height + y) * width + x;
        }
      }
    }
  }
  return {
    width: wide,
    height: tall,
    places,
    channels: inColour ? 3 : 1,
    stride: height * width,
    tiles: true,
    rows: [],
    columns: [],
    rowAt: new Int32Array(0),
    columnAt: new Int32Array(0),
  };
}
