"""How values lie, on the host: moments merged from pieces, counts and percentiles.

Pieces are merged in float64 by the update of Chan, Golub and LeVeque (1983), so nothing large is ever subtracted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lightning_weightviz.measure import histogram

Floats = npt.NDArray[np.float64]

NUMBERS = ("finite", "nan", "low", "high", "scale", "shift", "s1", "s2", "s3", "s4")
"""What arrives of each piece: counts, extremes, and the sums of the first powers of w * scale - shift."""


@dataclass(frozen=True)
class Moments:
    """Sums over the finite values of each parameter, on the host; every array is (k,).

    Attributes:
        size: Elements, int64.
        nan: NaNs, int64.
        inf: Infinities of both signs, int64.
        zero: Exact zeros, int64.
        finite: Finite elements, int64.
        mean: float64, as all that follow; NaN where nothing is finite, and so the extremes.
        second: Sum of squared distances from the mean.
        third: Sum of their third powers.
        fourth: Sum of their fourth powers.
        minimum: Smallest value.
        maximum: Largest value.
    """

    size: npt.NDArray[np.int64]
    nan: npt.NDArray[np.int64]
    inf: npt.NDArray[np.int64]
    zero: npt.NDArray[np.int64]
    finite: npt.NDArray[np.int64]
    mean: Floats
    second: Floats
    third: Floats
    fourth: Floats
    minimum: Floats
    maximum: Floats


@dataclass(frozen=True)
class Distribution:
    """How the values of each parameter lie, on the host.

    Attributes:
        moments: Sums and extremes.
        slots: int64, (k, `histogram.SLOTS`), counts of finite values.
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
        slots: (parameters, `histogram.SLOTS` + 1).
    """
    count = len(size)

    finite, nan, low, high, scale, shift, s1, s2, s3, s4 = numbers.T
    offset = s1 / np.maximum(finite, 1.0)
    # Central moments of each piece, from sums about a shift near its mean.
    mean = (shift + offset) / scale
    second = s2 - finite * offset**2
    third = s3 - 3 * offset * s2 + 2 * finite * offset**3
    fourth = s4 - 4 * offset * s3 + 6 * offset**2 * s2 - 3 * finite * offset**4
    elements = _totals(finite, owner, count).astype(np.int64)
    nans = _totals(nan, owner, count).astype(np.int64)
    minimum, maximum = np.full(count, np.inf), np.full(count, -np.inf)
    np.minimum.at(minimum, owner, low)
    np.maximum.at(maximum, owner, high)
    none = elements == 0
    minimum[none] = maximum[none] = np.nan
    with np.errstate(all="ignore"):
        pieces = (finite, mean, np.maximum(second, 0.0) / scale**2, third / scale**3, np.maximum(fourth, 0) / scale**4)
    merged = combine(pieces, owner, count)
    return Moments(size, nans, size - elements - nans, slots[:, histogram.ZERO], elements, *merged, minimum, maximum)


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
