"""Colour tables: signed values diverge from 0 in the middle, magnitudes rise from 0; what is broken stands out.

A table leaves room for the page's few other colours within the 256 of a PNG palette.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib import colormaps

Pixels = npt.NDArray[np.uint8]
Rgb = tuple[int, int, int]

STEPS = 100
"""Colours on each side of 0, so that a step is a hundredth of R. 0 has a colour of its own, in the middle."""
FEW_STEPS = 20
"""Colours of magnitudes beside a signed map: a palette has no room for more."""

NAN: Rgb = (255, 0, 255)
INFINITE: Rgb = (0, 0, 0)
PAPER: Rgb = (255, 255, 255)
NO_VALUE: Rgb = (216, 217, 220)
"""No value here; a grey that neither the default signed map nor cividis holds."""

MAGNITUDE = "cividis"


@lru_cache(maxsize=16)
def signed_table(colormap: str) -> Pixels:
    """uint8 (2 · STEPS + 3, 3): from −R to +R with 0 at row `STEPS`, then NaN's colour and the infinities'.

    Args:
        colormap: Any matplotlib name.
    """
    return _table(colormap, 2 * STEPS + 1)


@lru_cache(maxsize=4)
def magnitude_table(steps: int = STEPS) -> Pixels:
    """uint8 (steps + 3, 3): from 0 to the top, then NaN's colour and the infinities'."""
    return _table(MAGNITUDE, steps + 1)


def _table(colormap: str, size: int) -> Pixels:
    # A map of matplotlib has 256 colours by itself, none of them its middle.
    colors = colormaps[colormap].resampled(size)(np.arange(size))[:, :3]
    table = np.empty((size + 2, 3), np.uint8)
    table[:size] = np.rint(255 * colors)
    table[size:] = NAN, INFINITE
    return table


@dataclass(frozen=True)
class Painted:
    """Colours of values, as rows of a table.

    Attributes:
        rows: uint8, of the values' shape.
        table: uint8, (n ≤ 256, 3).
    """

    rows: npt.NDArray[np.uint8]
    table: Pixels

    def __getitem__(self, place: slice | tuple[slice, ...]) -> Painted:
        """A part of it."""
        return replace(self, rows=self.rows[place])

    @property
    def pixels(self) -> Pixels:
        """uint8, ``rows.shape + (3,)``, RGB."""
        return self.table.take(self.rows, axis=0)

    def trimmed(self) -> Painted:
        """The same with a table of the colours that are shown: a page has room for more such pictures."""
        shown, rows = np.unique(self.rows, return_inverse=True)
        return Painted(rows.reshape(self.rows.shape).astype(np.uint8), self.table[shown])

    def mark(self, where: npt.NDArray[np.bool_], color: Rgb) -> Painted:
        """The same with one more colour in some places."""
        table = np.concatenate([self.table, np.array([color], np.uint8)])
        return Painted(np.where(where, np.uint8(len(self.table)), self.rows), table)


@dataclass(frozen=True)
class Runs:
    """A picture of few changes: stretches of one colour, from the left to the right and from the top down.

    Attributes:
        colors: (1, n), or RGB, (1, n, 3).
        lengths: int, (n,), in pixels.
        shape: Height and width of the picture.
    """

    colors: Painted | Pixels
    lengths: npt.NDArray[np.integer]
    shape: tuple[int, int]

    def spread(self, values: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """A value for each stretch, (1, n, …), as one for each pixel, (height, width, …)."""
        return np.repeat(values[0], self.lengths, axis=0).reshape(*self.shape, *values.shape[2:])


def paint_signed(values: npt.NDArray[Any], limit: float, colormap: str) -> Painted:
    """Colours of values between −`limit` and +`limit`; beyond them, the end's colour.

    Args:
        values: Any shape.
        limit: R, positive.
        colormap: Any matplotlib name.

    Returns:
        A value v has row ``rint(v / limit · STEPS) + STEPS`` of the table.
    """
    with np.errstate(over="ignore"):
        positions = values / limit * STEPS + STEPS
    return _paint(values, positions, signed_table(colormap))


def paint_magnitude(values: npt.NDArray[Any], top: float, steps: int = STEPS) -> Painted:
    """Colours of values between 0 and `top`; beyond it, the end's colour."""
    with np.errstate(over="ignore"):
        positions = values / top * steps if top > 0 else np.zeros_like(values)
    return _paint(values, positions, magnitude_table(steps))


def _paint(values: npt.NDArray[Any], positions: npt.NDArray[Any], table: Pixels) -> Painted:
    last = len(table) - 3
    # fmax and fmin drop a NaN, which has no place in the table until the next lines give it one.
    rows = np.rint(np.fmin(np.fmax(positions, 0.0), float(last))).astype(np.uint8)
    finite = np.isfinite(values)
    if not finite.all():
        rows[~finite] = last + 2
        rows[np.isnan(values)] = last + 1
    return Painted(rows, table)
