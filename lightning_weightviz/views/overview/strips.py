"""Strips over time: one row per parameter, one column per statistic, from the first snapshot to the newest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lightning_weightviz.draw.color import INFINITE, NAN, NO_VALUE, PAPER, Painted, paint_magnitude, paint_signed
from lightning_weightviz.draw.color_bar import BAR, paint_flat_bar, paint_magnitude_bar
from lightning_weightviz.draw.geometry import Box, apart
from lightning_weightviz.draw.page import GREY, MARGIN, WIDTH, Page
from lightning_weightviz.draw.text import SMALL, fit, fit_name, text_width
from lightning_weightviz.snapshot import farthest
from lightning_weightviz.views.support.name_groups import Block, group

Values = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int8]

HOLDS_INFINITY, HOLDS_NAN = 1, 2
"""Codes of what is broken; the larger wins."""

NAMES, WIDE_NAMES = 190, 230
"""Pixels of the names at the left, at most, and of names that have a line to themselves, which tell where they end."""
BETWEEN_COLUMNS = 12
STRIP = 18
TEXT = 24
"""Pixels of a line of text above a strip."""
TALL, MIDDLE = TEXT + STRIP + 8, 22
"""From one row to the next where it has numbers, and where it has a name alone."""
MAX_TALL, MAX_MIDDLE = 12, 32
"""Up to so many rows are so high; more are thin, and named by block."""
ALL_THIN = 720
"""Height in pixels of all thin rows together, at most."""
THICKEST = 12
TO_SCALE = STRIP + 22
"""From the top of the last strip to the colour scales."""
BETWEEN = 3
"""Pixels between two blocks of thin rows."""


@dataclass(frozen=True)
class Column:
    """A statistic of all rows over time.

    Attributes:
        title: Its name.
        shares: float64, (rows, T): where each value is on the colour scale, 0 to 1, or −1 to 1 where signed; NaN
            where there is no value.
        texts: The newest value of each row.
        ends: What the ends of the colour scale are.
        signed: Whether the scale diverges from 0.
        white_zero: Whether a share of exactly 0 is white, as a value of 0 is another thing than a little one.
    """

    title: str
    shares: Values
    texts: Sequence[str]
    ends: tuple[str, str]
    signed: bool = False
    white_zero: bool = False


@dataclass(frozen=True)
class Row:
    """What stands at the left of a row's strips.

    Attributes:
        name: Of the parameter.
        below: A second line, where there is room for one.
        note: A word about it, behind the second line or else behind the name; none at thin rows.
    """

    name: str
    below: str = ""
    note: str = ""


@dataclass(frozen=True)
class StripLayout:
    """Where the strips are.

    Attributes:
        lefts: Of each column, in pixels.
        tops: Of each line of strips; the last one is the last row's.
        size: Width of every strip, and height.
        per_line: Rows in a line: more than one where there are more rows than pixels.
        times: T, the number of cells in a strip.
    """

    lefts: tuple[int, ...]
    tops: tuple[int, ...]
    size: tuple[int, int]
    per_line: int
    times: int

    def cell(self, row: int, column: int, time: int) -> Box:
        """The pixels of one value of a row but the last; of -1 as row, of the last."""
        width, height = self.size
        top, height = (self.tops[-1], STRIP) if row < 0 else (self.tops[row // self.per_line], height)
        left, right = (self.lefts[column] + -(-width * t // self.times) for t in (time, time + 1))
        return Box(left, top, right, top + height)


def draw_strips(
    page: Page, rows: Sequence[Row], columns: Sequence[Column], broken: Codes, colormap: str
) -> StripLayout:
    """Puts all strips on the page, the last row's apart, then the colour scales, and moves `page.y` below them.

    Args:
        page: To draw on.
        rows: In the order of the network, the last one for all of them together; at least two.
        columns: At most five.
        broken: int8, (rows, T): `HOLDS_NAN`, `HOLDS_INFINITY` or 0.
        colormap: Of signed columns.
    """
    layout, blocks = _plan(page.y + TEXT, rows, len(columns), broken.shape[1])
    scale_top = layout.tops[-1] + TO_SCALE
    for column, left in zip(columns, layout.lefts, strict=True):
        page.text(left, page.y, fit(column.title, layout.size[0], SMALL), size=SMALL)
        for first, end, tops, height in (
            (0, len(rows) - 1, layout.tops[:-1], layout.size[1]),
            (len(rows) - 1, len(rows), layout.tops[-1:], STRIP),
        ):
            per_line = layout.per_line if first == 0 else 1
            shares, codes = _farthest(column.shares[first:end], per_line), _worst(broken[first:end], per_line)
            painted = paint_strips(shares, codes, column, colormap)
            # A line of T cells over the strip's width, the newest never lost.
            places = np.arange(layout.size[0]) * shares.shape[1] // layout.size[0]
            for line, top in enumerate(tops):
                strip = Painted(painted.rows[line : line + 1, places], painted.table)
                # Without a frame a white strip would look like none; thin ones touch each other.
                page.paste(strip, left, top, scale=(height, 1), framed=first > 0 or not blocks)
        page.text(left, layout.tops[-1] - 3, column.texts[-1], size=SMALL, color=GREY, anchor="ld")
        if len(rows) <= MAX_TALL + 1:
            for text, top in zip(column.texts[:-1], layout.tops[:-1], strict=True):
                page.text(left, top - 3, text, size=SMALL, color=GREY, anchor="ld")
        _draw_scale(page, column, Box(left, scale_top, left + layout.size[0], scale_top + BAR), colormap)
    _write_names(page, rows, layout, blocks)
    page.y = layout.tops[-1] + TO_SCALE + BAR + TEXT + 6
    return layout


def _plan(top: int, rows: Sequence[Row], columns: int, times: int) -> tuple[StripLayout, list[Block]]:
    parts = len(rows) - 1
    per_line, blocks = 1, list[Block]()
    if parts <= MAX_TALL:
        tops, height = [top + TEXT + TALL * row for row in range(parts)], STRIP
    elif parts <= MAX_MIDDLE:
        tops, height = [top + MIDDLE * row for row in range(parts)], MIDDLE - 3
    else:
        per_line = -(-parts // ALL_THIN)
        blocks = group([row.name for row in rows[:-1]])
        height = min(THICKEST, max(1, ALL_THIN // parts))
        begins = {block.first // per_line for block in blocks} - {0}
        tops = []
        for line in range(-(-parts // per_line)):
            top += BETWEEN if line in begins else 0
            tops.append(top)
            top += height
    texts = [block.name for block in blocks] or [row.name + _behind(row, parts) for row in rows]
    needed = max(text_width(text, SMALL, bold=True) for text in [*texts, rows[-1].below, "colours"])
    if parts <= MAX_TALL:
        needed = max(needed, *(text_width(_below(row), SMALL) for row in rows))
    left = MARGIN + min(names_width(len(rows)), round(needed) + 6) + BETWEEN_COLUMNS + (14 if blocks else 0)
    width = (WIDTH - MARGIN - left + BETWEEN_COLUMNS) // columns - BETWEEN_COLUMNS
    lefts = tuple(left + (width + BETWEEN_COLUMNS) * index for index in range(columns))
    return StripLayout(lefts, (*tops, tops[-1] + height + TEXT + 14), (width, height), per_line, times), blocks


def _below(row: Row) -> str:
    """The second line of a row that has room for one."""
    return " · ".join(filter(None, (row.below, row.note)))


def _behind(row: Row, parts: int) -> str:
    """What stands behind a name that has no second line."""
    return f" · {row.note}" if row.note and parts > MAX_TALL else ""


def names_width(rows: int) -> int:
    """Pixels that the names of so many rows may take."""
    return WIDE_NAMES if MAX_TALL < rows <= MAX_MIDDLE else NAMES


def paint_strips(shares: Values, broken: Codes, column: Column, colormap: str) -> Painted:
    """(lines, T): grey where there is no value, magenta for NaN, black for an infinity."""
    painted = paint_signed(shares, 1.0, colormap) if column.signed else paint_magnitude(shares, 1.0)
    painted = painted.mark(np.isnan(shares), NO_VALUE)
    if column.white_zero:
        painted = painted.mark(shares == 0, PAPER)
    return painted.mark(broken == HOLDS_INFINITY, INFINITE).mark(broken == HOLDS_NAN, NAN)


def _farthest(shares: Values, per_line: int) -> Values:
    """Of the rows in each line the value farthest from 0."""
    starts = np.arange(0, len(shares), per_line)
    return farthest(np.fmax.reduceat(shares, starts, axis=0), np.fmin.reduceat(shares, starts, axis=0))


def _worst(broken: Codes, per_line: int) -> Codes:
    return np.asarray(np.maximum.reduceat(broken, np.arange(0, len(broken), per_line), axis=0))


def _draw_scale(page: Page, column: Column, box: Box, colormap: str) -> None:
    """A colour bar that lies, with its ends below it."""
    bar = paint_magnitude_bar(box.height, box.width)
    if column.signed:
        bar = paint_flat_bar(box.height, box.width, colormap)
    page.paste(bar, box.left, box.top, framed=True)
    page.text(box.left, box.bottom + 3, column.ends[0], size=SMALL, color=GREY)
    page.text(box.right, box.bottom + 3, column.ends[1], size=SMALL, color=GREY, anchor="ra")


def _write_names(page: Page, rows: Sequence[Row], layout: StripLayout, blocks: Sequence[Block]) -> None:
    height = layout.size[1]
    right = layout.lefts[0] - BETWEEN_COLUMNS
    page.line([(MARGIN, layout.tops[-1] - TEXT - 5), (WIDTH - MARGIN, layout.tops[-1] - TEXT - 5)])
    _write_two(page, rows[-1], layout.tops[-1])
    page.text(right, layout.tops[-1] + TO_SCALE + BAR // 2, "colours", size=SMALL, color=GREY, anchor="rm")
    if blocks:
        _write_blocks(page, layout, blocks, right)
        return
    for row, top in zip(rows, layout.tops[:-1], strict=False):
        if len(rows) <= MAX_TALL + 1:
            _write_two(page, row, top)
        else:
            behind = _behind(row, len(rows) - 1)
            name = fit_name(row.name, WIDE_NAMES - text_width(behind, SMALL), SMALL)
            page.text(right, top + height / 2, name + behind, size=SMALL, anchor="rm")


def _write_two(page: Page, row: Row, top: int) -> None:
    """The name beside the number, and what is below it beside the strip."""
    page.text(MARGIN, top - 3, fit_name(row.name, NAMES, SMALL, bold=True), size=SMALL, bold=True, anchor="ld")
    page.text(
        MARGIN,
        top + STRIP / 2,
        fit(_below(row), NAMES, SMALL),
        size=SMALL,
        color=GREY,
        anchor="lm",
    )


def _write_blocks(page: Page, layout: StripLayout, blocks: Sequence[Block], right: int) -> None:
    """Each beside its rows, with a line to them where the one above takes the room."""
    tops, height = layout.tops, layout.size[1]
    ends = [(tops[b.first // layout.per_line], tops[(b.end - 1) // layout.per_line] + height) for b in blocks]
    middles = [(top + bottom) / 2 for top, bottom in ends]
    places = apart(middles, SMALL + 3, tops[0] + SMALL / 2, max(ends[-1][1], tops[0] + SMALL * len(blocks)))
    for block, (top, bottom), middle, place in zip(blocks, ends, middles, places, strict=True):
        page.line([(right + 4, top), (right + 4, bottom - 1)], color=GREY)
        page.line([(right - 6, place), (right + 4, middle)])
        page.text(right - 10, place, fit(block.name, NAMES, SMALL), size=SMALL, anchor="rm")
