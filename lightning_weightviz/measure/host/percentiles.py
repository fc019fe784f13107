"""Edges, percentiles and histograms from counts by slot; see `measure.histogram_scheme`."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lightning_weightviz.measure.histogram_scheme import BUCKETS, COARSE, FINE, MAGNITUDES, TOP, ZERO
from lightning_weightviz.snapshot import PERCENTILES, Counts

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

_STARTS = np.concatenate([np.arange(FINE), np.arange(FINE, FINE + 4 * COARSE + 1, 4)])
"""How many buckets below the top each magnitude slot starts."""


def _lower_edge(bucket: Integers) -> Floats:
    """The smallest magnitude of each bucket."""
    edge: Floats = np.ldexp(1.0 + (bucket & 15) / 16.0, (bucket >> 4) - 127)
    return edge


_UPPER = _lower_edge(TOP + 1 - _STARTS)
_EDGES = np.concatenate([-_UPPER, [0.0, 0.0], _UPPER[::-1]])
_POSITIVE = _lower_edge(np.arange(1, BUCKETS + 1))
_BUCKET_EDGES = np.concatenate([-_POSITIVE[::-1], [0.0, 0.0], _POSITIVE])
"""Of all negative buckets, of the zeros, and of all positive ones."""


def slot_edges(scale: Floats, minimum: Floats, maximum: Floats) -> Floats:
    """float64, (k, `SLOTS` + 1): slot i lies between edges i and i + 1; the zeros between two edges that are 0.

    Args:
        scale: (k,), powers of two that the values were multiplied with.
        minimum: (k,), smallest finite value; NaN where there is none.
        maximum: (k,), largest.
    """
    edges = _EDGES / scale[:, None]
    # Where no float32 scale is small enough, the outermost slots hold all that is beyond them.
    edges[:, 0] = np.fmin(edges[:, 0], minimum)
    edges[:, -1] = np.fmax(edges[:, -1], maximum)
    return edges


def percentiles(
    counts: Integers, edges: Floats, minimum: Floats, maximum: Floats, at: tuple[float, ...] = PERCENTILES
) -> Floats:
    """Percentiles from counts, interpolated within a slot; 0 and 100 are exact.

    The error is at most one slot: 1/16 of the value within 10 octaves of the largest magnitude, a quarter within 18.

    Args:
        counts: int64, (k, n).
        edges: (k, n + 1), ascending.
        minimum: (k,), NaN where a row has no finite value; the result is then NaN too.
        maximum: (k,).
        at: Between 0 and 100.
    """
    cumulative = np.cumsum(counts, axis=1)
    total = cumulative[:, -1:]
    rows, ends = np.arange(len(counts))[:, None], (minimum[:, None], maximum[:, None])
    # Each value holds one unit of rank and sits in its middle, as in numpy's linear percentile.
    rank = np.array(at) / 100.0 * (total - 1) + 0.5
    below = [(cumulative <= of_rows[:, None]).sum(1) for of_rows in rank.T]
    slot = np.minimum(np.stack(below, 1), counts.shape[1] - 1)
    inside = counts[rows, slot]
    share = np.clip((rank - (cumulative[rows, slot] - inside)) / np.maximum(inside, 1), 0.0, 1.0)
    # Slots are cut where the values end, so that no percentile is beyond them.
    low, high = np.clip(edges[rows, slot], *ends), np.clip(edges[rows, slot + 1], *ends)
    result: Floats = low + share * (high - low)
    for percent, end in zip((0.0, 100.0), ends, strict=True):
        if percent in at:
            result[:, at.index(percent)] = end[:, 0]
    result[total[:, 0] == 0] = np.nan
    return result


def total_counts(counts: Integers, scale: Floats) -> tuple[Integers, Floats]:
    """Counts of all rows together over the buckets of float32, with their edges; see `percentiles`.

    Counts in slots wider than a bucket are put into the bucket in the slot's middle.

    Args:
        counts: int64, (k, `SLOTS`).
        scale: As in `slot_edges`.

    Returns:
        int64, (1, 2 * `BUCKETS` + 1), and float64, (1, 2 * `BUCKETS` + 2).
    """
    # The bucket of each slot, as the values were before they were scaled.
    shift = np.frexp(scale)[1].astype(np.int64) - 1
    middle = _STARTS + np.where(_STARTS >= FINE, 2, 0)
    bucket = np.clip(TOP - middle - 16 * shift[:, None], 0, BUCKETS - 1)
    negative, positive = (_sums(bucket, part) for part in (counts[:, :MAGNITUDES], counts[:, :MAGNITUDES:-1]))
    # In the order of the values: negative ones from the largest magnitude on, zeros, positive ones.
    zeros = counts[:, ZERO].sum(keepdims=True)
    return np.concatenate([negative[::-1], zeros, positive])[None], _BUCKET_EDGES[None]


def _sums(bucket: Integers, counts: Integers) -> Integers:
    """How many are in each bucket, (`BUCKETS`,); exact up to 2⁵³."""
    return np.bincount(bucket.ravel(), counts.ravel(), BUCKETS).astype(np.int64)


def without_zeros(counts: Integers, edges: Floats) -> tuple[Integers, Floats]:
    """Counts and edges as views draw them: zeros are in the bin that starts at 0.

    The number of values below each edge is exact. For negative values a slot holds its outer end and not its inner
    one, so the edge that is written there is the next float64 towards 0.

    Args:
        counts: int64, (k, `SLOTS`).
        edges: As of `slot_edges`.

    Returns:
        int64, (k, `SLOTS` - 1), and float64, (k, `SLOTS`).
    """
    inner = np.delete(counts, ZERO, axis=1)
    inner[:, ZERO] += counts[:, ZERO]
    lower = np.delete(edges, ZERO, axis=1)
    return inner, np.where(lower < 0, np.nextafter(lower, 0.0), lower)


def as_counts(counts: Integers, edges: Floats, minimum: float, maximum: float, total: float, squares: float) -> Counts:
    """One row of `without_zeros`, its empty ends cut off."""
    filled = np.flatnonzero(counts)
    if not len(filled):
        return Counts(np.array([0.0, 1.0]), np.zeros(1, np.int64), minimum, maximum, total, squares)
    first, last = filled[0], filled[-1] + 1
    bounds = edges[first : last + 1].copy()
    bounds[0] = min(bounds[0], minimum)
    bounds[-1] = max(bounds[-1], np.nextafter(maximum, np.inf))
    return Counts(bounds, counts[first:last].copy(), minimum, maximum, total, squares)
