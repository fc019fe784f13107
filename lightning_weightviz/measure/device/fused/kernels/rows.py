"""Norms of rows."""

from __future__ import annotations

import triton
import triton.language as tl

from lightning_weightviz.measure.device.fused.kernels.common import finite_or, scale_above


@triton.jit
def find_row_norms(
    rows,
    magnitudes,
    norms,
    squares,
    DTYPE: tl.constexpr,
    EVEN: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    """Norms of some rows of one matrix."""
    line = rows + tl.program_id(0).to(tl.int64) * 6
    values = tl.load(line).to(tl.pointer_type(DTYPE))
    count = tl.load(line + 1)
    columns = tl.load(line + 2)
    stride = tl.load(line + 3)
    if EVEN:
        values, stride, columns = tl.multiple_of(values, 16), tl.multiple_of(stride, 16), tl.multiple_of(columns, 16)
    scale = scale_above(tl.load(magnitudes + tl.load(line + 4)))
    row = tl.arange(0, ROWS)
    of_all = tl.zeros([ROWS, COLUMNS], tl.float32)
    of_finite = tl.zeros([ROWS, COLUMNS], tl.float32)
    for begin in range(0, columns, COLUMNS):
        column = begin + tl.arange(0, COLUMNS)
        there = (row < count)[:, None] & (column < columns)[None, :]
        value = tl.load(values + row[:, None] * stride + column[None, :], mask=there, other=0).to(tl.float32)
        square = value * scale * (value * scale)
        of_all += square
        of_finite += finite_or(square, 0.0)
    start = tl.load(line + 5)
    tl.store(norms + start + row, tl.sqrt(tl.sum(of_all, axis=1)), mask=row < count)
    tl.store(squares + start + row, tl.sum(of_finite, axis=1), mask=row < count)
