"""Strips over time: one row per parameter, one column per statistic, from the first snapshot to the newest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lightning_weightviz.draw.color import INFINITE, NAN, NO_VALUE, PAPER, Painted, paint_magnitude, paint_signed
from lightning_weightviz.draw.color_bar import BAR, paint_flat_bar, paint_magnitude_bar
from lightning_weightviz.draw.geometry import Box
from lightning_weightviz.draw.page import GREY, INK, LINE, Page
from lightning_weightviz.draw.text import SMALL, fit, text_width
from lightning_weightviz.memory import Memory
from lightning_weightviz.snapshot import farthest
from lightning_weightviz.views.overview.layout import STRIP, TEXT, TO_BASELINE, Row, StripLayout, plan
from lightning_weightviz.views.overview.names import write_names
from lightning_weightviz.views.overview.time_ticks import draw_time_ticks

Values = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int8]

HOLDS_INFINITY, HOLDS_NAN = 1, 2
"""Codes of what is broken; the larger wins."""

TO_SCALE = STRIP + 36
"""From the top of the last strip to the colour scales."""


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
        beyond: What the newest value of each row is where its colour cannot say it, for instance ``×50``; else empty.
    """

    title: str
    shares: Values
    texts: Sequence[str]
    ends: tuple[str, str]
    signed: bool = False
    white_zero: bool = False
    beyond: Sequence[str] = ()


def draw_strips(
    page: Page, rows: Sequence[Row], columns: Sequence[Column], broken: Codes, colormap: str, memory: Memory | None
) -> StripLayout:
    """Puts all strips on the page, the last row's apart, their times, the colour scales, and moves `page.y` below them.

    Args:
        page: To draw on.
        rows: In the order of the network, the last one for all of them together; at least two.
        columns: At most five.
        broken: int8, (rows, T): `HOLDS_NAN`, `HOLDS_INFINITY` or 0.
        colormap: Of signed columns.
        memory: Tells the T times; None where they are of no training.
    """
    layout = plan(page.y + TEXT, rows, len(columns), broken.shape[1])
    scale_top = layout.tops[-1] + TO_SCALE
    for column, left in zip(columns, layout.lefts, strict=True):
        short, _, _ = column.title.partition(" (")
        title = column.title if text_width(column.title, SMALL) <= layout.size[0] else short
        page.text(left, page.y, fit(title, layout.size[0], SMALL), size=SMALL)
        _draw_column(page, layout, column, left, broken, colormap)
        # Thin rows have no room for their numbers.
        shown = slice(-1 if layout.blocks else 0, None)
        beyond = (column.beyond or [""] * len(rows))[shown]
        for text, factor, top in zip(column.texts[shown], beyond, layout.tops[-len(beyond) :], strict=True):
            _write_number(page, text, factor, left, top - TO_BASELINE, layout.size[0])
        _draw_scale(page, column, Box(left, scale_top, left + layout.size[0], scale_top + BAR), colormap)
    write_names(page, rows, layout)
    if memory is not None:
        draw_time_ticks(page, layout, memory)
    page.text(layout.names_right, scale_top + BAR // 2, "colours", size=SMALL, color=GREY, anchor="rm")
    page.y = layout.tops[-1] + TO_SCALE + BAR + TEXT + 6
    return layout


def _write_number(page: Page, text: str, beyond: str, left: int, y: int, width: int) -> None:
    """The newest value above a strip, and how far beyond the scale it is; of both the latter where room is short."""
    factor_left = left + text_width(f"{text} ", SMALL) if beyond else left
    if beyond and factor_left + text_width(beyond, SMALL) > left + width:
        text, factor_left = "", left
    page.text(left, y, text, size=SMALL, color=GREY, anchor="ls")
    if beyond:
        page.text(factor_left, y, beyond, size=SMALL, color=INK, anchor="ls")


def _draw_column(page: Page, layout: StripLayout, column: Column, left: int, broken: Codes, colormap: str) -> None:
    """The strips of one statistic; without a frame a white one would look like none, and thin ones share one."""
    width, parts = layout.size[0], len(broken) - 1
    if layout.blocks:
        top, bottom = layout.tops[0], layout.tops[-2] + layout.size[1]
        page.rectangle((left - 1, top - 1, left + width, bottom), LINE)
    for first, end, tops, height in (
        (0, parts, layout.tops[:-1], layout.size[1]),
        (parts, parts + 1, layout.tops[-1:], STRIP),
    ):
        per_line = layout.per_line if first == 0 else 1
        shares, codes = _farthest(column.shares[first:end], per_line), _worst(broken[first:end], per_line)
        # A line of T cells over the strip's width, the newest never lost.
        across = np.bincount(np.arange(width) * shares.shape[1] // width, minlength=shares.shape[1])
        painted = paint_strips(shares, codes, column, colormap).trimmed()
        page.paste_rows(painted, left, tops, scale=(height, across), framed=first > 0 or not layout.blocks)


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
    page.paste(bar.trimmed(), box.left, box.top, framed=True)
    page.text(box.left, box.bottom + 3, column.ends[0], size=SMALL, color=GREY)
    page.text(box.right, box.bottom + 3, column.ends[1], size=SMALL, color=GREY, anchor="ra")
