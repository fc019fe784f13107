"""Products with WᵀW of matrices of any shapes side by side: one launch for all of one dtype."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from lightning_weightviz.measure.device.fused.kernels import products as kernels
from lightning_weightviz.measure.device.fused.kernels.common import TYPES
from lightning_weightviz.measure.device.fused.launching import current, table
from lightning_weightviz.measure.device.fused.located import Located

LONG = 128
"""So much of the longer side one program takes at a time; what it finds of the shorter one is added up later."""
SHORT = 64
"""So much of the shorter side it reads at a time."""
WARPS = 8
"""Groups of 32 threads of a program that multiplies."""
ADDED = 32
"""Parts that are added up at a time."""
WIDE = 128
"""Numbers that one program adds up."""
WARPS_ADDING = 4
"""Groups of 32 threads of a program that adds up."""


class Products:
    """Forms WᵀW v of matrices side by side, again and again.

    Args:
        matrices: Of one device.
        magnitudes: As of `row_norms`.
        longest: Most that a vector is long.

    Attributes:
        device: Of the matrices.
        longest: The same.
    """

    def __init__(self, matrices: Sequence[Located], magnitudes: Tensor, longest: int) -> None:
        self.device = magnitudes.device
        self.longest = longest
        self._magnitudes = magnitudes
        self._plan = _plan_of(tuple(matrices), longest, magnitudes.device)
        self._parts = torch.empty(self._plan.parts, dtype=torch.float32, device=magnitudes.device)

    def multiply(self, vectors: Tensor) -> Tensor:
        """Of vectors, float32, (matrices, longest), each in a row; behind the length of a matrix nothing is set."""
        products = torch.empty(vectors.shape, dtype=torch.float32, device=vectors.device)
        plan = self._plan
        with current(vectors.device):
            for one, programs in plan.kinds:
                kernels.multiply[(len(programs),)](
                    programs,
                    self._magnitudes,
                    vectors,
                    vectors.stride(0),
                    self._parts,
                    DTYPE=TYPES[one.dtype],
                    EVEN=one.even,
                    ALONG_COLUMNS=one.side == "columns",
                    LONG=LONG,
                    SHORT=SHORT,
                    num_warps=WARPS,
                )
            kernels.add_parts[(len(plan.sums),)](
                plan.sums, self._parts, products, ADDED=ADDED, WIDE=WIDE, num_warps=WARPS_ADDING
            )
        return products


@dataclass(frozen=True)
class _Plan:
    """What the programs do, a row for each.

    Attributes:
        parts: How many numbers are to be added up.
        kinds: The programs for matrices of one kind, and one of these.
        sums: Those that add up.
    """

    parts: int
    kinds: tuple[tuple[Located, Tensor], ...]
    sums: Tensor


# The same of each snapshot, as long as weights stay where they are.
@lru_cache(maxsize=16)
def _plan_of(matrices: tuple[Located, ...], longest: int, device: torch.device) -> _Plan:
    parts = 0
    kinds: dict[object, tuple[Located, list[tuple[int, ...]]]] = {}
    sums = []
    for number, one in enumerate(matrices):
        long, short = one.lengths
        _, programs = kinds.setdefault((one.dtype, one.even, one.side), (one, []))
        sums += [
            (parts + first, -(-long // LONG), min(WIDE, short - first), short, number * longest + first)
            for first in range(0, short, WIDE)
        ]
        step = one.stride if one.side == "columns" else 1
        for first in range(0, long, LONG):
            address = one.address + first * step * one.dtype.itemsize
            programs.append((address, min(LONG, long - first), short, one.stride, one.owner, number, parts))
            parts += short
    return _Plan(parts, tuple((one, table(programs, device)) for one, programs in kinds.values()), table(sums, device))
