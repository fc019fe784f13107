"""A signed map with its axes, its colour bar and the norms of its rows and columns, over the whole width of a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from lightning_weightviz.draw.color import NAN, Painted, Rgb, paint_signed
from lightning_weightviz.draw.color_bar import BAR, NEAR, color_bar_width, draw_color_bar
from lightning_weightviz.draw.dead import DEAD, Norms, dead_norms
from lightning_weightviz.draw.geometry import Box
from lightning_weightviz.draw.number import number
from lightning_weightviz.draw.page import CONTENT, GREY, MARGIN, Fact, Page
from lightning_weightviz.draw.text import SMALL, fit, text_width

MAX_CELLS = 512
"""Along an axis: more would not fit the page at one pixel each."""

TALLEST_MATRIX, LOWEST, SINGLE = 520, 150, 96
"""Heights in pixels: no map is taller, none lower, but one row alone is low."""
TALLEST_CELL = 40
WIDEST_LABEL, LABEL_HEIGHT = 130, SMALL + 4
TICK = 12
"""Length in pixels of the marks between heads."""

STRIP, NARROWEST_STRIP = 34, 10
SIDE = 132
"""What the words beside the column strip need."""
BLOCK_GAP = 6
"""Pixels of paper between the blocks of a map."""
STRIP_PAPER: Rgb = (240, 241, 243)
STRIP_ALL: Rgb = (112, 131, 166)
STRIP_SOME: Rgb = (186, 197, 215)


@dataclass(frozen=True)
class MatrixLayout:
    """Where the parts of a drawn matrix are.

    Attributes:
        cells: The map.
        factor: Height and width of a cell in pixels.
        bar: The colour bar, +R at the top.
        row_strip: Norms of the rows, beside the map; None where not drawn.
        column_strip: Norms of the columns, below the map; None where not drawn.
        strip_tops: The norm that fills the row strip, and the one that fills the column strip.
        block: Rows of cells between two gaps; 0 where there are no gaps.
    """

    cells: Box
    factor: tuple[int, int]
    bar: Box
    row_strip: Box | None = None
    column_strip: Box | None = None
    strip_tops: tuple[float, float] = (0.0, 0.0)
    block: int = 0

    def cell(self, row: int, column: int) -> Box:
        """The pixels of one cell."""
        vertical, horizontal = self.factor
        left, top = self.cells.left + column * horizontal, self.top(row)
        return Box(left, top, left + horizontal, top + vertical)

    def top(self, row: int) -> int:
        """Of the cells of a row, in pixels from the top of the page."""
        gaps = row // self.block if self.block else 0
        return self.cells.top + row * self.factor[0] + gaps * BLOCK_GAP


@dataclass(frozen=True)
class Matrix:
    """What to draw.

    Attributes:
        values: float32, (h, w), at most `MAX_CELLS` each.
        limit: R, positive: drawn from −R to +R.
        colormap: Any matplotlib name.
        row_words: What the rows are, for instance ``output unit 0…127``; empty where there is one alone.
        column_words: What the columns are.
        row_norms: float32, (h, 2): smallest and largest norm of the rows in each row of cells.
        column_norms: float32, (w, 2).
        norm_words: What the norms of the rows and those of the columns are called.
        row_labels: Rows and the texts to the left of them; left out where they would take the map's width.
        missing: bool, (h,): rows of which nothing is known.
        tallest: Height of the map in pixels that it may not pass.
        lowest: Height of the map in pixels that it reaches, if it has more than one row.
        width: Pixels that it may take with all that belongs to it, from the left margin on.
        widest: Pixels that the map itself may take of these.
        blocks: Letters of the equal stretches of rows between which there are gaps.
        heads: Equal parts of each of these stretches, marked at the left.
    """

    values: npt.NDArray[np.float32]
    limit: float
    colormap: str
    row_words: str
    column_words: str
    row_norms: Norms | None = None
    column_norms: Norms | None = None
    norm_words: tuple[str, str] = ("row norm", "column norm")
    row_labels: Sequence[tuple[float, str]] = ()
    missing: npt.NDArray[np.bool_] | None = None
    tallest: int = TALLEST_MATRIX
    lowest: int = LOWEST
    width: int = CONTENT
    widest: int = CONTENT
    blocks: Sequence[str] = ()
    heads: int = 1

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of cells."""
        return self.values.shape[0], self.values.shape[1]


def cell_size(
    rows: int, columns: int, width: int, *, lowest: int = LOWEST, tallest: int = TALLEST_MATRIX, single: int = SINGLE
) -> tuple[int, int]:
    """Whole-number height and width of a cell: as wide as fits, square where that is neither flat nor too tall."""
    horizontal = max(1, width // columns)
    if rows == 1:
        return single, horizontal
    low, high = -(-lowest // rows), max(1, tallest // rows)
    return max(1, min(max(horizontal, low), high, max(TALLEST_CELL, low))), horizontal


def dead_facts(matrix: Matrix, words: tuple[str, str], pooled: bool = False) -> list[Fact]:
    """How many rows and columns, or cells with such in them, are marked as dead; nothing where none is.

    Args:
        matrix: With the norms of its rows and columns.
        words: What such rows and such columns are.
        pooled: Whether a cell holds several.
    """
    facts: list[Fact] = []
    for word, norms in zip(words, (matrix.row_norms, matrix.column_norms), strict=True):
        if norms is not None and (dead := int(dead_norms(norms).sum())):
            facts.append((f"{word}: in {dead} of {len(norms)} cells" if pooled else f"{word}: {dead}", DEAD))
    return facts


def pool_norms(norms: Norms, limit: int) -> Norms:
    """Smallest and largest norms, pooled to at most `limit` cells as `pool_extreme` pools the values."""
    length = len(norms)
    if length <= limit:
        return norms
    starts = -(-np.arange(limit) * length // limit)
    return np.stack([np.fmin.reduceat(norms[:, 0], starts), np.fmax.reduceat(norms[:, 1], starts)], axis=1)


def round_up(value: float) -> float:
    """The next of 1, 1.5, 2, 3, 5, 7 times a power of ten; 1 for 0. A scale that moves seldom and reads easily."""
    if not value > 0:
        return 1.0
    power = 10.0 ** np.floor(np.log10(value))
    return float(next((m * power for m in (1, 1.5, 2, 3, 5, 7) if value <= m * power * (1 + 1e-6)), 10 * power))


@dataclass(frozen=True)
class _Plan:
    """Where a matrix goes, and which of its words have room.

    Attributes:
        layout: Of the map and its colour bar; strips are placed when they are drawn.
        labels: Rows and the texts to the left of them.
        parts: Stretches of rows between two marks: of every block each head.
    """

    layout: MatrixLayout
    labels: Sequence[tuple[float, str]]
    parts: int


def _plan(matrix: Matrix, y: int) -> _Plan:
    """A map as wide as fits between its labels and what is beside it, below `y`."""
    rows, columns = matrix.shape
    # To the right: the colour bar, and the row strip.
    strips = matrix.row_norms is not None and matrix.column_norms is not None
    beside = 3 * NEAR + color_bar_width(matrix.limit)
    if strips:
        beside = max(beside + STRIP + NEAR, SIDE if matrix.width == CONTENT else 0)
    room = matrix.width - beside
    # To the left: labels, and the marks of heads.
    blocks = matrix.blocks if matrix.blocks and rows % len(matrix.blocks) == 0 else ()
    block = rows // len(blocks) if blocks else 0
    row_labels = [(block * index + (block - 1) / 2, name) for index, name in enumerate(blocks)] or matrix.row_labels
    labels, indent = _fitted(tuple(row_labels))
    # Rather than lose its labels the map takes some of the strip's width.
    if columns > room - indent + (STRIP - NARROWEST_STRIP if strips else 0):
        labels, indent = [], 0
    if matrix.heads > 1:
        indent += TICK
    # Between them: the map.
    factor = cell_size(rows, columns, min(room - indent, matrix.widest), lowest=matrix.lowest, tallest=matrix.tallest)
    left, top = MARGIN + indent, y + (round(1.4 * SMALL) if matrix.row_words else 0)
    gaps = BLOCK_GAP * max(len(blocks) - 1, 0)
    cells = Box(left, top, left + columns * factor[1], top + rows * factor[0] + gaps)
    # What the map leaves of the page's width goes to the row strip, so that no page has a blank side.
    bar_left = MARGIN + matrix.width - color_bar_width(matrix.limit) if strips else cells.right + 3 * NEAR
    bar = Box(bar_left, cells.top, bar_left + BAR, cells.bottom)
    return _Plan(MatrixLayout(cells, factor, bar, block=block), labels, len(blocks or (None,)) * matrix.heads)


@lru_cache(maxsize=16)
def _fitted(row_labels: tuple[tuple[float, str], ...]) -> tuple[Sequence[tuple[float, str]], int]:
    """Labels cut to their room, and what they take of the width: the same for all vectors over time."""
    labels = [(row, fit(text, WIDEST_LABEL, SMALL)) for row, text in row_labels]
    return labels, round(max((text_width(text, SMALL) + 8 for _, text in labels), default=0))


def draw_matrix(page: Page, matrix: Matrix) -> MatrixLayout:
    """Puts a matrix on the page, over its whole width, and moves `page.y` below it."""
    plan = _plan(matrix, page.y)
    layout, cells, bar = plan.layout, plan.layout.cells, plan.layout.bar
    if matrix.row_words:
        page.text(cells.left, page.y, f"↓ {matrix.row_words}", size=SMALL, color=GREY)
    _draw_cells(page, matrix, layout)
    _draw_row_labels(page, plan.labels, layout, TICK if matrix.heads > 1 else 0)
    _mark_heads(page, layout, matrix.shape[0], plan.parts)
    draw_color_bar(page, bar, matrix.limit, matrix.colormap)
    page.y = cells.bottom + 2 * NEAR
    if matrix.row_norms is not None and matrix.column_norms is not None:
        words = cells.left + text_width(f"↓ {matrix.row_words}", SMALL)
        right = MARGIN + matrix.width
        norms = (matrix.row_norms, matrix.column_norms)
        layout = _draw_strips(page, layout, norms, matrix.norm_words, bar.left - 3 * NEAR, (words, right))
    page.text(cells.left, page.y, f"→ {matrix.column_words}", size=SMALL, color=GREY)
    page.y += round(1.5 * SMALL)
    return layout


def _draw_cells(page: Page, matrix: Matrix, layout: MatrixLayout) -> None:
    """The map, block by block."""
    painted = paint_signed(matrix.values, matrix.limit, matrix.colormap)
    if matrix.missing is not None:
        painted = painted.mark(matrix.missing[:, None], STRIP_PAPER)
    rows = matrix.shape[0]
    for first in range(0, rows, layout.block or rows):
        part = painted[first : first + (layout.block or rows)]
        page.paste(part, layout.cells.left, layout.top(first), scale=layout.factor, framed=True)


def _draw_row_labels(page: Page, labels: Sequence[tuple[float, str]], layout: MatrixLayout, space: int) -> None:
    """The last label, and of the others those that have room above it and below the one before."""
    cells, height = layout.cells, layout.factor[0]
    middles = [(layout.top(int(row)) + (row % 1 + 0.5) * height, text) for row, text in labels]
    places = [(min(max(y, cells.top + 8), cells.bottom - 8), text) for y, text in middles]
    above: float = cells.top - SMALL
    for y, text in places:
        if (y - above >= LABEL_HEIGHT and places[-1][0] - y >= LABEL_HEIGHT) or y == places[-1][0]:
            page.text(cells.left - 8 - space, y, text, size=SMALL, color=GREY, anchor="rm")
            above = y


def _mark_heads(page: Page, layout: MatrixLayout, rows: int, parts: int) -> None:
    """Short lines at the left where one head ends and the next begins, if the cells keep them apart."""
    if parts > 1 and rows % parts == 0 and rows // parts * layout.factor[0] >= 6:
        for row in range(0, rows, rows // parts):
            y = layout.top(row)
            page.line([(layout.cells.left - TICK, y), (layout.cells.left - 2, y)], color=GREY)


def _draw_strips(
    page: Page,
    layout: MatrixLayout,
    norms: tuple[Norms, Norms],
    words: tuple[str, str],
    right: int,
    free: tuple[float, float],
) -> MatrixLayout:
    """The strips, the row strip up to `right`; above it `free` pixels, from and to, hold its scale."""
    row_norms, column_norms = norms
    cells, (vertical, horizontal) = layout.cells, layout.factor
    row_strip = Box(cells.right + NEAR + 1, cells.top, right, cells.bottom)
    column_strip = Box(cells.left, cells.bottom + NEAR + 1, cells.right, cells.bottom + NEAR + 1 + STRIP + 6)
    row_top, column_top = _scale(row_norms), _scale(column_norms)
    bars = _bars(row_norms, row_top, row_strip.width)
    block = layout.block or len(row_norms)
    for first in range(0, len(row_norms), block):
        part = bars[first : first + block]
        page.paste(part, row_strip.left, layout.top(first), scale=(vertical, 1))
    bars = _bars(column_norms, column_top, column_strip.height)
    upright = Painted(bars.rows[:, ::-1].T, bars.table)
    page.paste(upright, column_strip.left, column_strip.top, scale=(1, horizontal))

    scale = f"0 to {number(row_top)}"
    for text in (f"{words[0]} {scale}", f"norm {scale}", scale):
        x: float = min(row_strip.left, free[1] - text_width(text, SMALL))
        if x > free[0] + 2 * NEAR:
            page.text(x, cells.top - round(1.4 * SMALL), text, size=SMALL, color=GREY)
            break
    x = column_strip.right + 2 * NEAR
    page.text(x, column_strip.top - 3, words[1], size=SMALL, color=GREY)
    page.text(x, column_strip.bottom + 3, f"0 to {number(column_top)}", size=SMALL, color=GREY, anchor="ld")
    page.y = column_strip.bottom + 2 * NEAR
    return replace(layout, row_strip=row_strip, column_strip=column_strip, strip_tops=(row_top, column_top))


def _scale(norms: Norms) -> float:
    return round_up(float(norms.max(where=np.isfinite(norms), initial=0.0)))


def _bars(norms: Norms, top: float, length: int) -> Painted:
    """One bar per cell, from 0 at the left: dark to the smallest norm in it, light on to the largest."""
    # In float64, as the scale of the largest norms is beyond float32.
    ends = np.rint(np.clip(np.divide(norms, top, dtype=np.float64), 0, 1) * length)
    places = np.arange(length)
    levels = (places < ends[:, :1]).astype(np.uint8) + (places < ends[:, 1:])
    levels[dead_norms(norms)] = 3
    # A row that is not finite has no norm.
    levels[np.isnan(norms).any(axis=1)] = 4
    return Painted(levels, np.array([STRIP_PAPER, STRIP_SOME, STRIP_ALL, DEAD, NAN], np.uint8))
