"""Rows: their norms, and units that have died: rows, or filters, of next to no norm beside the others'."""

from __future__ import annotations

import torch
from torch import Tensor

from lightning_weightviz.measure.device.memory_order import row_blocks
from lightning_weightviz.measure.device.scaling import widen

DEAD = 1e-6
"""A row is dead if its norm is at most this times the median row norm."""
BLOCK = 1 << 22
"""Elements whose finite part is taken at a time."""


def dead_rows(values: Tensor, scale: Tensor | None, norms: Tensor | None = None) -> Tensor:
    """How many rows are dead, int64, 0-d; norms are over finite values.

    Args:
        values: (rows, columns), at least one element.
        scale: As in `lightning_weightviz.measure.device.pooling.pool`.
        norms: Of the rows, (rows,), on the host, where they are known already.
    """
    if norms is not None:
        low, high = torch.aminmax(norms)
        if float(low.numpy()) > DEAD * float(high.numpy()):
            return torch.zeros((), dtype=torch.int64)
    else:
        norms = row_norms(values, scale)
    ordered = norms.sort().values
    middle = len(ordered) // 2
    median = (ordered[middle] + ordered[(len(ordered) - 1) // 2]) / 2
    dead: Tensor = norms <= DEAD * median
    return dead.sum()


def row_norms(values: Tensor, scale: Tensor | None) -> Tensor:
    """Norms of the rows' finite values, times `scale`, (rows,); arguments as of `dead_rows`."""
    if scale is None:
        return _norms(widen(values))
    blocks = (widen(block) for block in row_blocks(values, BLOCK))
    return torch.cat([_norms(torch.where(block.isfinite(), block * scale, 0.0)) for block in blocks])


def _norms(rows: Tensor) -> Tensor:
    norms: Tensor = torch.linalg.vector_norm(rows, dim=1)
    return norms
