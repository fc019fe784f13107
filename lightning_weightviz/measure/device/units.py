"""Units, which are rows or columns of a matrix: their norms, and which of them have died."""

from __future__ import annotations

import torch
from torch import Tensor

from lightning_weightviz.measure.device.abilities import accumulator, looks
from lightning_weightviz.measure.device.memory_order import row_blocks, rows_of
from lightning_weightviz.measure.device.scaling import widen, widened

DEAD = 1e-6
"""A unit is dead if its norm is at most this times the median norm of the units of its matrix."""
BLOCK = 1 << 22
"""Elements whose finite part is taken at a time."""
HOST_BLOCK = 1 << 18
"""The same on the host where nothing but squares is taken, which then stay in cache."""
SPAN = 1 << 20
"""Elements whose squares may be summed in float32: from 2²⁷ equal ones on, such a sum stops growing on the host."""


def dead_units(norms: Tensor, whole: Tensor | None, matrices: int = 1) -> Tensor:
    """How many units are dead, int64, 0-d: those of next to no norm beside the others of their matrix.

    A unit that holds a NaN or an infinity is broken and not dead, and is left out of the median.

    Args:
        norms: Of the units of all matrices, one matrix after the other, (k,).
        whole: bool, (k,), which units hold finite values alone; None: all.
        matrices: How many there are, of equally many units.
    """
    if whole is None and looks(norms.device):
        low, high = torch.aminmax(norms)
        if float(low.numpy()) > DEAD * float(high.numpy()):
            return torch.zeros((), dtype=torch.int64, device=norms.device)
    norms = (norms if whole is None else torch.where(whole, norms, torch.nan)).view(matrices, -1)
    return dead_of_each(norms).sum()


def dead_of_each(norms: Tensor) -> Tensor:
    """How many units of each matrix are dead, int64, (matrices,).

    Args:
        norms: (matrices, units); what is not finite belongs to a broken unit, or to none.
    """
    # What is broken is sorted to the end; the median is between two places among the others.
    finite = norms < torch.inf
    ordered = norms.nan_to_num(torch.inf).sort(1).values
    count = finite.sum(1, keepdim=True)
    middle = torch.cat([count // 2, (count - 1).clamp(min=0) // 2], 1)
    median = ordered.gather(1, middle.clamp(max=norms.shape[1] - 1)).sum(1, keepdim=True) / 2
    return (finite & (norms <= DEAD * median)).sum(1)


def row_norms(values: Tensor, scale: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """Norms of the rows' finite values, and which rows hold no others.

    Args:
        values: (rows, columns), at least one element.
        scale: As in `lightning_weightviz.measure.device.pooling.pool`.

    Returns:
        float, (rows,), times `scale`, and bool, (rows,); None: all do.
    """
    if scale is None:
        found = torch.empty(len(values), dtype=widened(values.dtype), device=values.device)
        # Filled in place: what is kept of a block would lie in the memory that it left, and the next block take more.
        for block, part in zip(row_blocks(values, BLOCK), found.split(rows_of(values, BLOCK)), strict=True):
            part.copy_(_norms(widen(block)))
        return found, None
    norms, whole = [], []
    for block in row_blocks(values, BLOCK):
        wide = widen(block)
        finite = wide.isfinite()
        norms.append(_norms(torch.where(finite, wide * scale, 0.0)))
        whole.append(finite.all(1))
    return torch.cat(norms), torch.cat(whole)


def column_norms(values: Tensor, scale: Tensor | None, matrices: int, width: int) -> tuple[Tensor, Tensor | None]:
    """Norms of the columns' finite values, and which columns hold no others; whole rows are read at a time.

    Args:
        values: (rows, columns), at least one element.
        scale: As in `lightning_weightviz.measure.device.pooling.pool`.
        matrices: How many of equal size lie one below the other, or groups of rows.
        width: So many neighbouring columns are one unit.

    Returns:
        As of `row_norms`, (matrices * columns / width,).
    """
    of_each = values.unflatten(0, (matrices, -1))
    squares = torch.zeros(matrices, values.shape[1], dtype=accumulator(values.device), device=values.device)
    whole = None if scale is None else torch.ones(squares.shape, dtype=torch.bool, device=values.device)
    elements = HOST_BLOCK if looks(values.device) else BLOCK
    for part in of_each.split(max(1, elements // squares.numel()), 1):
        wide = widen(part)
        if scale is not None and whole is not None:
            finite = wide.isfinite()
            whole = whole & finite.all(1)
            wide = torch.where(finite, wide * scale, 0.0)
        squares += (wide * wide).sum(1)
    return unit_norms(squares, whole, width)


def unit_norms(squares: Tensor, whole: Tensor | None, width: int) -> tuple[Tensor, Tensor | None]:
    """Norms of units of `width` neighbouring columns, from the columns' sums of squares; see `column_norms`."""
    whole_units = None if whole is None else whole.reshape(-1, width).all(1)
    return squares.reshape(-1, width).sum(1).sqrt(), whole_units


def _norms(rows: Tensor) -> Tensor:
    parts: list[Tensor] = [torch.linalg.vector_norm(part, dim=1) for part in rows.split(SPAN, 1)]
    if len(parts) == 1:
        return parts[0]
    norms: Tensor = torch.linalg.vector_norm(torch.stack(parts).to(accumulator(rows.device)), dim=0)
    return norms.to(rows.dtype)
