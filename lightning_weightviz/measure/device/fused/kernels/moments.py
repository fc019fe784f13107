"""Extremes, power sums and histograms."""

from __future__ import annotations

import triton
import triton.language as tl

from lightning_weightviz.measure import histogram_scheme
from lightning_weightviz.measure.device.fused.kernels.common import finite_or, scale_above
from lightning_weightviz.measure.enqueued import NUMBERS

BUCKETS = tl.constexpr(histogram_scheme.BUCKETS)
FINE = tl.constexpr(histogram_scheme.FINE)
COARSE = tl.constexpr(histogram_scheme.COARSE)
TOP = tl.constexpr(histogram_scheme.TOP)
ZERO = tl.constexpr(histogram_scheme.ZERO)
SLOTS = tl.constexpr(histogram_scheme.SLOTS)
COLUMNS = tl.constexpr(len(NUMBERS))


@triton.jit
def _values_of(rows, DTYPE: tl.constexpr, EVEN: tl.constexpr):
    """Of this program's piece: the first one's place in memory, how many there are, and whose."""
    row = rows + tl.program_id(0).to(tl.int64) * 4
    values = tl.load(row).to(tl.pointer_type(DTYPE))
    count = tl.load(row + 1).to(tl.int32)
    if EVEN:
        values, count = tl.multiple_of(values, 16), tl.multiple_of(count, 16)
    return values, count, tl.load(row + 2), tl.load(row + 3)


@triton.jit
def find_magnitudes(rows, magnitudes, DTYPE: tl.constexpr, EVEN: tl.constexpr, BLOCK: tl.constexpr):
    """The largest finite magnitude of each tensor, as bits: those of floats that are not negative have their order."""
    values, count, owner, _ = _values_of(rows, DTYPE, EVEN)
    largest = tl.zeros([BLOCK], tl.float32)
    for begin in range(0, count, BLOCK):
        place = begin + tl.arange(0, BLOCK)
        value = tl.load(values + place, mask=place < count, other=0).to(tl.float32)
        largest = tl.maximum(largest, finite_or(tl.abs(value), 0.0))
    bits = tl.max(largest, axis=0).to(tl.int32, bitcast=True)
    tl.atomic_max(magnitudes.to(tl.pointer_type(tl.int32)) + owner, bits)


@triton.jit
def _slots_of(scaled):
    """As `lightning_weightviz.measure.device.slots.slots`, of finite values."""
    bits = scaled.to(tl.int32, bitcast=True)
    below = tl.maximum(TOP - ((bits >> 19) & (BUCKETS - 1)), 0)
    coarse = tl.minimum(tl.maximum((below - FINE) >> 2, 0), COARSE) + FINE
    magnitude = tl.minimum(below, coarse)
    slot = tl.where(bits < 0, magnitude, SLOTS - 1 - magnitude)
    return tl.where(scaled == 0.0, ZERO, slot)


@triton.jit
def find_sums(
    rows,
    magnitudes,
    numbers,
    counts,
    DTYPE: tl.constexpr,
    EVEN: tl.constexpr,
    BLOCK: tl.constexpr,
    BINS: tl.constexpr,
):
    """The numbers of one piece, and its share of the tensor's counts."""
    values, count, owner, number = _values_of(rows, DTYPE, EVEN)
    scale = scale_above(tl.load(magnitudes + owner))
    # The mean first, so that the sums of powers are of what lies around 0.
    total = tl.zeros([BLOCK], tl.float32)
    finite = tl.zeros([BLOCK], tl.int32)
    nans = tl.zeros([BLOCK], tl.int32)
    low = tl.full([BLOCK], float("inf"), tl.float32)
    high = tl.full([BLOCK], float("-inf"), tl.float32)
    for begin in range(0, count, BLOCK):
        place = begin + tl.arange(0, BLOCK)
        # What is not there counts as infinite, as that is neither a finite value nor a NaN.
        value = tl.load(values + place, mask=place < count, other=float("inf")).to(tl.float32)
        is_finite = tl.abs(value) < float("inf")
        total += tl.where(is_finite, value * scale, 0.0)
        finite += is_finite.to(tl.int32)
        nans += (value != value).to(tl.int32)
        low = tl.minimum(low, tl.where(is_finite, value, float("inf")))
        high = tl.maximum(high, tl.where(is_finite, value, float("-inf")))
    found = tl.sum(finite, axis=0)
    shift = tl.sum(total, axis=0) / tl.maximum(found, 1).to(tl.float32)
    s1 = tl.zeros([BLOCK], tl.float32)
    s2 = tl.zeros([BLOCK], tl.float32)
    s3 = tl.zeros([BLOCK], tl.float32)
    s4 = tl.zeros([BLOCK], tl.float32)
    histogram = tl.zeros([BINS], tl.int32)
    for begin in range(0, count, BLOCK):
        place = begin + tl.arange(0, BLOCK)
        inside = place < count
        value = tl.load(values + place, mask=inside, other=float("inf")).to(tl.float32)
        is_finite = tl.abs(value) < float("inf")
        scaled = tl.where(is_finite, value * scale, 0.0)
        slot = tl.where(is_finite, _slots_of(scaled), SLOTS)
        histogram += tl.histogram(tl.where(inside, slot, BINS - 1), BINS)
        first = tl.where(is_finite, scaled - shift, 0.0)
        second = first * first
        s1 += first
        s2 += second
        s3 += second * first
        s4 += second * second
    row = numbers + tl.program_id(0).to(tl.int64) * COLUMNS
    tl.store(row, found.to(tl.float64))
    tl.store(row + 1, tl.sum(nans, axis=0).to(tl.float64))
    tl.store(row + 2, tl.min(low, axis=0).to(tl.float64))
    tl.store(row + 3, tl.max(high, axis=0).to(tl.float64))
    tl.store(row + 4, scale.to(tl.float64))
    tl.store(row + 5, shift.to(tl.float64))
    tl.store(row + 6, tl.sum(s1.to(tl.float64), axis=0))
    tl.store(row + 7, tl.sum(s2.to(tl.float64), axis=0))
    tl.store(row + 8, tl.sum(s3.to(tl.float64), axis=0))
    tl.store(row + 9, tl.sum(s4.to(tl.float64), axis=0))
    bins = tl.arange(0, BINS)
    tl.atomic_add(counts + number * (SLOTS + 1) + bins, histogram.to(tl.int64), mask=(bins <= SLOTS) & (histogram > 0))
