"""Pictures: a matrix pooled to at most so many cells an axis, with the norms of its rows and columns.

The outer block dimension is reduced first, along whole rows, then the inner one on the smaller result.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from lightning_weightviz.measure.device import accumulator, looks
from lightning_weightviz.measure.layout import widen

HOST_BAND = 1 << 18
"""Elements that are pooled at a time on the host, where what comes between stays in cache."""
STREAM_BAND = 1 << 24
"""The same elsewhere: few launches."""


class Blocks:
    """The partition of an axis in which element i falls into cell ``i * cells // length``.

    Attributes:
        cells: Number of cells.
        most: Elements in the largest one.
        uniform: Whether all cells have as many.
        index: int64, (cells, most): their elements, the last one repeated where there are fewer.
        real: bool, (cells, most): which are not such a repetition.
    """

    def __init__(self, length: int, limit: int, device: torch.device) -> None:
        self.cells = min(limit, length)
        self.most = -(-length // self.cells)
        self.uniform = length % self.cells == 0
        bounds = (torch.arange(self.cells + 1, device=device) * length + self.cells - 1) // self.cells
        index = bounds[:-1, None] + torch.arange(self.most, device=device)
        self.real = index < bounds[1:, None]
        # Where it is faster: numpy reduces uneven cells in place, and long ones.
        uses_numpy = looks(device) and (not self.uniform or self.most > 64)
        self._starts = bounds[:-1].numpy() if uses_numpy else None
        self.index = torch.minimum(index, bounds[1:, None] - 1)

    def gather(self, values: Tensor, first: int, last: int) -> Tensor:
        """The rows of cells first to last, (last - first, most, columns); a view where the cells are uniform."""
        if self.uniform:
            return values[first * self.most : last * self.most].view(last - first, self.most, -1)
        return values[self.index[first:last]]

    def maximum(self, values: Tensor) -> Tensor:
        """The largest of each row's elements in each cell, (rows, cells); NaN where there is one."""
        if self.most == 1:
            return values
        if self._starts is not None:
            return torch.from_numpy(np.maximum.reduceat(values.numpy(), self._starts, axis=1))
        # The pooling kernel is three times as fast here as a reduction over short rows.
        spread = values if self.uniform else values[:, self.index].flatten(1)
        return torch.nn.functional.max_pool1d(spread.unsqueeze(1), self.most).squeeze(1)

    def sum(self, values: Tensor) -> Tensor:
        """The sum of each row's elements in each cell, (rows, cells)."""
        if self.most == 1:
            return values
        if self._starts is not None:
            return torch.from_numpy(np.add.reduceat(values.numpy(), self._starts, axis=1))
        if self.uniform:
            return values.view(-1, self.cells, self.most).sum(2)
        return torch.where(self.real, values[:, self.index], 0).sum(2)


def pool(values: Tensor, limit: int, scale: Tensor | None) -> dict[str, Tensor]:
    """A picture's arrays; see `lightning_weightviz.snapshot.Picture`.

    Args:
        values: (rows, columns), any float dtype, at least one element.
        limit: Most cells an axis.
        scale: A power of two, 0-d, that brings the largest finite magnitude near 1; None where all values are known
            to be finite and their squares to fit float32.

    Returns:
        ``extreme`` and ``rms``, float32, (h, w), ``row_norms``, float32, (h, 2), and ``column_norms``, float32,
        (w, 2).
    """
    rows = Blocks(values.shape[0], limit, values.device)
    columns = Blocks(values.shape[1], limit, values.device)
    extremes, squares, counts, row_squares = [], [], [], []
    column_squares = torch.zeros(values.shape[1], dtype=accumulator(values.device), device=values.device)
    elements = HOST_BAND if looks(values.device) else STREAM_BAND
    step = max(1, elements // (values.shape[1] * rows.most))
    for first in range(0, rows.cells, step):
        last = min(first + step, rows.cells)
        band = widen(rows.gather(values, first, last))
        real = None if rows.uniform else rows.real[first:last].unsqueeze(2)
        if scale is None:
            squared = band * band if real is None else band * band * real
        else:
            counted = band.isfinite() if real is None else band.isfinite() & real
            scaled = torch.where(counted, band * scale, 0.0)
            squared = scaled * scaled
            counts.append(columns.sum(counted.sum(1)))
        extremes.append(_extreme(band, columns))
        row_squares.append(squared.sum(2))
        outer = squared.sum(1) if rows.most > 1 else squared[:, 0]
        squares.append(columns.sum(outer))
        column_squares = column_squares + outer.sum(0)
    cells = rows.real.sum(1).unsqueeze(1) * columns.real.sum(1)
    finite = cells if scale is None else torch.cat(counts)
    unscale = 1.0 if scale is None else 1.0 / scale
    # A block without a finite value has no root mean square: 0 / 0 is the NaN that says so.
    rms = (torch.cat(squares) / finite).sqrt() * unscale
    return {
        "extreme": _narrow(torch.cat(extremes)),
        "rms": _narrow(rms),
        "row_norms": _narrow(_norm_range(torch.cat(row_squares), rows.real) * unscale),
        "column_norms": _narrow(_norm_range(column_squares[columns.index], columns.real) * unscale),
    }


def pool_extreme(values: Tensor, limit: int) -> Tensor:
    """Only ``extreme`` of `pool`, of float32 or float64."""
    rows, columns = (Blocks(length, limit, values.device) for length in values.shape)
    return _extreme(rows.gather(values, 0, rows.cells), columns)


def _extreme(band: Tensor, columns: Blocks) -> Tensor:
    """Of each block of a band, (cells, most, columns), the value farthest from 0; a NaN comes through both ways."""
    single = band.shape[1] == 1
    high, low = (band[:, 0], band[:, 0]) if single else (band.amax(1), band.amin(1))
    highest, lowest = columns.maximum(high), -columns.maximum(-low)
    return torch.where(highest >= -lowest, highest, lowest)


def _norm_range(squares: Tensor, real: Tensor) -> Tensor:
    """Smallest and largest norm of each cell's members, (cells, 2), from their squared norms, (cells, most)."""
    norms = torch.where(real, squares, squares[:, :1]).sqrt()
    return torch.stack([norms.amin(1), norms.amax(1)], 1)


def _narrow(values: Tensor) -> Tensor:
    """As float32, where a finite value stays finite."""
    if values.dtype == torch.float32:
        return values
    bound = torch.finfo(torch.float32).max
    return torch.where(values.isfinite(), values.clamp(-bound, bound), values).to(torch.float32)
