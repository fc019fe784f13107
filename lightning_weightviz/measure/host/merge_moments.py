"""How values lie: moments merged from pieces, counts and percentiles.

Pieces are merged in float64 by the update of Chan, Golub and LeVeque (1983), so nothing large is ever subtracted.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from lightning_weightviz.measure.enqueued import PieceNumbers
from lightning_weightviz.measure.histogram_scheme import ZERO
from lightning_weightviz.measure.statistics import Moments

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Distribution:
    """How the values of each parameter lie.

    Attributes:
        moments: Sums and extremes.
        slots: int64, (k, `SLOTS`), counts of finite values.
        scale: float64, (k,), powers of two by which the values were multiplied before they were counted.
        fan: float64, (k, 9), exact percentiles at `PERCENTILES` of what was sorted; NaN for the others.
    """

    moments: Moments
    slots: npt.NDArray[np.int64]
    scale: Floats
    fan: Floats


def merge(
    numbers: Floats, owner: npt.NDArray[np.intp], size: npt.NDArray[np.int64], slots: npt.NDArray[np.int64]
) -> Moments:
    """Moments of each parameter from the numbers of its pieces.

    Args:
        numbers: (pieces, `NUMBERS`).
        owner: intp, (pieces,), the parameter of each.
        size: (parameters,), elements.
        slots: (parameters, `SLOTS` + 1).
    """
    count = len(size)
    columns = PieceNumbers(*numbers.T)
    # Central moments of each piece, from sums about a shift near its mean.
    finite, scale, s2 = columns.finite, columns.scale, columns.s2
    offset = columns.s1 / np.maximum(finite, 1.0)
    mean = (columns.shift + offset) / scale
    second = s2 - finite * offset**2
    third = columns.s3 - 3 * offset * s2 + 2 * finite * offset**3
    fourth = columns.s4 - 4 * offset * columns.s3 + 6 * offset**2 * s2 - 3 * finite * offset**4
    with np.errstate(all="ignore"):
        pieces = (finite, mean, np.maximum(second, 0.0) / scale**2, third / scale**3, np.maximum(fourth, 0) / scale**4)
    merged = combine(pieces, owner, count)
    # Counts and extremes of all the pieces of a parameter.
    elements = _totals(finite, owner, count).astype(np.int64)
    nans = _totals(columns.nan, owner, count).astype(np.int64)
    minimum, maximum = np.full(count, np.inf), np.full(count, -np.inf)
    np.minimum.at(minimum, owner, columns.low)
    np.maximum.at(maximum, owner, columns.high)
    none = elements == 0
    minimum[none] = maximum[none] = np.nan
    return Moments(size, nans, size - elements - nans, slots[:, ZERO], elements, *merged, minimum, maximum)


def with_total(moments: Moments) -> Moments:
    """With a last row that is all parameters together."""
    parts = (moments.finite.astype(np.float64), moments.mean, moments.second, moments.third, moments.fourth)
    mean, second, third, fourth = combine(parts, np.zeros(len(moments.size), np.intp), 1)
    some = moments.finite > 0
    total: dict[str, Any] = {
        "mean": mean,
        "second": second,
        "third": third,
        "fourth": fourth,
        "minimum": np.min(moments.minimum, where=some, initial=np.inf) if some.any() else np.nan,
        "maximum": np.max(moments.maximum, where=some, initial=-np.inf) if some.any() else np.nan,
    }
    columns = {sums.name: getattr(moments, sums.name) for sums in fields(Moments)}
    # All others are counts.
    return Moments(**{name: np.append(column, total.get(name, column.sum())) for name, column in columns.items()})


def combine(
    parts: tuple[Floats, Floats, Floats, Floats, Floats], owner: npt.NDArray[np.intp], count: int
) -> tuple[Floats, Floats, Floats, Floats]:
    """Merges (n, mean, second, third, fourth) of parts into mean and central sums of their owners (Chan et al. 1983).

    Args:
        parts: Each (pieces,); parts with n = 0 are left out.
        owner: intp, (pieces,).
        count: Number of owners.

    Returns:
        Mean, second, third and fourth, each (count,); NaN where an owner has no elements.
    """
    present = parts[0] > 0
    owner = owner[present]
    n, mean, second, third, fourth = (part[present] for part in parts)

    def total(values: Floats) -> Floats:
        return _totals(values, owner, count)

    with np.errstate(all="ignore"):
        elements = total(n)
        # From a first mean to the mean of the distances from it: exact also where the spread is small.
        rough = total(mean) / total(np.ones_like(mean))
        whole = rough + total(n * (mean - rough[owner])) / elements
        d = mean - whole[owner]
        merged = (
            total(second + n * d**2),
            total(third + 3 * d * second + n * d**3),
            total(fourth + 4 * d * third + 6 * d**2 * second + n * d**4),
        )
    for sums in (whole, *merged):
        sums[elements == 0] = np.nan
    return whole, *merged


def _totals(values: Floats, owner: npt.NDArray[np.intp], count: int) -> Floats:
    """The sum of each owner's values."""
    return np.bincount(owner, weights=values, minlength=count).astype(np.float64)
