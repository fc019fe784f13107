"""The rows of an embedding one by one: their norms in order, and those that changed most since the start."""

from __future__ import annotations

import torch
from torch import Tensor

from lightning_weightviz.measure.device.abilities import accumulator
from lightning_weightviz.measure.device.pooling import narrow
from lightning_weightviz.measure.device.rows import row_norms
from lightning_weightviz.measure.device.subset import Moved

MOST_NORMS = 256
"""Norms that are kept of all rows, evenly spread over the ranks."""
MOST_CHANGED = 8
LEAST_SAMPLED = 4
"""Values a row, on average: from fewer its change is not told."""


def rank(values: Tensor, scale: Tensor | None, padding: int | None, moved: Moved) -> dict[str, Tensor]:
    """Arrays of `lightning_weightviz.snapshot.Rank`.

    Args:
        values: (rows, columns), any float dtype.
        scale: As in `lightning_weightviz.measure.device.pooling.pool`.
        padding: The row that is left out, if any.
        moved: What is known of its change.

    Returns:
        ``ordered_norms``, float, (n ≤ 256,), ``changed``, int64, (k,), ``changes``, (k,), 0 where nothing changed, and
        ``sampled``, 0-d.
    """
    rows, columns = values.shape
    wide = accumulator(values.device)
    norms = row_norms(values, scale)
    if padding is not None:
        norms = torch.cat([norms[:padding], norms[padding + 1 :]])
    # Norms, evenly spread over the ranks.
    ordered = norms.sort(descending=True).values
    ranks = torch.linspace(0, max(len(ordered) - 1, 0), min(len(ordered), MOST_NORMS), device=values.device)
    sampled = len(moved.difference) / max(values.numel(), 1)
    # Squared changes of the elements that are remembered, summed by row.
    squares = torch.zeros(rows, dtype=wide, device=values.device)
    known = len(moved.difference) >= LEAST_SAMPLED * rows
    if known:
        where = torch.arange(values.numel(), device=values.device) if moved.index is None else moved.index
        squares.index_add_(0, where // columns, moved.difference.to(wide).square().nan_to_num(0, 0, 0))
        if padding is not None:
            squares[padding] = 0
    most = squares.topk(min(MOST_CHANGED, rows) if known else 0)
    return {
        "ordered_norms": narrow(ordered[ranks.round().long()] / (1.0 if scale is None else scale)),
        "changed": most.indices,
        "changes": (most.values / sampled).sqrt(),
        "sampled": torch.full((), sampled, device=values.device),
    }
