// Numbers as a person writes them: few digits, a true minus sign, no needless zeros.

/**
 * Three significant digits.
 * @param {number | null | undefined} value
 * @param {number} digits
 * @returns {string}
 */
export function number(value, digits = 3) {
  if (value === null || value === undefined) return "–";
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value < 0 ? "−∞" : "∞";
  if (value === 0) return "0";
  const size = Math.abs(value);
  let text;
  if (size >= 1e-3 && size < 1e5) {
    text = size.toFixed(Math.max(0, digits - 1 - Math.floor(Math.log10(size))));
    if (text.includes(".")) text = text.replace(/\.?0+$/, "");
  } else {
    const [mantissa, exponent] = size.toExponential(digits - 1).split("e");
    text = `${mantissa.includes(".") ? mantissa.replace(/\.?0+$/, "") : mantissa}e${Number(exponent)}`;
  }
  return (value < 0 ? "−" : "") + text.replaceAll("-", "−");
}

/**
 * A value with the digits that its error leaves, and the error with what the digits leave out.
 * @param {number} value
 * @param {number} error
 * @returns {string}
 */
export function withError(value, error) {
  if (!Number.isFinite(value) || error === 0) return number(value, 6);
  // One digit more than the error's first: what rounding adds is a twentieth of it, and is in what is said.
  const decimals = Math.max(0, 1 - Math.floor(Math.log10(error)));
  const size = Math.abs(value);
  const sign = value < 0 ? "−" : "";
  const up = Math.ceil(error * 1.06 * 10 ** decimals) / 10 ** decimals;
  if (size >= 1e-3 && size < 1e5 && decimals < 9) {
    return `${sign}${size.toFixed(decimals)} ± ${up.toFixed(decimals)}`;
  }
  const exponent = Math.floor(Math.log10(size || error));
  const shown = Math.min(Math.max(decimals + exponent, 0), 12);
  const scale = 10 ** exponent;
  const ten = exponent ? ` × 10${raised(exponent)}` : "";
  return `${sign}${(size / scale).toFixed(shown)} ± ${(Math.ceil((error * 1.06 * 10 ** shown) / scale) / 10 ** shown).toFixed(shown)}${ten}`;
}

/** @param {number} exponent */
function raised(exponent) {
  const digits = "⁰¹²³⁴⁵⁶⁷⁸⁹";
  return [...String(exponent)].map((letter) => (letter === "-" ? "⁻" : digits[Number(letter)])).join("");
}

/**
 * How many there are, in three digits: 1.05 M.
 * @param {number} value
 */
export function amount(value) {
  for (const [unit, name] of /** @type {[number, string][]} */ ([
    [1e9, "G"],
    [1e6, "M"],
    [1e3, "k"],
  ])) {
    if (value >= unit) return `${Number((value / unit).toPrecision(3))}${name}`;
  }
  return String(value);
}

/**
 * Degrees between a weight and what it was, from 1 − cos.
 * @param {number | null} rotation
 * @returns {number | null}
 */
export function degrees(rotation) {
  if (rotation === null || Number.isNaN(rotation)) return null;
  return (Math.acos(Math.min(1, Math.max(-1, 1 - rotation))) * 180) / Math.PI;
}
