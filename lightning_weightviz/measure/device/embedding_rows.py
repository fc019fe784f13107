"""The rows of an embedding one by one: their norms in order, and those that changed most since the start."""

from __future__ import annotations

import torch
from torch import Tensor

from lightning_weightviz.measure.device.abilities import accumulator
from lightning_weightviz.measure.device.pooling import narrow
from lightning_weightviz.measure.device.subset import Moved
from lightning_weightviz.measure.device.units import row_norms

MOST_NORMS = 256
"""Norms that are kept of all rows, evenly spread over the ranks."""
MOST_CHANGED = 8
LEAST_SAMPLED = 4
"""Values a row, on average: from fewer its change is not told."""


def rank(values: Tensor, scale: Tensor | None, padding: int | None, moved: Moved) -> dict[str, Tensor]:
    """Arrays of `lightning_weightviz.snapshot.Rank`; see `rank_of`.

    Args:
        values: (rows, columns), any float dtype.
        scale: As in `lightning_weightviz.measure.device.pooling.pool`.
        padding: The row that is left out, if any.
        moved: What is known of its change.
    """
    norms, whole = row_norms(values, scale)
    return rank_of(norms, whole, values.shape[1], scale, padding, moved)


def rank_of(
    norms: Tensor, whole: Tensor | None, columns: int, scale: Tensor | None, padding: int | None, moved: Moved
) -> dict[str, Tensor]:
    """Arrays of `lightning_weightviz.snapshot.Rank`.

    Args:
        norms: Of the rows, times `scale`, (rows,).
        whole: bool, (rows,), which of them hold finite values alone; None: all.
        columns: Of the matrix.
        scale: As of `rank`, like the others.
        padding: The row that is left out.
        moved: What is known of its change.

    Returns:
        ``ordered_norms``, float32, (n ≤ 256,), of rows that hold finite values alone, NaN where no row does;
        ``changed``, int64, (k,), ``changes``, float32, (k,), 0 where nothing changed, and ``sampled``, float32, 0-d.
    """
    rows, wide = len(norms), accumulator(norms.device)
    if whole is not None:
        norms = torch.where(whole, norms, -1.0)
    if padding is not None:
        norms = torch.cat([norms[:padding], norms[padding + 1 :]])
    # Norms, evenly spread over the ranks.
    ordered = norms.sort(descending=True).values
    kept = min(len(ordered), MOST_NORMS)
    # In whole numbers, as floats step past the last of many rows; broken rows, which come last, have no rank.
    last = (ordered >= 0).sum() - 1
    ranks = (2 * torch.arange(kept, dtype=torch.int64, device=norms.device) * last + kept - 1) // max(2 * kept - 2, 1)
    evenly = ordered[ranks.clamp(min=0)].to(wide)
    sampled = len(moved.difference) / max(rows * columns, 1)
    # Squared changes of the elements that are remembered, summed by row.
    squares = torch.zeros(rows, dtype=wide, device=norms.device)
    known = len(moved.difference) >= LEAST_SAMPLED * rows
    if known:
        where = moved.index
        if where is None:
            where = torch.arange(rows * columns, dtype=torch.int64, device=norms.device)
        squares.index_add_(0, where // columns, moved.difference.to(wide).square().nan_to_num(0, 0, 0))
        if padding is not None:
            squares[padding] = 0
    most = squares.topk(min(MOST_CHANGED, rows) if known else 0)
    return {
        "ordered_norms": narrow(torch.where(evenly >= 0, evenly, torch.nan) / (1.0 if scale is None else scale)),
        "changed": most.indices,
        "changes": narrow((most.values / sampled).sqrt()),
        "sampled": torch.full((), sampled, dtype=torch.float32, device=norms.device),
    }
