"""Places on a page: boxes, scales from values to pixels, places that keep apart."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lightning_weightviz.draw.color import Pixels

Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Box:
    """Pixels of a page from (left, top) to (right, bottom), these two excluded."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        """In pixels."""
        return self.right - self.left

    @property
    def height(self) -> int:
        """In pixels."""
        return self.bottom - self.top

    def of(self, pixels: Pixels) -> Pixels:
        """That part of a picture."""
        return pixels[self.top : self.bottom, self.left : self.right]


@dataclass(frozen=True)
class Scale:
    """Places values on a line of pixels.

    Attributes:
        low: The value at `start`.
        high: The value at `end`.
        start: In pixels.
        end: In pixels; below `start` for an axis that rises.
    """

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """The place of a value, in pixels; the middle where the scale has no length."""
        length = self.high - self.low
        share = (value - self.low) / length if length > 0 else math.nan if math.isnan(value) else 0.5
        return self.start + share * (self.end - self.start)

    def places(self, values: npt.NDArray[np.floating]) -> Values:
        """The places of many values, float64 of the same shape; NaN stays NaN."""
        exact = np.asarray(values, np.float64)
        length = self.high - self.low
        share = (exact - self.low) / length if length > 0 else np.where(np.isnan(exact), np.nan, 0.5)
        return self.start + share * (self.end - self.start)


def apart(places: Sequence[float], distance: float, low: float, high: float) -> list[float]:
    """Moves places, sorted upwards, as little as it takes to keep them `distance` apart and in [low, high].

    >>> apart([5.0, 6.0, 40.0], 10, 0, 100)
    [5.0, 15.0, 40.0]
    """
    moved: list[float] = []
    for place in places:
        moved.append(max(place, moved[-1] + distance if moved else low))
    ceiling = high
    for index in range(len(moved) - 1, -1, -1):
        moved[index] = min(moved[index], ceiling)
        ceiling = moved[index] - distance
    return moved
