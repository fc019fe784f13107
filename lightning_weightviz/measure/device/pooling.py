"""Pictures: a matrix pooled to at most so many cells an axis, with the norms of its rows and columns.

The outer block dimension is reduced first, along whole rows, then the inner one on the smaller result.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from lightning_weightviz.measure.device.abilities import accumulator, looks
from lightning_weightviz.measure.device.scaling import finite_of, scale_of, widen

HOST_BAND = 1 << 18
"""Elements that are pooled at a time on the host, where what comes between stays in cache."""
STREAM_BAND = 1 << 24
"""The same elsewhere: few launches."""


class Blocks:
    """The partition of an axis in which element i falls into cell ``i * cells // length``.

    Args:
        length: Of the axis.
        limit: Most cells.
        device: Of the values.
        unit: So many neighbours are one element, which no cell divides; `length` is a multiple of it.
        here: Where only a stretch of the axis is there, its first element and the one behind its last, multiples of
            `unit`: the cells are those that it reaches into.

    Attributes:
        first: Which cell of the whole axis is the first one.
        cells: Number of cells.
        most: Elements in the largest one.
        uniform: Whether all cells have as many.
        real: bool, (cells, most): which elements are not repetitions, where a cell has fewer than `most`.
    """

    def __init__(
        self, length: int, limit: int, device: torch.device, unit: int = 1, here: tuple[int, int] | None = None
    ) -> None:
        count = length // unit
        whole = min(limit, count)
        start, end = (0, count) if here is None else (here[0] // unit, here[1] // unit)
        self.first = start * whole // count
        self.cells = (end - 1) * whole // count + 1 - self.first
        # Cells differ in length by one at most, and those at the ends of a stretch may be cut.
        sizes = np.diff(np.clip(-(-np.arange(self.first, self.first + self.cells + 1) * count // whole), start, end))
        self.most = int(sizes.max()) * unit
        self.uniform = bool((sizes == sizes[0]).all())
        bound = torch.arange(self.first, self.first + self.cells + 1, dtype=torch.int64, device=device)
        self._bounds = (((bound * count + whole - 1) // whole).clamp(start, end) - start) * unit
        self._offset = torch.arange(self.most, dtype=torch.int64, device=device)
        self.real = self._offset < self._bounds.diff().unsqueeze(1)
        # Where it is faster: numpy reduces uneven cells in place, and long ones.
        uses_numpy = looks(device) and (not self.uniform or self.most > 64)
        self._starts = self._bounds[:-1].numpy() if uses_numpy else None
        self._index: Tensor | None = None

    def index(self, first: int, last: int) -> Tensor:
        """The elements of cells first to last, int64, (last - first, most), the last repeated where they are fewer."""
        starts, ends = self._bounds[first:last, None], self._bounds[first + 1 : last + 1, None]
        return torch.minimum(starts + self._offset, ends - 1)

    @property
    def whole_index(self) -> Tensor:
        """`index` of all cells."""
        if self._index is None:
            self._index = self.index(0, self.cells)
        return self._index

    def gather(self, values: Tensor, first: int, last: int) -> Tensor:
        """The rows of cells first to last, (last - first, most, columns); a view where the cells are uniform."""
        if self.uniform:
            return values[first * self.most : last * self.most].view(last - first, self.most, -1)
        return values[self.whole_index if last - first == self.cells else self.index(first, last)]

    def maximum(self, values: Tensor) -> Tensor:
        """The largest of each row's elements in each cell, (rows, cells); NaN where there is one."""
        if self.most == 1:
            return values
        if self._starts is not None:
            return torch.from_numpy(np.maximum.reduceat(values.numpy(), self._starts, axis=1))
        # The pooling kernel is three times as fast here as a reduction over short rows.
        spread = values if self.uniform else values[:, self.whole_index].flatten(1)
        return torch.nn.functional.max_pool1d(spread.unsqueeze(1), self.most).squeeze(1)

    def sum(self, values: Tensor) -> Tensor:
        """The sum of each row's elements in each cell, (rows, cells)."""
        if self.most == 1:
            return values
        if self._starts is not None:
            # The sum of +Inf and -Inf is the NaN that it is to be.
            with np.errstate(invalid="ignore", over="ignore"):
                return torch.from_numpy(np.add.reduceat(values.numpy(), self._starts, axis=1))
        if self.uniform:
            return values.view(-1, self.cells, self.most).sum(2)
        return torch.where(self.real, values[:, self.whole_index], 0).sum(2)


@dataclass(frozen=True)
class Pooled:
    """What `pool` finds.

    Attributes:
        arrays: A picture's; see `lightning_weightviz.snapshot.Picture`.
        column_squares: Sums of the squares of each column's finite values, times the scale's square, (columns,).
        whole_columns: bool, (columns,), which columns hold finite values alone; None: all.
    """

    arrays: dict[str, Tensor]
    column_squares: Tensor
    whole_columns: Tensor | None


@dataclass(frozen=True)
class Cut:
    """How a matrix is cut into cells.

    Attributes:
        rows: Down.
        columns: Across, in columns.
        channels: Across, in kernels.
        kernel: Columns of a kernel: no cell divides one.
    """

    rows: Blocks
    columns: Blocks
    channels: Blocks
    kernel: int

    @property
    def is_whole(self) -> bool:
        """Whether each cell is one value."""
        return self.rows.most == self.columns.most == 1

    @property
    def sizes(self) -> Tensor:
        """Elements of each cell, int64, (h, w)."""
        return self.rows.real.sum(1).unsqueeze(1) * self.columns.real.sum(1)


# The same of each snapshot, and as many as there are shapes among the pictures.
@lru_cache(maxsize=64)
def cut_of(
    shape: tuple[int, int],
    limits: tuple[int, int],
    device: torch.device,
    kernel: int = 1,
    here: tuple[tuple[int, int], tuple[int, int]] | None = None,
) -> Cut:
    """A matrix in at most `limits` cells; of a rectangle of it, rows and columns `here`, its part of them."""
    down, across = (None, None) if here is None else here
    channels = None if across is None else (across[0] // kernel, across[1] // kernel)
    return Cut(
        Blocks(shape[0], limits[0], device, here=down),
        Blocks(shape[1], limits[1], device, kernel, across),
        Blocks(shape[1] // kernel, limits[1], device, here=channels),
        kernel,
    )


@dataclass(frozen=True)
class CellSums:
    """What is summed of a matrix, in its scale; of some of its rows or columns it can be added up to the whole.

    Attributes:
        extreme: As of a picture, (h, w), in the scale of the weights.
        squares: Of the finite values in each cell, (h, w).
        finite: How many these are, (h, w).
        row_squares: Of the finite values of each row, (h, most); rows that are repeated in a cell count 0.
        whole_rows: bool, (h, most), which rows hold finite values alone; None: all.
        column_squares: Of the finite values of each column, (columns,).
        column_counts: How many these are, (columns,).
        kernel_sums: Of the sums of the kernels in each cell the one farthest from 0, (h, w); None: not of kernels.
        totals: Sums of each cell, (h, w); None: not asked for.
    """

    extreme: Tensor
    squares: Tensor
    finite: Tensor
    row_squares: Tensor
    whole_rows: Tensor | None
    column_squares: Tensor
    column_counts: Tensor | None
    kernel_sums: Tensor | None
    totals: Tensor | None


def pool(
    values: Tensor, limits: tuple[int, int], scale: Tensor | None, kernel: int = 1, *, mean: bool = False
) -> Pooled:
    """Pools a matrix.

    Args:
        values: (rows, columns), any float dtype, at least one element.
        limits: Most cells down and across.
        scale: A power of two, 0-d, that brings the largest finite magnitude near 1; None where all values are known
            to be finite and their squares to fit float32.
        kernel: Columns of a kernel: no cell divides one.
        mean: Whether to give means too.

    Returns:
        As arrays ``extreme`` and ``rms``, float32, (h, w), ``row_norms``, float32, (h, 2), and ``column_norms``,
        float32, (w, 2); of kernels of several columns also ``sums``, float32, (h, w), and ``positions``, float32,
        (kernel,); where asked for ``mean``, float32, (h, w).
    """
    rows, columns = values.shape
    cut = cut_of((rows, columns), limits, values.device, kernel)
    if cut.is_whole and scale is None:
        return _whole(widen(values), mean=mean)
    return pooled(cell_sums(values, cut, scale, mean=mean), cut, scale, rows)


def _whole(values: Tensor, *, mean: bool) -> Pooled:
    """A picture of which each cell is one value; all of these are finite, and their squares fit float32."""
    squares = values * values
    row_norms, column_squares = squares.sum(1).sqrt(), squares.sum(0).to(accumulator(values.device))
    arrays = {
        "extreme": values,
        "rms": values.abs(),
        "row_norms": row_norms.unsqueeze(1).expand(-1, 2),
        "column_norms": column_squares.sqrt().unsqueeze(1).expand(-1, 2),
    }
    if mean:
        arrays["mean"] = values
    return Pooled(narrowed(arrays), column_squares, None)


def cell_sums(values: Tensor, cut: Cut, scale: Tensor | None, *, mean: bool) -> CellSums:
    """Sums a matrix, or a rectangle of one; arguments as of `pool`."""
    rows, columns, kernel = cut.rows, cut.columns, cut.kernel
    wide = accumulator(values.device)
    extremes, squares, counts, row_squares, row_whole, sums, totals = [], [], [], [], [], [], []
    column_squares = torch.zeros(values.shape[1], dtype=wide, device=values.device)
    column_counts = torch.zeros(values.shape[1], dtype=torch.int64, device=values.device)
    elements = HOST_BAND if looks(values.device) else STREAM_BAND
    step = max(1, elements // (values.shape[1] * rows.most))
    # Rows of cells, a band at a time: what falls into the same row of cells is put together first.
    for first in range(0, rows.cells, step):
        last = min(first + step, rows.cells)
        band = widen(rows.gather(values, first, last))
        real = None if rows.uniform else rows.real[first:last].unsqueeze(2)
        # Squares of what is finite, in the scale in which they fit float32; repeated rows count 0.
        if scale is None:
            squared = band * band if real is None else band * band * real
        else:
            finite = finite_of(band)
            counted = finite if real is None else finite & real
            scaled = (band * scale).nan_to_num_(0, 0, 0)
            scaled = scaled if real is None else scaled.mul_(real)
            squared = scaled * scaled
            counted_here = counted.sum(1)
            counts.append(columns.sum(counted_here))
            column_counts += counted_here.sum(0)
            row_whole.append(finite.all(2))
        # What is wanted of each cell and row, and of each column so far.
        extremes.append(_extreme(band, columns))
        row_squares.append(squared.sum(2))
        if mean:
            whole = band if real is None else torch.where(real, band, 0.0)
            # Wide, so that they do not depend on the order: changes are told from means that hardly differ.
            totals.append(columns.sum((whole if scale is None else whole * scale).sum(1, dtype=wide)))
        if kernel > 1:
            sums.append(_kernel_sums(band if scale is None else band * scale, kernel, cut.channels))
        outer = squared.sum(1) if rows.most > 1 else squared[:, 0]
        squares.append(columns.sum(outer))
        column_squares = column_squares + outer.sum(0)
    return CellSums(
        extreme=torch.cat(extremes),
        squares=torch.cat(squares),
        finite=cut.sizes if scale is None else torch.cat(counts),
        row_squares=torch.cat(row_squares),
        whole_rows=None if scale is None else torch.cat(row_whole),
        column_squares=column_squares,
        column_counts=None if scale is None else column_counts,
        kernel_sums=torch.cat(sums) if sums else None,
        totals=torch.cat(totals) if totals else None,
    )


def cell_extremes(values: Tensor, cut: Cut) -> tuple[Tensor, Tensor | None]:
    """``extreme`` and ``kernel_sums`` of `CellSums` alone, both in the scale of the weights; the latter float64."""
    extremes, sums = [], []
    # Any power of two will do, as it changes no digit.
    scale = scale_of(values) if cut.kernel > 1 else torch.ones((), dtype=torch.float32, device=values.device)
    step = max(1, (HOST_BAND if looks(values.device) else STREAM_BAND) // (values.shape[1] * cut.rows.most))
    for first in range(0, cut.rows.cells, step):
        band = widen(cut.rows.gather(values, first, min(first + step, cut.rows.cells)))
        extremes.append(_extreme(band, cut.columns))
        if cut.kernel > 1:
            sums.append(_kernel_sums(band * scale, cut.kernel, cut.channels).to(torch.float64) / scale)
    return torch.cat(extremes), torch.cat(sums) if sums else None


def pooled(sums: CellSums, cut: Cut, scale: Tensor | None, rows: int) -> Pooled:
    """From the sums of a whole matrix of so many rows to norms and means, back in the scale of the weights."""
    # Wide, as norms of the largest floats are none.
    kernel, channels, wide = cut.kernel, cut.channels, sums.column_squares.dtype
    unscale = 1.0 if scale is None else 1.0 / scale.to(wide)
    whole_columns = None if sums.column_counts is None else sums.column_counts == rows
    whole_channels = None if whole_columns is None else members(whole_columns.view(-1, kernel).all(1), channels)
    channel_squares = members(sums.column_squares.view(-1, kernel).sum(1), channels)
    arrays = {
        "extreme": sums.extreme,
        # A block without a finite value has no root mean square: 0 / 0 is the NaN that says so.
        "rms": (sums.squares / sums.finite).sqrt().to(wide) * unscale,
        "row_norms": _norm_range(sums.row_squares, cut.rows.real, sums.whole_rows).to(wide) * unscale,
        "column_norms": _norm_range(channel_squares, channels.real, whole_channels) * unscale,
    }
    if sums.totals is not None:
        arrays["mean"] = (sums.totals / cut.sizes).to(wide) * unscale
    if sums.kernel_sums is not None:
        counts = sums.column_counts
        counted_at = rows if counts is None else counts.view(-1, kernel).to(wide).mean(0)
        arrays["sums"] = sums.kernel_sums.to(wide) * unscale
        arrays["positions"] = (sums.column_squares.view(-1, kernel).mean(0) / counted_at).sqrt() * unscale
    return Pooled(narrowed(arrays), sums.column_squares, whole_columns)


def members(values: Tensor, blocks: Blocks) -> Tensor:
    """The values of each cell's members, (cells, most), from (members,)."""
    return values[blocks.whole_index]


def _kernel_sums(band: Tensor, kernel: int, channels: Blocks) -> Tensor:
    """Of the sums of the kernels in each cell the one farthest from 0, (cells, cells), from (cells, most, columns)."""
    return _extreme(band.unflatten(2, (-1, kernel)).sum(3), channels)


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


def _norm_range(squares: Tensor, real: Tensor, whole: Tensor | None) -> Tensor:
    """Smallest and largest norm of each cell's members, (cells, 2), from their squared norms, (cells, most).

    Members that are not `whole`, because they hold a NaN or an infinity, are left out; a cell of such alone has NaN.
    """
    norms = squares.sqrt()
    if whole is None:
        norms = torch.where(real, norms, norms[:, :1])
        return torch.stack([norms.amin(1), norms.amax(1)], 1)
    known = whole & real
    low, high = torch.where(known, norms, torch.inf).amin(1), torch.where(known, norms, -torch.inf).amax(1)
    return torch.where(known.any(1, keepdim=True), torch.stack([low, high], 1), torch.nan)


def narrow(values: Tensor) -> Tensor:
    """As float32, where a finite value stays finite."""
    if values.dtype == torch.float32:
        return values
    bound = torch.finfo(torch.float32).max
    return torch.where(finite_of(values), values.clamp(-bound, bound), values).to(torch.float32)


def narrowed(arrays: dict[str, Tensor]) -> dict[str, Tensor]:
    """Each as of `narrow`; where each operation is a launch, all at once."""
    wide = {key: values for key, values in arrays.items() if values.dtype != torch.float32}
    if not wide or looks(next(iter(wide.values())).device):
        return {key: narrow(values) for key, values in arrays.items()}
    together = narrow(torch.cat([values.reshape(-1) for values in wide.values()]))
    parts = together.split([values.numel() for values in wide.values()])
    return arrays | {key: part.view(wide[key].shape) for key, part in zip(wide, parts, strict=True)}
