"""What is reduced of a matrix for its picture: extremes and sums of its cells, and sums of its rows and columns.

The outer block dimension is reduced first, along whole rows, then the inner one on the smaller result.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import reduce

import torch
from torch import Tensor

from lightning_weightviz.measure.device.abilities import accumulator, looks
from lightning_weightviz.measure.device.cells import Blocks, Cut, cut_of
from lightning_weightviz.measure.device.scaling import scale_of, widen

HOST_BAND = 1 << 18
"""Elements that are pooled at a time on the host, where what comes between stays in cache."""
STREAM_BAND = 1 << 24
"""The same elsewhere: few launches."""


@dataclass(frozen=True)
class Columns:
    """The columns of a matrix.

    Attributes:
        squares: Sums of the squares of each one's finite values, times the scale's square, (columns,).
        counts: How many these are, (columns,); None: all.
        rows: Of the matrix.
    """

    squares: Tensor
    counts: Tensor | None
    rows: int

    @property
    def whole(self) -> Tensor | None:
        """bool, (columns,), which columns hold finite values alone; None: all."""
        return None if self.counts is None else self.counts == self.rows


@dataclass(frozen=True)
class CellSums:
    """What is reduced of a matrix, in its scale; of some of its rows or columns it can be added up to the whole.

    Attributes:
        highest: The largest value of each cell, (h, w), in the scale of the weights; NaN where there is one.
        lowest: The smallest.
        squares: Of the finite values in each cell, (h, w).
        row_squares: Of all values of each row, (h, most): not finite where one of them is not.
        column_squares: Of the finite values of each column, (columns,).
        finite: How many values of each cell are finite, (h, w); None: all.
        column_counts: How many values of each column are, (columns,); None: all.
        kernel_highest: The largest of the sums of the kernels in each cell, (h, w); None: not of kernels.
        kernel_lowest: The smallest.
        totals: Sums of each cell, (h, w); None: not asked for.
    """

    highest: Tensor
    lowest: Tensor
    squares: Tensor
    row_squares: Tensor
    column_squares: Tensor
    finite: Tensor | None = None
    column_counts: Tensor | None = None
    kernel_highest: Tensor | None = None
    kernel_lowest: Tensor | None = None
    totals: Tensor | None = None


def cell_sums(values: Tensor, cut: Cut, scale: Tensor | None, *, mean: bool) -> CellSums:
    """Reduces a matrix, or a rectangle of one; arguments as of `lightning_weightviz.measure.device.pooling.pool`."""
    rows, columns, kernel = cut.rows, cut.columns, cut.kernel
    wide = accumulator(values.device)
    counting = torch.int32 if values.numel() < 1 << 31 else torch.int64
    # Rows of cells, a band at a time: what falls into the same row of cells is put together first.
    found: list[dict[str, Tensor]] = []
    for first in range(0, rows.cells, step := _rows_of_cells(values, rows)):
        last = min(first + step, rows.cells)
        absent = None if rows.uniform else rows.absent[first:last].unsqueeze(2)
        band = widen(rows.gather(values, first, last))
        of_band: dict[str, Tensor] = {}
        found.append(of_band)
        of_band["highest"], of_band["lowest"] = _extremes(band, columns)
        # Squares in the scale in which they fit float32: what is not finite has none that is.
        scaled = band if scale is None else band * scale
        squared = scaled * scaled
        of_band["row_squares"] = squared.sum(2)
        if absent is not None:
            squared.masked_fill_(absent, 0.0 if scale is None else math.inf)
        if scale is not None:
            counts = (squared < math.inf).sum(1, dtype=counting)
            of_band["finite"], of_band["column_counts"] = columns.sum(counts), counts.sum(0, dtype=counting)
            squared.nan_to_num_(0, 0, 0)
        outer = squared.sum(1) if rows.most > 1 else squared[:, 0]
        of_band["squares"], of_band["column_squares"] = columns.sum(outer), outer.sum(0)
        if mean:
            whole = scaled if absent is None else scaled.masked_fill(absent, 0.0)
            # Wide, so that they do not depend on the order: changes are told from means that hardly differ.
            of_band["totals"] = columns.sum(whole.sum(1, dtype=wide))
        if kernel > 1:
            of_band["kernel_highest"], of_band["kernel_lowest"] = _extremes(_kernel_sums(scaled, kernel), cut.channels)
    return CellSums(**{key: _together(key, [one[key] for one in found], wide) for key in found[0]})


def _together(key: str, parts: list[Tensor], wide: torch.dtype) -> Tensor:
    """What was found in all bands: the sums of columns are added up, all else lies one below the other."""
    if len(parts) == 1:
        return parts[0]
    if key == "column_squares":
        return reduce(torch.add, parts[1:], parts[0].to(wide))
    return reduce(torch.add, parts) if key == "column_counts" else torch.cat(parts)


def cell_extremes(values: Tensor, cut: Cut) -> tuple[Tensor, Tensor | None]:
    """Of each cell the value farthest from 0, and the same of sums of kernels, float64; None: no kernels."""
    extremes, sums = [], []
    # Any power of two will do, as it changes no digit.
    scale = scale_of(values) if cut.kernel > 1 else torch.ones((), dtype=torch.float32, device=values.device)
    for first in range(0, cut.rows.cells, step := _rows_of_cells(values, cut.rows)):
        band = widen(cut.rows.gather(values, first, min(first + step, cut.rows.cells)))
        extremes.append(farthest(*_extremes(band, cut.columns)))
        if cut.kernel > 1:
            farthest_sums = farthest(*_extremes(_kernel_sums(band * scale, cut.kernel), cut.channels))
            sums.append(farthest_sums.to(torch.float64) / scale)
    return torch.cat(extremes), torch.cat(sums) if sums else None


def pool_extreme(values: Tensor, limit: int) -> Tensor:
    """The value farthest from 0 of each cell of a float32 or float64 matrix of at most `limit` cells an axis."""
    cut = cut_of((values.shape[0], values.shape[1]), (limit, limit), values.device)
    return farthest(*_extremes(cut.rows.gather(values, 0, cut.rows.cells), cut.columns))


def _rows_of_cells(values: Tensor, rows: Blocks) -> int:
    """How many are reduced at a time."""
    elements = HOST_BAND if looks(values.device) else STREAM_BAND
    return max(1, elements // (values.shape[1] * rows.most))


def _kernel_sums(band: Tensor, kernel: int) -> Tensor:
    """The sums of kernels, (cells, most, channels), from (cells, most, columns)."""
    kernels: Tensor = band.unflatten(2, (-1, kernel))
    return kernels.sum(3)


def _extremes(band: Tensor, columns: Blocks) -> tuple[Tensor, Tensor]:
    """Largest and smallest value of each block of a band, (cells, most, columns); a NaN comes through both ways."""
    if looks(band.device):
        if band.shape[1] > 1:
            return columns.extremes(band.amax(1), band.amin(1))
        single = band[:, 0]
        return columns.extremes(single, single)
    if columns.uniform:
        spread = columns.spread(band)
        return spread.amax((1, 3)), spread.amin((1, 3))
    return columns.spread(band.amax(1)).amax(2), columns.spread(band.amin(1)).amin(2)


def farthest(highest: Tensor, lowest: Tensor) -> Tensor:
    """Of the largest and the smallest value the one farthest from 0."""
    return torch.where(highest >= -lowest, highest, lowest)
