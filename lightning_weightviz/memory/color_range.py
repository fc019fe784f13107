"""Colour ranges: the R that a picture is drawn with, from −R to +R, and how it follows the values."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

ColorRange = Literal["run", "init", "epoch"] | float


def widened(limit: float, values: npt.NDArray[Any], color_range: ColorRange) -> float:
    """The R of a picture, of `values` now, whose R was `limit` before; 0 where there is none yet.

    Args:
        limit: 0 at the first snapshot.
        values: What is drawn.
        color_range: ``"run"``: R only grows. ``"init"``: as at the first snapshot. ``"epoch"``: anew each time. A
            positive float: that.
    """
    if isinstance(color_range, (int, float)):
        return float(color_range)
    if color_range == "epoch":
        return range_for(values) or 1.0
    if color_range == "run":
        return limit if _fits(values, limit) else max(limit, range_for(values))
    # A parameter that starts at zero has no range yet: its first nonzero values set it.
    return limit or range_for(values)


def range_for(values: npt.NDArray[Any]) -> float:
    """The R that shows `values` well: the 99.5th percentile of their nonzero finite magnitudes, up to the next √2 step.

    R = 2^(⌈2·log₂ q⌉ / 2), so that it moves in few, large steps. 0 where nothing is finite and nonzero.
    """
    magnitudes = np.abs(values).ravel()
    magnitudes = magnitudes[np.isfinite(magnitudes) & (magnitudes > 0)]
    if magnitudes.size == 0:
        return 0.0
    rank = magnitudes.size - 1 - _beyond(magnitudes.size)
    quantile = float(np.partition(magnitudes, rank)[rank])
    # A value that is a step itself must not move up by a rounding error of the logarithm.
    step: float = 2.0 ** (math.ceil(2.0 * math.log2(quantile) - 1e-6) / 2.0)
    # The last step is above all float32, and so would be no float32 itself.
    return min(step, float(np.finfo(np.float32).max))


def _beyond(count: int) -> int:
    """How many of so many magnitudes may lie beyond R."""
    return count - math.ceil(0.995 * count)


def _fits(values: npt.NDArray[Any], limit: float) -> bool:
    """Whether `range_for` would give no more than `limit`; found by counting, at a tenth of the price."""
    magnitudes = np.abs(values)
    over = int(np.count_nonzero(magnitudes > limit))
    if over == 0:
        return True
    infinite = int(np.count_nonzero(magnitudes == math.inf))
    return over - infinite <= _beyond(int(np.count_nonzero(magnitudes > 0)) - infinite)
