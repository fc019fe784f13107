"""Norms of the rows of matrices of any shapes: one launch for all of one dtype."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from lightning_weightviz.measure.device.fused.kernels import rows as kernels
from lightning_weightviz.measure.device.fused.kernels.common import TYPES
from lightning_weightviz.measure.device.fused.launching import by_kind, current, table
from lightning_weightviz.measure.device.fused.located import Located

ROWS = 4
COLUMNS = 1024
"""How much of a matrix one program reads at a time."""
WARPS = 4
"""Groups of 32 threads of a program."""


def row_norms(matrices: Sequence[Located], magnitudes: Tensor) -> tuple[Tensor, Tensor]:
    """Norms of all rows, one matrix after the other, in their scales.

    Args:
        matrices: Of one device.
        magnitudes: float32, (n,), the largest finite ones, from which scales are made; `Located.owner` is a place here.

    Returns:
        float32, (rows,), not finite where a row holds what is not; and squares, float32, (rows,), of what is finite.
    """
    rows = np.array([one.rows for one in matrices])
    norms, squares = torch.empty(2, int(rows.sum()), dtype=torch.float32, device=magnitudes.device).unbind()
    starts = np.cumsum(rows) - rows
    for kind in by_kind(range(len(matrices)), lambda place: (matrices[place].dtype, matrices[place].even)):
        one = matrices[kind[0]]
        begin = tuple(starts[kind].tolist())
        programs = _programs_of(tuple(matrices[place] for place in kind), begin, magnitudes.device)
        with current(magnitudes.device):
            kernels.find_row_norms[(len(programs),)](
                programs,
                magnitudes,
                norms,
                squares,
                DTYPE=TYPES[one.dtype],
                EVEN=one.even,
                ROWS=ROWS,
                COLUMNS=COLUMNS,
                num_warps=WARPS,
            )
    return norms, squares


# The same of each snapshot, as long as weights stay where they are.
@lru_cache(maxsize=16)
def _programs_of(matrices: tuple[Located, ...], starts: tuple[int, ...], device: torch.device) -> Tensor:
    """A row for each program: where it reads, how many rows and columns, how far apart, and where its norms go."""
    programs = [
        (
            one.address + row * one.stride * one.dtype.itemsize,
            min(ROWS, one.rows - row),
            one.columns,
            one.stride,
            one.owner,
            start + row,
        )
        for one, start in zip(matrices, starts, strict=True)
        for row in range(0, one.rows, ROWS)
    ]
    return table(programs, device)
