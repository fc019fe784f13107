// What the rows and columns of a layer are called.

/** @typedef {import("./run.js").LayerFacts} LayerFacts */

/**
 * Words for a layer's rows and columns; with the names of the classes where they are its rows.
 * @param {LayerFacts} layer
 * @param {string[]} classes
 * @param {[number, number]} shape Rows and columns of the finest map.
 */
export function labelsOf(layer, classes, shape) {
  const [rows, columns] = shape;
  const vector = layer.layout === "vector";
  const classAxis = vector ? 1 : layer.unitsAxis;
  const named = classes.length === shape[classAxis] ? classes : [];

  /**
   * A row or a column by its place among equal parts, such as heads of a query.
   * @param {number} index
   * @param {number} length
   * @param {string} noun
   */
  function within(index, length, noun) {
    const [words, inside] = partOf(index, length);
    return words.length ? `${words.join(" · ")} · ${noun} ${inside} (${index})` : `${noun} ${index}`;
  }

  /**
   * The parts that an index lies in, and its place in the smallest of them.
   * @param {number} index
   * @param {number} length
   * @returns {[string[], number]}
   */
  function partOf(index, length) {
    const stretches = Math.max(layer.blocks.length, layer.stacked, 1);
    if (length % (stretches * layer.heads)) return [[], index];
    const stretch = length / stretches;
    const words = [];
    if (layer.blocks.length) words.push(layer.blocks[Math.floor(index / stretch)]);
    else if (layer.stacked > 1) words.push(`matrix ${Math.floor(index / stretch)}`);
    let inside = index % stretch;
    if (layer.heads > 1) {
      words.push(`head ${Math.floor(inside / (stretch / layer.heads))}`);
      inside %= stretch / layer.heads;
    }
    return [words, inside];
  }

  return {
    /**
     * Several rows, or columns of a vector: those of one part.
     * @param {number} first
     * @param {number} last
     */
    span(first, last) {
      const [length, noun] = vector ? [columns, layer.column] : [rows, layer.row];
      return [...partOf(first, length)[0], `${noun} ${first}…${last}`].join(" · ");
    },
    /** @param {number} index */
    row(index) {
      if (vector) return "";
      if (classAxis === 0 && named.length) return named[index];
      return within(index, rows, layer.row);
    },
    /** @param {number} index */
    column(index) {
      if (classAxis === 1 && named.length) return named[index];
      return vector ? within(index, columns, layer.column) : `${layer.column} ${index}`;
    },
    /** Names at the rows, where there are any. */
    rowNames: classAxis === 0 && !vector ? named : [],
    columnNames: classAxis === 1 || vector ? named : [],
  };
}

/**
 * Which rows or columns of the finest map a cell is of: first and last.
 * @param {number} cell
 * @param {number} cells
 * @param {number} length
 * @returns {[number, number]}
 */
export function spanOf(cell, cells, length) {
  return [Math.ceil((cell * length) / cells), Math.ceil(((cell + 1) * length) / cells) - 1];
}
