"""Histograms over the bits of floats: the same edges for every tensor, epoch and rank, found in one pass.

A float's sign, exponent and first four mantissa bits name its *bucket*: sixteen buckets an octave. For the copy the
buckets become *slots* relative to the octave of the largest magnitude: 10 octaves of 16 slots, 8 octaves of 4, and one
slot for all that is smaller, for each sign; one slot for zeros.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from lightning_weightviz.measure.device.memory_order import power_above
from lightning_weightviz.snapshot import PERCENTILES, Counts

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

BUCKETS = 4096
"""Buckets of one sign: 256 exponents of float32 times 16."""
_FINE = 10 * 16
_COARSE = 8 * 4
MAGNITUDES = _FINE + _COARSE + 1
"""Slots of one sign; number 0 is the largest magnitudes, the last is all that is near 0."""
ZERO = MAGNITUDES
"""The slot of exact zeros, after the negative ones and before the positive ones."""
SLOTS = 2 * MAGNITUDES + 1
"""Slots of finite values, in the order of the values."""
_TOP = 127 * 16 + 15
"""The last bucket below 2: that of the largest magnitudes, once scaled to [1, 2)."""


def _magnitude_slot(below: Tensor) -> Tensor:
    """Slots of magnitudes that are so many buckets below the top."""
    below = below.clamp(min=0)
    return torch.minimum(below, ((below - _FINE) >> 2).clamp_(0, _COARSE) + _FINE)


def slots(scaled: Tensor, finite: Tensor) -> Tensor:
    """The slot of each value, int32; `SLOTS` where it is not finite.

    Args:
        scaled: float32 or float64, (k, n), times a power of two that brings the largest magnitude to [1, 2).
        finite: bool, which of them are.
    """
    if scaled.dtype == torch.float64:
        bits = scaled.view(torch.int64)
        # The exponents of float64 with float32's bias; what is far below 1 is near 0 in any case.
        bucket = (((bits >> 48) & 0x7FFF) - (1023 - 127) * 16).clamp_(0, BUCKETS - 1).to(torch.int32)
    else:
        bits = scaled.view(torch.int32)
        bucket = (bits >> 19) & (BUCKETS - 1)
    slot = _magnitude_slot(_TOP - bucket)
    slot = torch.where(bits < 0, slot, SLOTS - 1 - slot)
    slot = torch.where(scaled == 0, ZERO, slot)
    return torch.where(finite, slot, SLOTS)


def count_slots(slot: Tensor) -> Tensor:
    """Counts of each row's slots, int64, (k, `SLOTS` + 1), without asking the device for a size.

    Neighbours add into different copies of the table, so that equal values do not queue for one address.
    """
    rows, columns = slot.shape
    copies = 16 if columns >= 1 << 16 else 1
    table = SLOTS + 1
    start = torch.arange(rows, device=slot.device).mul_(copies * table).unsqueeze(1)
    copy = torch.arange(columns, device=slot.device).remainder_(copies).mul_(table)
    index = (start + copy).add_(slot).view(-1)
    counts = torch.zeros(rows * copies * table, dtype=torch.int64, device=slot.device)
    counts.scatter_add_(0, index, torch.ones((), dtype=torch.int64, device=slot.device).expand(index.shape))
    return counts.view(rows, copies, table).sum(1)


def bucket_counts(values: npt.NDArray[np.float32], scratch: npt.NDArray[np.float32]) -> Tensor:
    """Counts of float32 values by sign and bucket, int64, (2 * `BUCKETS`,), the positive ones first; host only.

    Three times as fast as `count_slots`, but ``bincount`` makes a device wait.

    Args:
        values: (n,).
        scratch: (n,), overwritten.
    """
    # numpy shifts unsigned numbers, so that no sign needs to be taken off; torch counts twice as fast.
    buckets = np.right_shift(values.view(np.uint32), 19, out=scratch.view(np.uint32))
    return torch.bincount(torch.from_numpy(buckets.view(np.int32)), minlength=2 * BUCKETS)


def fold(buckets: Tensor, magnitudes: Tensor) -> tuple[Tensor, Tensor]:
    """Brings `bucket_counts` of finite values to slots.

    Args:
        buckets: int64, (k, 2 * `BUCKETS`); the first bucket of each sign holds zeros alone.
        magnitudes: float32, (k,), the largest of each row, normal numbers.

    Returns:
        Counts, int64, (k, `SLOTS` + 1), and the scale of each row as `slots` would have had it, float32, (k,).
    """
    tops = magnitudes.view(torch.int32).unsqueeze(1) >> 23
    slot = _magnitude_slot(tops * 16 + 15 - torch.arange(BUCKETS, dtype=torch.int32)).to(torch.int64)
    positive, negative = SLOTS - 1 - slot, slot
    positive[:, 0] = negative[:, 0] = ZERO
    folded = torch.zeros(len(buckets), SLOTS + 1, dtype=torch.int64)
    return folded.scatter_add_(1, torch.cat([positive, negative], 1), buckets), power_above(magnitudes)


_STARTS = np.concatenate([np.arange(_FINE), np.arange(_FINE, _FINE + 4 * _COARSE + 1, 4)])
"""How many buckets below the top each magnitude slot starts."""


def _lower_edge(bucket: Integers) -> Floats:
    """The smallest magnitude of each bucket."""
    edge: Floats = np.ldexp(1.0 + (bucket & 15) / 16.0, (bucket >> 4) - 127)
    return edge


_UPPER = _lower_edge(_TOP + 1 - _STARTS)
_EDGES = np.concatenate([-_UPPER, [0.0, 0.0], _UPPER[::-1]])


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
    total = counts.sum(1)
    cumulative = np.cumsum(counts, axis=1)
    rows = np.arange(len(counts))
    low = np.clip(edges[:, :-1], minimum[:, None], maximum[:, None])
    high = np.clip(edges[:, 1:], minimum[:, None], maximum[:, None])
    result = np.empty((len(counts), len(at)))
    for column, percent in enumerate(at):
        # Each value holds one unit of rank and sits in its middle, as in numpy's linear percentile.
        rank = percent / 100.0 * (total - 1) + 0.5
        slot = np.minimum((cumulative <= rank[:, None]).sum(1), counts.shape[1] - 1)
        inside = np.maximum(counts[rows, slot], 1)
        share = np.clip((rank - (cumulative[rows, slot] - counts[rows, slot])) / inside, 0.0, 1.0)
        value = low[rows, slot] + share * (high[rows, slot] - low[rows, slot])
        result[:, column] = minimum if percent == 0 else maximum if percent == 100 else value
    result[total == 0] = np.nan
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
    shift = np.frexp(scale)[1].astype(np.int64) - 1
    middle = _STARTS + np.where(_STARTS >= _FINE, 2, 0)
    bucket = np.clip(_TOP - middle - 16 * shift[:, None], 0, BUCKETS - 1)
    negative, positive = np.zeros((2, BUCKETS), np.int64)
    np.add.at(negative, bucket, counts[:, :MAGNITUDES])
    np.add.at(positive, bucket, counts[:, :MAGNITUDES:-1])
    zeros = counts[:, ZERO].sum(keepdims=True)
    upper = _lower_edge(np.arange(BUCKETS + 1))
    edges = np.concatenate([-upper[::-1], upper])
    edges[BUCKETS : BUCKETS + 2] = 0.0
    return np.concatenate([negative[::-1], zeros, positive])[None], edges[None]


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
