// Which groups of the tree of layers are open.

/** @typedef {import("./names.js").Branch} Branch */

/**
 * As far as all rows are a page or so.
 * @param {Branch} root
 * @param {number} most Rows.
 * @returns {Set<string>}
 */
export function openedAtFirst(root, most) {
  /** @type {Set<string>} */
  const open = new Set();
  let level = [root];
  let rows = 0;
  while (level.length) {
    const next = level.flatMap((one) => one.children);
    if (rows + next.length > most && rows) break;
    rows += next.length;
    for (const one of level) open.add(one.path);
    level = next.filter((one) => one.children.length);
  }
  return open;
}

/**
 * The groups that a layer is in.
 * @param {Branch} root
 * @param {string} name
 * @returns {string[]}
 */
export function above(root, name) {
  if (root.layer) return [];
  for (const child of root.children) {
    if (child.layer?.name === name) return [root.path];
    const found = above(child, name);
    if (found.length) return [root.path, ...found];
  }
  return [];
}
