"""Many tensors as the rows of one matrix, where each operation is a launch: so many for all, and not for each."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from lightning_weightviz.measure.device.memory_order import flat
from lightning_weightviz.measure.device.row_sums import extremes_of, magnitude_of, row_sums
from lightning_weightviz.measure.device.scaling import power_above, widen
from lightning_weightviz.measure.device.slots import count_slots, slots
from lightning_weightviz.measure.lane import to_device

ROW = 1 << 14
"""Elements of a row."""


@dataclass(frozen=True)
class Rows:
    """How tensors lie in rows.

    Attributes:
        pieces: Rows of each tensor.
        padding: Elements that each row is filled up with.
        owner: int64, (rows,), whose each is.
        members: int64, (tensors, most), the rows of each; the last repeated where they are fewer.
    """

    pieces: tuple[int, ...]
    padding: tuple[int, ...]
    owner: Tensor
    members: Tensor


@dataclass(frozen=True)
class Found:
    """What was found of some tensors; see `lightning_weightviz.measure.device.moments.Pieces.add`.

    Attributes:
        rows: How they lie.
        numbers: Of each row.
        counts: Of each tensor.
        scale: Of each tensor.
        magnitude: Of each tensor, (k,).
    """

    rows: Rows
    numbers: Tensor
    counts: Tensor
    scale: Tensor
    magnitude: Tensor


def batches(tensors: Sequence[Tensor], indices: Sequence[int], elements: int) -> Iterator[list[int]]:
    """Those of `indices` of one dtype together, as many as have so many elements in rows; a larger one is alone."""
    by_dtype: dict[torch.dtype, list[int]] = {}
    for index in indices:
        by_dtype.setdefault(tensors[index].dtype, []).append(index)
    for of_dtype in by_dtype.values():
        batch: list[int] = []
        size = 0
        for index in of_dtype:
            more = -(-tensors[index].numel() // ROW) * ROW
            if batch and size + more > elements:
                yield batch
                batch, size = [], 0
            batch.append(index)
            size += more
        yield batch


def measure_rows(tensors: Sequence[Tensor]) -> Found:
    """Measures tensors of one dtype, of any shapes, each with at least one element."""
    device = tensors[0].device
    lie = _rows_of(tuple(tensor.numel() for tensor in tensors), device)
    rows = widen(_filled([flat(tensor) for tensor in tensors])).view(-1, ROW)
    low, high = extremes_of(rows)
    magnitude = magnitude_of(low, high)[lie.members].amax(1)
    scale = power_above(magnitude)
    of_row = scale[lie.owner]
    counts = count_slots(slots(rows * of_row.unsqueeze(1)), lie.owner, len(tensors))
    return Found(lie, row_sums(rows, low, high, of_row), counts, scale, magnitude)


def _filled(values: Sequence[Tensor]) -> Tensor:
    """One after the other, each filled up with NaN to whole rows."""
    if values[0].element_size() == 1:  # of eight bits, not every type has a NaN that can be filled in
        values = [widen(one) for one in values]
    nan = torch.full((ROW,), math.nan, dtype=values[0].dtype, device=values[0].device)
    return torch.cat([part for one in values for part in (one, nan[: -len(one) % ROW])])


# The same of each snapshot.
@lru_cache(maxsize=64)
def _rows_of(sizes: tuple[int, ...], device: torch.device) -> Rows:
    pieces = np.array([-(-size // ROW) for size in sizes], np.int64)
    last = np.cumsum(pieces) - 1
    members = np.minimum((last - pieces + 1)[:, None] + np.arange(pieces.max()), last[:, None])
    padding = np.zeros(pieces.sum(), np.int64)
    padding[last] = pieces * ROW - np.array(sizes)
    owner = np.repeat(np.arange(len(sizes)), pieces)
    owner_there, members_there = (to_device(torch.from_numpy(one), device) for one in (owner, members))
    return Rows(tuple(pieces.tolist()), tuple(padding.tolist()), owner_there, members_there)
