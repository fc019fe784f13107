"""Pictures: a matrix pooled to at most so many cells an axis, with the norms of its rows and columns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from lightning_weightviz.measure.device.abilities import accumulator, looks
from lightning_weightviz.measure.device.cell_sums import CellSums, Columns, cell_sums, farthest
from lightning_weightviz.measure.device.cells import Blocks, Cut, cut_of
from lightning_weightviz.measure.device.scaling import finite_of, widen


@dataclass(frozen=True)
class Pooled:
    """What `pool` finds.

    Attributes:
        arrays: A picture's; see `lightning_weightviz.snapshot.Picture`.
        columns: What is known of the matrix's own.
    """

    arrays: dict[str, Tensor]
    columns: Columns


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
    column_squares = squares.sum(0).to(accumulator(values.device))
    arrays = {
        "extreme": values,
        "rms": values.abs(),
        "row_norms": squares.sum(1).sqrt_().unsqueeze(1).expand(-1, 2),
        "column_norms": column_squares.sqrt().to(torch.float32).unsqueeze(1).expand(-1, 2),
    }
    if mean:
        arrays["mean"] = values
    return Pooled(narrowed(arrays), Columns(column_squares, None, len(values)))


def pooled(sums: CellSums, cut: Cut, scale: Tensor | None, rows: int) -> Pooled:
    """From the sums of a whole matrix of so many rows to norms and means, back in the scale of the weights.

    Args:
        sums: Of the matrix, on the device of `cut`, which need not be that of the weights.
        cut: How it is cut.
        scale: As of `pool`.
        rows: Of the matrix.
    """
    # Wide, as norms of the largest floats are none.
    kernel, channels, wide = cut.kernel, cut.channels, accumulator(sums.squares.device)
    columns = Columns(sums.column_squares.to(wide), sums.column_counts, rows)
    unscale = None if scale is None else 1.0 / scale.to(wide)

    def unscaled(values: Tensor) -> Tensor:
        return values if unscale is None else values.to(wide) * unscale

    whole = columns.whole
    whole_rows = None if scale is None else sums.row_squares.isfinite()
    whole_channels = None if whole is None else members(whole.view(-1, kernel).all(1), channels)
    channel_squares = members(columns.squares.view(-1, kernel).sum(1), channels)
    arrays = {
        "extreme": farthest(sums.highest, sums.lowest),
        # A block without a finite value has no root mean square: 0 / 0 is the NaN that says so.
        "rms": unscaled((sums.squares / (cut.sizes if sums.finite is None else sums.finite)).sqrt()),
        "row_norms": unscaled(_norm_range(sums.row_squares, cut.rows, whole_rows)),
        "column_norms": unscaled(_norm_range(channel_squares, channels, whole_channels)),
    }
    if sums.totals is not None:
        arrays["mean"] = unscaled(sums.totals / cut.sizes)
    if sums.kernel_highest is not None and sums.kernel_lowest is not None:
        counts = columns.counts
        counted_at = rows if counts is None else counts.view(-1, kernel).to(wide).mean(0)
        arrays["sums"] = unscaled(farthest(sums.kernel_highest, sums.kernel_lowest))
        arrays["positions"] = unscaled((columns.squares.view(-1, kernel).mean(0) / counted_at).sqrt())
    return Pooled(narrowed(arrays), columns)


def members(values: Tensor, blocks: Blocks) -> Tensor:
    """The values of each cell's members, (cells, most), from (members,)."""
    return blocks.spread(values)


def _norm_range(squares: Tensor, blocks: Blocks, whole: Tensor | None) -> Tensor:
    """Smallest and largest norm of each cell's members, (cells, 2), from their squared norms, (cells, most).

    Members that are not `whole`, because they hold a NaN or an infinity, are left out; a cell of such alone has NaN.
    """
    norms = squares.sqrt()
    if whole is None:
        norms = norms if blocks.uniform else torch.where(blocks.real, norms, norms[:, :1])
        return torch.stack([norms.amin(1), norms.amax(1)], 1)
    known = whole & blocks.real
    low, high = torch.where(known, norms, torch.inf).amin(1), torch.where(known, norms, -torch.inf).amax(1)
    return torch.where(known.any(1, keepdim=True), torch.stack([low, high], 1), torch.nan)


def narrow(values: Tensor) -> Tensor:
    """As float32, where a finite value stays finite."""
    if values.dtype == torch.float32:
        return values
    if looks(values.device):
        with np.errstate(over="ignore"):
            narrowed = values.numpy().astype(np.float32)
        if np.isfinite(narrowed).all():
            return torch.from_numpy(narrowed)
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
