"""Text as it goes onto a page: ready masks of words and lines, of numbers put together from those of their digits."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw

from lightning_weightviz.draw.palette import Indices
from lightning_weightviz.draw.text import NUMERIC, advance, font, glyphs

SHADES = 7
"""Greys between paper and ink at the edges of letters: few, so that they fit a palette beside a colour table."""

_LEVELS = [round(alpha / 255 * SHADES) for alpha in range(256)]


@dataclass(frozen=True)
class Word:
    """A text as it goes onto a page.

    Attributes:
        indices: In the palette of a page: 0 for paper, else the place of a shade.
        paper: uint8, 255 where there is paper, else 0.
        left: Where it goes from its left end.
        top: Where it goes from the height of its anchor.
    """

    indices: Indices
    paper: Indices
    left: int
    top: int


def word(text: str, size: int, bold: bool, down: str, first: int) -> Word:
    """A word.

    Args:
        text: Without a space.
        size: Of its letters, in pixels.
        bold: Whether they are bold.
        down: Pillow's anchor: a (ascender), m, s (baseline), d.
        first: Where its ink's shades begin in the palette.
    """
    return _joined(_parts(text, size, bold, down, first, 0))


@lru_cache(maxsize=2048)
def _set(text: str, size: int, bold: bool, down: str, first: int) -> Word:
    """A word or letter as Pillow sets it."""
    text, anchor = glyphs(text), f"l{down}"
    left, top, right, bottom = font(size, bold).getbbox(text, anchor=anchor)
    x, y = int(left) - 1, int(top) - 1
    ink = Image.new("L", (int(right) - x + 1, int(bottom) - y + 1))
    ImageDraw.Draw(ink).text((-x, -y), text, font=font(size, bold), fill=255, anchor=anchor)
    levels = np.asarray(ink.point(_LEVELS))
    return _word(np.where(levels > 0, levels + np.uint8(first - 1), np.uint8(0)), x, y)


# Of up to 28 KB each; a snapshot has some 400.
@lru_cache(maxsize=512)
def line(text: str, size: int, bold: bool, down: str, first: int, start: float) -> Word:
    """Several words as one: most lines are those of the snapshot before, or of another picture.

    Args:
        text: With or without spaces.
        size: As of `word`.
        bold: As of `word`.
        down: As of `word`.
        first: As of `word`.
        start: Where it starts, from 0 to 2: each word goes to the nearest pixel, of two equally near to the even one.
    """
    placed, space = [], advance(" ", size, bold)
    for letters in text.split(" "):
        if letters:
            placed += _parts(letters, size, bold, down, first, round(start))
        start += advance(letters, size, bold) + space
    return _joined(placed)


def _parts(text: str, size: int, bold: bool, down: str, first: int, x: int) -> list[tuple[Word, int]]:
    """What a word at `x` is put together from: its letters, each at its place, or itself."""
    # Numbers are new in each snapshot, digits are not: setting a word takes Pillow a third of a millisecond.
    if len(text) == 1 or not NUMERIC.issuperset(text):
        return [(_set(text, size, bold, down, first), x)]
    parts, pen = [], x + 0.5
    for letter in text:
        # To the pixel nearest to where those before it end, as Pillow sets them.
        parts.append((_set(letter, size, bold, down, first), math.floor(pen)))
        pen += advance(letter, size, bold)
    return parts


def _joined(placed: list[tuple[Word, int]]) -> Word:
    """Words or letters at their places as one."""
    if not placed:
        return _word(np.zeros((0, 0), np.uint8), 0, 0)
    if len(placed) == 1:
        ((one, x),) = placed
        return Word(one.indices, one.paper, x + one.left, one.top)
    lefts = [x + one.left for one, x in placed]
    left, top = min(lefts), min([one.top for one, _ in placed])
    right = max([start + one.indices.shape[1] for start, (one, _) in zip(lefts, placed, strict=True)])
    bottom = max([one.top + one.indices.shape[0] for one, _ in placed])
    indices = np.zeros((bottom - top, right - left), np.uint8)
    for start, (one, _) in zip(lefts, placed, strict=True):
        height, width = one.indices.shape
        part = indices[one.top - top : one.top - top + height, start - left : start - left + width]
        np.maximum(part, one.indices, out=part)
    return _word(indices, left, top)


def _word(indices: Indices, left: int, top: int) -> Word:
    # Of bytes −1 is 255.
    return Word(indices, -(indices == 0).view(np.uint8), left, top)
