// The colours of the pictures: signed values diverge from 0, magnitudes rise from 0, what is broken stands out.

/** The stops of RdBu_r, evenly apart from −R to +R, where the run has no map of its own. */
const SIGNED_STOPS = [
  "053061",
  "2166ac",
  "4393c3",
  "92c5de",
  "d1e5f0",
  "f7f7f7",
  "fddbc7",
  "f4a582",
  "d6604d",
  "b2182b",
  "67001f",
];
/** cividis in 101 steps. */
const MAGNITUDE =
  "00224e002451002656002859002a5f002b62002d68002e6c0030700132710833701235701637701c396f203a6f243c6e" +
  "273e6e2b406d2f426d32436d35456c38476c3b496c3d4a6c404c6c434e6c45506c48526c4a536c4d556c4f576c52596d" +
  "545a6d565c6d595e6e5b606e5e626e5f636f62656f646770666970686a716b6d726d6f726f7073727274737475767676" +
  "7777777a7a787d7c787e7d78817f788381798683798885788b87788d8878908b78928d78948e779791779992779c9576" +
  "9e9676a19975a39a74a69c74a99f73aba072aea371b0a571b4a76fb6a96fb9ab6dbcae6cbeaf6bc1b26ac3b369c6b667" +
  "c8b866ccba64cebc63d1bf61d4c15fd6c35ddac65bdcc859dfca57e1cc55e5cf52e7d150ead34ceed649f0d846f3db42" +
  "f6dd3ff9e03afce236fee535fee838";
export const STEPS_A_SIDE = 100;

/** @typedef {{colours: Uint32Array, steps: number, middle: number}} Table */

/**
 * A pixel as ImageData keeps it.
 * @param {number} red
 * @param {number} green
 * @param {number} blue
 */
function pixel(red, green, blue) {
  return ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;
}

/** @param {string} hex */
function channels(hex) {
  return [0, 2, 4].map((at) => Number.parseInt(hex.slice(at, at + 2), 16));
}

export const NAN_PIXEL = pixel(255, 0, 255);
export const INFINITE_PIXEL = pixel(0, 0, 0);
export const GAP_PIXEL = pixel(216, 217, 220);

/**
 * From −R to +R.
 * @type {Table}
 */
export const SIGNED = (() => {
  const stops = SIGNED_STOPS.map(channels);
  const last = 2 * STEPS_A_SIDE;
  const colours = Uint32Array.from({ length: last + 1 }, (_, place) => {
    const along = (place * (stops.length - 1)) / last;
    const before = Math.min(Math.floor(along), stops.length - 2);
    const mixed = [0, 1, 2].map((channel) => {
      const [low, high] = [stops[before][channel], stops[before + 1][channel]];
      return Math.round(low + (high - low) * (along - before));
    });
    return pixel(mixed[0], mixed[1], mixed[2]);
  });
  return { colours, steps: STEPS_A_SIDE, middle: STEPS_A_SIDE };
})();

/**
 * Draws signed values in a map of one's own.
 * @param {string} hex Six digits a colour, from −R to +R, 0 in the middle.
 */
export function useColours(hex) {
  const count = hex.length / 6;
  SIGNED.colours = Uint32Array.from({ length: count }, (_, place) => {
    const [red, green, blue] = channels(hex.slice(6 * place, 6 * place + 6));
    return pixel(red, green, blue);
  });
  SIGNED.steps = SIGNED.middle = (count - 1) / 2;
}

/**
 * From 0 to the top.
 * @type {Table}
 */
export const RISING = {
  colours: Uint32Array.from({ length: STEPS_A_SIDE + 1 }, (_, place) => {
    const [red, green, blue] = channels(MAGNITUDE.slice(6 * place, 6 * place + 6));
    return pixel(red, green, blue);
  }),
  steps: STEPS_A_SIDE,
  middle: 0,
};

/**
 * The pixel of a value in a range.
 * @param {Table} table
 * @param {number} value
 * @param {number} limit
 */
export function colourOf(table, value, limit) {
  if (Number.isNaN(value)) return NAN_PIXEL;
  if (!Number.isFinite(value)) return INFINITE_PIXEL;
  const place = Math.round((limit > 0 ? value / limit : 0) * table.steps) + table.middle;
  return table.colours[Math.min(Math.max(place, 0), table.colours.length - 1)];
}

/**
 * The pixel of red, green and blue, each grey where it is 0.
 * @param {number[]} values
 * @param {number} limit
 */
export function mixedColour(values, limit) {
  if (values.some(Number.isNaN)) return NAN_PIXEL;
  if (!values.every(Number.isFinite)) return INFINITE_PIXEL;
  const [red, green, blue] = values.map((value) =>
    Math.round(255 * (0.5 + 0.5 * Math.min(1, Math.max(-1, value / limit)))),
  );
  return pixel(red, green, blue);
}

/**
 * A pixel as the style writes it.
 * @param {number} colour
 */
export function cssColour(colour) {
  return `rgb(${colour & 255}, ${(colour >> 8) & 255}, ${(colour >> 16) & 255})`;
}
