"""Extremes, power sums and histograms of many tensors in two launches: the first one finds the scales, the second sums.

As `lightning_weightviz.measure.device.moments`, in the same numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from lightning_weightviz.measure import histogram_scheme
from lightning_weightviz.measure.device.fused.kernels import moments as kernels
from lightning_weightviz.measure.device.fused.kernels.common import TYPES
from lightning_weightviz.measure.device.fused.launching import by_kind, current, is_even, table
from lightning_weightviz.measure.device.memory_order import flat
from lightning_weightviz.measure.enqueued import NUMBERS

PIECE = 1 << 15
"""Elements that one program reads: so few that it finds them in cache when it reads them again."""
BLOCK = 1 << 12
"""Elements that it reads at a time."""
BINS = 512
"""A power of two of at least so many slots as there are."""
WARPS = 8
"""Groups of 32 threads of a program."""


@dataclass(frozen=True)
class Summed:
    """What was found of some tensors of one dtype; see `lightning_weightviz.measure.device.moments.Pieces.add`.

    Attributes:
        owners: Their places among all.
        pieces: Of how many each consists.
        numbers: Of each piece.
        counts: Of each tensor.
    """

    owners: Sequence[int]
    pieces: Sequence[int]
    numbers: Tensor
    counts: Tensor


def sum_moments(tensors: Sequence[Tensor], places: Sequence[int], magnitudes: Tensor) -> list[Summed]:
    """Enqueues two launches for each dtype.

    Args:
        tensors: Of one device.
        places: Which of them; each has at least one element and one of the dtypes that kernels read.
        magnitudes: float32, (tensors,), 0; the largest finite magnitudes of these are put in.
    """
    flattened = {place: flat(tensors[place]) for place in places}
    kinds = by_kind(places, lambda place: (tensors[place].dtype, is_even(flattened[place])))
    return [_sum(kind, [flattened[place] for place in kind], magnitudes) for kind in kinds]


def _sum(owners: Sequence[int], values: Sequence[Tensor], magnitudes: Tensor) -> Summed:
    device = magnitudes.device
    addresses, sizes = tuple(one.data_ptr() for one in values), tuple(len(one) for one in values)
    rows, pieces = _pieces_of(addresses, sizes, tuple(owners), values[0].element_size(), device)
    numbers = torch.empty(len(rows), len(NUMBERS), dtype=torch.float64, device=device)
    counts = torch.zeros(len(values), histogram_scheme.SLOTS + 1, dtype=torch.int64, device=device)
    kind = {"DTYPE": TYPES[values[0].dtype], "EVEN": is_even(values[0]), "BLOCK": BLOCK, "num_warps": WARPS}
    with current(device):
        kernels.find_magnitudes[(len(rows),)](rows, magnitudes, **kind)
        kernels.find_sums[(len(rows),)](rows, magnitudes, numbers, counts, BINS=BINS, **kind)
    return Summed(owners, pieces, numbers, counts)


# The same of each snapshot, as long as weights stay where they are.
@lru_cache(maxsize=16)
def _pieces_of(
    addresses: tuple[int, ...], sizes: tuple[int, ...], owners: tuple[int, ...], itemsize: int, device: torch.device
) -> tuple[Tensor, list[int]]:
    """A row for each piece: where it begins, its length, whose it is among all and here. And how many each has."""
    pieces = -(-np.array(sizes) // PIECE)
    whose = np.repeat(np.arange(len(sizes)), pieces)
    begin = (np.arange(len(whose)) - np.repeat(np.cumsum(pieces) - pieces, pieces)) * PIECE
    lengths = np.minimum(np.array(sizes)[whose] - begin, PIECE)
    columns = np.array(addresses)[whose] + begin * itemsize, lengths, np.array(owners)[whose], whose
    return table(np.stack(columns, 1), device), pieces.tolist()
