// Blocks of text back to numbers: base64, zlib, differences in time.

/**
 * How an array of a block is read.
 * @typedef {{kind: string, at: number, shape: number[], step?: number, power?: number, octaves?: number}} Note
 */

const NAN_CODE = 251;
const FINE = 125;
const SHARES = 14;
const UNKNOWN = 15;
/** Of a value, by which share it may have been rounded where it was kept: to float16. */
const ROUNDED = 2 ** -11;
/** Of codes, their values in steps. */
const STEPS = Float32Array.from({ length: 256 }, (_, code) => code - FINE);
STEPS[NAN_CODE] = NaN;
STEPS[NAN_CODE + 1] = Infinity;
STEPS[NAN_CODE + 2] = -Infinity;

/** @type {Float32Array | null} */
let halfValues = null;

/**
 * The bytes of a block.
 * @param {string} text
 * @returns {Promise<Uint8Array>}
 */
export async function inflate(text) {
  const letters = atob(text.trim());
  const packed = new Uint8Array(letters.length);
  for (let i = 0; i < packed.length; i++) packed[i] = letters.charCodeAt(i);
  const { readable, writable } = new DecompressionStream("deflate");
  const [writer, reader] = [writable.getWriter(), readable.getReader()];
  // What fails here fails where it is read, too.
  for (const done of [writer.write(packed), writer.close()]) done.catch(() => {});
  /** @type {Uint8Array[]} */
  const pieces = [];
  let size = 0;
  for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
    pieces.push(piece.value);
    size += piece.value.length;
  }
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

/** @param {Note} note */
function sizeOf(note) {
  return note.shape.reduce((product, length) => product * length, 1);
}

/**
 * Every value of float16.
 * @returns {Float32Array}
 */
function halves() {
  if (halfValues) return halfValues;
  halfValues = Float32Array.from({ length: 65536 }, (_, bits) => {
    const sign = bits & 0x8000 ? -1 : 1;
    const exponent = (bits >> 10) & 31;
    const fraction = bits & 1023;
    if (exponent === 31) return fraction ? NaN : sign * Infinity;
    return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : 2 ** -24 * fraction);
  });
  return halfValues;
}

/** Cells of a map over time; a frame becomes numbers when it is looked at. */
export class Cells {
  /**
   * @param {Uint8Array} bytes
   * @param {Note} note
   */
  constructor(bytes, note) {
    const length = sizeOf(note);
    /** Cells of a frame. */
    this.size = note.shape[0] ? length / note.shape[0] : 0;
    this.length = length;
    /** @type {Map<number, Float32Array>} */
    this.frames = new Map();
    const { size } = this;
    if (note.kind === "steps") {
      this.table = STEPS;
      this.unit = note.step ?? 1;
      const codes = bytes.slice(note.at, note.at + length);
      for (let i = size; i < length; i++) codes[i] += codes[i - size];
      this.codes = codes;
    } else {
      this.table = halves();
      this.unit = 2 ** -(note.power ?? 0);
      const words = new Uint16Array(length);
      for (let i = 0; i < length; i++) {
        words[i] = bytes[note.at + i] | (bytes[note.at + length + i] << 8);
        if (i >= size) words[i] ^= words[i - size];
      }
      this.codes = words;
    }
  }

  /**
   * One frame.
   * @param {number} place
   */
  frame(place) {
    let values = this.frames.get(place);
    if (!values) {
      const { codes, table, unit } = this;
      const first = place * this.size;
      values = new Float32Array(this.size);
      for (let i = 0; i < values.length; i++) values[i] = table[codes[first + i]] * unit;
      this.frames.set(place, values);
    }
    return values;
  }

  /**
   * One cell of one frame.
   * @param {number} place
   * @param {number} cell
   */
  value(place, cell) {
    return this.table[this.codes[place * this.size + cell]] * this.unit;
  }
}

/**
 * Cells of all frames, one behind the other.
 * @param {Uint8Array} bytes
 * @param {Note} note
 * @returns {Float32Array}
 */
export function readCells(bytes, note) {
  const { codes, table, unit } = new Cells(bytes, note);
  return Float32Array.from(codes, (code) => table[code] * unit);
}

/**
 * The share that the rms of a cell is of its extreme.
 * @param {Uint8Array} bytes
 * @param {Note} note
 * @returns {Float32Array}
 */
export function readShares(bytes, note) {
  const size = sizeOf(note);
  const frame = note.shape[0] ? size / note.shape[0] : 0;
  const codes = new Uint8Array(size);
  const values = new Float32Array(size);
  for (let i = 0; i < size; i++) {
    const both = bytes[note.at + (i >> 1)];
    const code = i & 1 ? both & 15 : both >> 4;
    codes[i] = (code + (i >= frame ? codes[i - frame] : 0)) & 15;
    values[i] = codes[i] === UNKNOWN ? NaN : 2 ** ((-codes[i] * (note.octaves ?? 0)) / SHARES);
  }
  return values;
}

/**
 * Curves, one behind the other.
 * @param {Uint8Array} bytes
 * @param {Note} note
 * @returns {Float32Array}
 */
export function readNumbers(bytes, note) {
  const size = sizeOf(note);
  const length = note.shape[note.shape.length - 1];
  const words = new Uint32Array(size);
  for (let i = 0; i < size; i++) {
    for (let plane = 0; plane < 4; plane++) words[i] |= bytes[note.at + plane * size + i] << (8 * plane);
    if (i % length) words[i] ^= words[i - 1];
  }
  return new Float32Array(words.buffer);
}

/**
 * How far a cell may be from the value that it was.
 * @param {Note} note
 * @param {number} value
 */
export function errorOf(note, value) {
  if (!Number.isFinite(value)) return 0;
  const rounded = Math.abs(value) * ROUNDED;
  // Of float16 the two are one: what has been rounded to it stays as it is.
  return rounded + (note.kind === "steps" ? 0.501 * (note.step ?? 0) : 2 ** (-25 - (note.power ?? 0)));
}

/**
 * By which factor an rms may be off.
 * @param {Note} note
 */
export function shareError(note) {
  return 2 ** ((0.5 * (note.octaves ?? 0)) / SHARES) - 1;
}
