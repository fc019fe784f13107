// Which rows the table of layers has, and in which order.

/** @typedef {import("./names.js").Branch} Branch */
/**
 * `means` is null where all are meant; `key` what the rows are sorted by, null where they stand as a tree.
 * @typedef {{means: ((name: string) => boolean) | null, open: Set<string>, whole: boolean, down: boolean,
 *   key: ((one: Branch) => number | string) | null}} Wish
 */

/**
 * The rows in order, and how many layers are meant.
 * @param {Branch} root
 * @param {Wish} wish
 * @returns {{rows: Branch[], count: number}}
 */
export function rowsOf(root, wish) {
  const { means, key } = wish;
  /** @type {Branch[]} */
  const found = [];
  let count = 0;
  /** @param {Branch} one @returns {boolean} */
  const walk = (one) => {
    if (one.layer) {
      if (means && !means(one.layer.name)) return false;
      count++;
      found.push(one);
      return true;
    }
    const at = found.length;
    if (one !== root || wish.whole) found.push(one);
    let any = false;
    if (means || key || wish.open.has(one.path)) {
      for (const child of one.children) any = walk(child) || any;
    } else {
      count += one.layers.length;
      any = true;
    }
    if (!any) found.length = at;
    return any;
  };
  walk(root);
  if (!key) return { rows: found, count };
  const keyed = found.filter((one) => one.layer).map((one) => ({ one, by: key(one) }));
  return { rows: keyed.sort((a, b) => compared(a.by, b.by, wish.down)).map(({ one }) => one), count };
}

/**
 * @param {number | string} a
 * @param {number | string} b
 * @param {boolean} down
 */
function compared(a, b, down) {
  if (typeof a === "string" || typeof b === "string") {
    return (down ? -1 : 1) * String(a).localeCompare(String(b), undefined, { numeric: true });
  }
  // What has no number stands last, whichever way.
  if (Number.isNaN(a) || Number.isNaN(b)) return Number(Number.isNaN(a)) - Number(Number.isNaN(b));
  return down ? b - a : a - b;
}
