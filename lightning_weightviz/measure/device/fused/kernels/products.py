"""Products with WᵀW."""

from __future__ import annotations

import triton
import triton.language as tl

from lightning_weightviz.measure.device.fused.kernels.common import finite_or, scale_above


@triton.jit
def _read(values, long, short, count, length, stride, scale, ALONG_COLUMNS: tl.constexpr):
    """A tile of the matrix, (long, short), in its scale, 0 for what is not finite."""
    if ALONG_COLUMNS:
        place = long[:, None] * stride + short[None, :]
    else:
        place = long[:, None] + short[None, :] * stride
    there = (long < count)[:, None] & (short < length)[None, :]
    value = tl.load(values + place, mask=there, other=0).to(tl.float32)
    return finite_or(value, 0.0) * scale


@triton.jit(do_not_specialize=["pitch"])
def multiply(
    rows,
    magnitudes,
    vectors,
    pitch,
    parts,
    DTYPE: tl.constexpr,
    EVEN: tl.constexpr,
    ALONG_COLUMNS: tl.constexpr,
    LONG: tl.constexpr,
    SHORT: tl.constexpr,
):
    """What some rows of a tall matrix add to WᵀW v: these rows times v, and then they themselves times that."""
    line = rows + tl.program_id(0).to(tl.int64) * 7
    values = tl.load(line).to(tl.pointer_type(DTYPE))
    count = tl.load(line + 1)
    length = tl.load(line + 2)
    stride = tl.load(line + 3)
    if EVEN:
        values, stride = tl.multiple_of(values, 16), tl.multiple_of(stride, 16)
        if ALONG_COLUMNS:
            length = tl.multiple_of(length, 16)
        else:
            count = tl.multiple_of(count, 16)
    scale = scale_above(tl.load(magnitudes + tl.load(line + 4)))
    vector = vectors + tl.load(line + 5) * pitch
    part = parts + tl.load(line + 6)
    long = tl.arange(0, LONG)
    products = tl.zeros([LONG, SHORT], tl.float32)
    for begin in range(0, length, SHORT):
        short = begin + tl.arange(0, SHORT)
        tile = _read(values, long, short, count, length, stride, scale, ALONG_COLUMNS)
        products += tile * tl.load(vector + short, mask=short < length, other=0.0)[None, :]
    inside = tl.sum(products, axis=1)
    # The same memory again, which is still in cache.
    for begin in range(0, length, SHORT):
        short = begin + tl.arange(0, SHORT)
        tile = _read(values, long, short, count, length, stride, scale, ALONG_COLUMNS)
        tl.store(part + short, tl.sum(tile * inside[:, None], axis=0), mask=short < length)


@triton.jit
def add_parts(rows, parts, products, ADDED: tl.constexpr, WIDE: tl.constexpr):
    """The sums of some numbers over all parts of a matrix, always in the same order."""
    line = rows + tl.program_id(0).to(tl.int64) * 5
    first = parts + tl.load(line)
    count = tl.load(line + 1)
    width = tl.load(line + 2)
    apart = tl.load(line + 3)
    place = tl.arange(0, WIDE)
    total = tl.zeros([ADDED, WIDE], tl.float32)
    for begin in range(0, count, ADDED):
        part = begin + tl.arange(0, ADDED)
        there = (part < count)[:, None] & (place < width)[None, :]
        total += tl.load(first + part[:, None] * apart + place[None, :], mask=there, other=0.0)
    tl.store(products + tl.load(line + 4) + place, tl.sum(total, axis=0), mask=place < width)
