"""A scale of multiples of an edge: even up to 1, then by factors, so that both sides have room."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
WITHIN = 0.45
"""Share of the scale that what is within the edge has."""
LEAST = 1.5
"""The scale reaches at least so far."""


@dataclass(frozen=True)
class EdgeScale:
    """Places multiples of an edge from 0 to `end`; 1 is at 1.

    Attributes:
        largest: What is to be placed, at most.

    >>> scale = EdgeScale(8.0)
    >>> scale.place(0.5), scale.place(1.0), scale.ticks
    (0.5, 1.0, [0.0, 0.5, 1.0, 2.0, 5.0])
    """

    largest: float

    @property
    def high(self) -> float:
        """The multiple at the end."""
        return max(LEAST, 1.08 * self.largest)

    @property
    def end(self) -> float:
        """The place of `high`."""
        return 1.0 / WITHIN

    @cached_property
    def _factor(self) -> float:
        return (self.end - 1.0) / math.log(self.high)

    def place(self, multiple: float) -> float:
        """Of one multiple."""
        return float(self.places(np.array([multiple]))[0])

    def places(self, multiples: npt.NDArray[np.floating]) -> Floats:
        """Of many; NaN stays NaN."""
        exact = np.asarray(multiples, np.float64)
        return np.where(exact <= 1.0, exact, 1.0 + self._factor * np.log(np.maximum(exact, 1.0)))

    def values(self, places: Floats) -> Floats:
        """The inverse of `places`."""
        return np.where(places <= 1.0, places, np.exp((np.maximum(places, 1.0) - 1.0) / self._factor))

    @property
    def ticks(self) -> list[float]:
        """Round multiples, from 0 on."""
        if self.high < 2:
            return [0.0, 0.5, 1.0, *(tick for tick in (1.25, 1.5, 1.75) if tick <= self.high)]
        powers = range(math.floor(math.log10(self.high)) + 1)
        steps = (1, 2, 5) if len(powers) < 3 else (1,)
        return [
            0.0,
            0.5,
            *(step * 10.0**power for power in powers for step in steps if step * 10.0**power <= self.high),
        ]
