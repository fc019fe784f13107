"""What is summed of one rectangle of a matrix whose others are elsewhere, so that sums and maxima make up the whole.

Extremes come first, as sums are taken in the scale that follows from the largest magnitude of the whole parameter.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from lightning_weightviz.measure.device.abilities import looks
from lightning_weightviz.measure.device.memory_order import flat, row_blocks
from lightning_weightviz.measure.device.moments import HOST_PIECE, STREAM_PIECE
from lightning_weightviz.measure.device.pooling import narrow
from lightning_weightviz.measure.device.row_sums import extremes_of
from lightning_weightviz.measure.device.scaling import widen, widened
from lightning_weightviz.measure.device.slots import count_slots, slots
from lightning_weightviz.measure.device.units import BLOCK, HOST_BLOCK
from lightning_weightviz.measure.parts import Part

_INFINITE = 1e200
"""Stands for an infinity where maxima are taken: more than every float32."""
_NOT_A_NUMBER = 1e300
"""Stands for a NaN, which comes through every maximum and every minimum."""


def bounds(part: Part) -> Tensor:
    """Largest finite value and the largest finite value times -1, float64, (2,); -Inf where there is none."""
    found = [torch.cat(extremes_of(widen(piece).unsqueeze(0))) for piece in _pieces(part)]
    low, high = torch.stack(found).unbind(1)
    return torch.stack([high.amax(), (-low).amax()]).to(torch.float64)


def both_ways(extreme: Tensor) -> Tensor:
    """Extremes of cells as two maps whose maxima over all rectangles hold the extremes of all, float64, (2, h, w)."""
    values = narrow(extreme).to(torch.float64)
    values = torch.where(values.isinf(), values.sign() * _INFINITE, values)
    return torch.where(values.isnan(), _NOT_A_NUMBER, torch.stack([values, -values]))


def from_both_ways(maps: Tensor) -> Tensor:
    """The inverse of `both_ways`, (h, w)."""
    high, low = maps
    values = torch.where(high >= low, high, -low)
    values = torch.where(values.abs() >= _INFINITE, values.sign() * torch.inf, values)
    return torch.where(high >= _NOT_A_NUMBER, torch.nan, values)


def counts(part: Part, scale: Tensor, counted: Tensor, sums: Tensor) -> None:
    """Adds to the counts of slots, (`SLOTS` + 1,), and to finite values, NaNs and the scaled values' sum, (3,)."""
    for piece in _pieces(part):
        row = widen(piece).unsqueeze(0)
        finite = row.isfinite()
        scaled = torch.where(finite, row * scale, 0.0)
        counted += count_slots(slots(row * scale))[0]
        sums += torch.stack([finite.sum(), row.isnan().sum(), scaled.sum(dtype=torch.float64)])


def powers(part: Part, scale: Tensor, shift: Tensor, sums: Tensor) -> None:
    """Adds the first four powers of the scaled finite values less `shift`, (4,)."""
    for piece in _pieces(part):
        row = widen(piece)
        first = torch.where(row.isfinite(), row * scale - shift, 0.0)
        second = first * first
        of_each = (first, second, second * first, second * second)
        sums += torch.stack([power.sum(dtype=torch.float64) for power in of_each])


def row_squares(part: Part, scale: Tensor, broken: Tensor, finite: Tensor) -> None:
    """Adds the squares of each row.

    Args:
        part: The rectangle.
        scale: Of the parameter.
        broken: (rows of the matrix,): NaN comes to each row that holds a value that is not finite.
        finite: 0-d: gets the squares of all finite values, in broken rows too.
    """
    start = part.row
    for block in _rows(part):
        wide = widen(block)
        is_finite = wide.isfinite()
        scaled = torch.where(is_finite, wide * scale, 0.0)
        squares = (scaled * scaled).sum(1, dtype=torch.float64)
        finite += squares.sum()
        broken[start : start + len(block)] += torch.where(is_finite.all(1), squares, torch.nan)
        start += len(block)


def column_squares(part: Part, scale: Tensor, broken: Tensor) -> None:
    """Adds the squares of each column, (columns of the matrix,); NaN comes to those with a value that is not finite."""
    columns = broken[slice(*part.columns)]
    for block in _rows(part):
        wide = widen(block)
        finite = wide.isfinite()
        scaled = torch.where(finite, wide * scale, 0.0)
        squares = (scaled * scaled).sum(0, dtype=torch.float64)
        columns += torch.where(finite.all(0), squares, torch.nan)


def column_totals(part: Part, scale: Tensor, totals: Tensor) -> None:
    """Adds the finite values of each column, scaled, (columns of the matrix,)."""
    columns = totals[slice(*part.columns)]
    for block in _rows(part):
        columns += _scaled(block, scale).sum(0, dtype=torch.float64)


def centred_squares(part: Part, scale: Tensor, centre: Tensor, squares: Tensor) -> None:
    """Adds the squares of each row's distance from the centre, scaled, (columns of the matrix,), to (rows,)."""
    start, middle = part.row, centre[slice(*part.columns)]
    for block in _rows(part):
        apart = _scaled(block, scale) - middle.to(widened(block.dtype))
        squares[start : start + len(block)] += (apart * apart).sum(1, dtype=torch.float64)
        start += len(block)


def _scaled(values: Tensor, scale: Tensor) -> Tensor:
    """As sums take them: 0 for what is not finite."""
    wide = widen(values)
    return torch.where(wide.isfinite(), wide * scale, 0.0)


def _rows(part: Part) -> Iterator[Tensor]:
    return row_blocks(part.values, HOST_BLOCK if looks(part.values.device) else BLOCK)


def _pieces(part: Part) -> tuple[Tensor, ...]:
    values = part.values
    elements = HOST_PIECE if looks(values.device) else STREAM_PIECE
    if values.is_contiguous():
        return tuple(flat(values).split(elements))
    # Of columns alone no vector is a view; rows are copied a piece at a time.
    return tuple(block.reshape(-1) for block in row_blocks(values, elements))
