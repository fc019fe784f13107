"""Colour bars: the colours from end to end, and on a page with the values of the ends."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from lightning_weightviz.draw.color import STEPS, Painted, paint_magnitude, paint_signed
from lightning_weightviz.draw.geometry import Box
from lightning_weightviz.draw.number import number
from lightning_weightviz.draw.page import CONTENT, GREY, MARGIN, Page
from lightning_weightviz.draw.text import SMALL, text_width

BAR = 14
"""Pixels across a bar."""
NEAR = 4
"""Pixels between a picture and what belongs to it."""


@lru_cache(maxsize=64)
def paint_bar(height: int, width: int, colormap: str) -> Painted:
    """A vertical colour bar, +R at the top."""
    column = paint_signed(np.linspace(1.0, -1.0, height), 1.0, colormap)
    return Painted(np.repeat(column.rows[:, None], width, axis=1), column.table)


@lru_cache(maxsize=64)
def paint_flat_bar(height: int, width: int, colormap: str) -> Painted:
    """A horizontal colour bar, −R at the left."""
    bar = paint_bar(width, height, colormap)
    return Painted(bar.rows[::-1].T, bar.table)


@lru_cache(maxsize=64)
def paint_magnitude_bar(height: int, width: int, steps: int = STEPS) -> Painted:
    """A horizontal colour bar from 0 at the left to the top at the right."""
    row = paint_magnitude(np.linspace(0.0, 1.0, width), 1.0, steps)
    return Painted(np.repeat(row.rows[None], height, axis=0), row.table)


def color_bar_width(limit: float) -> int:
    """Pixels that a colour bar takes with its labels."""
    return BAR + NEAR + round(max(text_width(number(end, signed=True), SMALL) for end in (limit, -limit)))


def draw_flat_color_bar(page: Page, limit: float, colormap: str, left: int = MARGIN, width: int = CONTENT) -> None:
    """A horizontal colour bar, −R at its left, and moves `page.y` below it."""
    ends = number(-limit, signed=True), number(limit, signed=True)
    start = left + round(text_width(ends[0], SMALL)) + 8
    stop = left + width - round(text_width(ends[1], SMALL)) - 8
    page.paste(paint_flat_bar(BAR, stop - start, colormap), start, page.y + 4, framed=True)
    page.text(start - 8, page.y + 11, ends[0], size=SMALL, color=GREY, anchor="rm")
    page.text(stop + 8, page.y + 11, ends[1], size=SMALL, color=GREY, anchor="lm")
    page.text((start + stop) // 2, page.y + 33, "0", size=SMALL, color=GREY, anchor="mm")
    page.y += 46


def draw_color_bar(page: Page, box: Box, limit: float, colormap: str) -> None:
    """A vertical colour bar with +R, 0 and −R to the right of it."""
    page.paste(paint_bar(box.height, box.width, colormap), box.left, box.top, framed=True)
    for text, y in (
        (number(limit, signed=True), box.top + 8),
        ("0", (box.top + box.bottom) // 2),
        (number(-limit, signed=True), box.bottom - 8),
    ):
        page.text(box.right + NEAR, y, text, size=SMALL, color=GREY, anchor="lm")
