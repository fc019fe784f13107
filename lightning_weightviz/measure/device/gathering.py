"""Elements of many tensors, taken in few operations: for devices where each operation is a launch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from lightning_weightviz.measure.lane import to_device

JOINED = 1 << 20
"""Most elements of a tensor that is put beside others before they are taken: copies of more cost more than launches."""
BATCH = 1 << 23
"""Most elements that lie beside each other at a time."""

Places = npt.NDArray[np.int64]


def take(tensor: Tensor, index: Tensor) -> Tensor:
    """Elements by their place in the flattened tensor, of any dtype and layout."""
    if tensor.element_size() == 1:  # torch.take knows no float8
        return torch.take(tensor.view(torch.uint8), index).view(tensor.dtype)
    return torch.take(tensor, index)


def at(values: Tensor, *places: Tensor) -> Tensor:
    """``values[places]``, of any dtype."""
    if values.element_size() == 1:  # Not every PyTorch can index float8, but bytes it can.
        return values.view(torch.uint8)[places].view(values.dtype)
    return values[places]


class Gathering:
    """Takes the same elements of tensors of the same dtypes and layouts, again and again.

    Args:
        tensors: Of one device.
        places: Which elements of each, int64.
        padding: How many zeros follow those of each.
    """

    def __init__(self, tensors: Sequence[Tensor], places: Sequence[Places], padding: Sequence[int]) -> None:
        device = tensors[0].device
        self._batches = _batches(tensors)
        self._index = [to_device(torch.from_numpy(_in_row(tensors, places, one)), device) for one in self._batches]
        self._zero = torch.zeros(1, dtype=torch.float32, device=device)
        # Where each tensor's elements lie in what the batches give, one after the other; the zero is behind them all.
        counts = np.array([len(one) for one in places], np.int64)
        starts = np.zeros(len(counts), np.int64)
        order = [place for batch in self._batches for place in batch]
        starts[order] = np.cumsum(counts[order]) - counts[order]
        zero = int(counts.sum())
        pieces = [
            np.concatenate([np.arange(start, start + count), np.full(zeros, zero)])
            for start, count, zeros in zip(starts, counts, padding, strict=True)
        ]
        self._order = to_device(torch.from_numpy(np.concatenate(pieces)), device)

    def __call__(self, tensors: Sequence[Tensor]) -> Tensor:
        """The elements of one tensor after those of the other, each followed by its zeros, float32; a copy."""
        parts = [
            self._of_batch([tensors[place] for place in batch], index).to(torch.float32)
            for batch, index in zip(self._batches, self._index, strict=True)
        ]
        return torch.cat([*parts, self._zero]).index_select(0, self._order)

    def _of_batch(self, tensors: Sequence[Tensor], index: Tensor) -> Tensor:
        if len(tensors) == 1:
            return take(tensors[0], index)
        dtype = tensors[0].dtype
        # Not every type of eight bits can be put together, but bytes can.
        kept = torch.uint8 if dtype.itemsize == 1 else dtype
        return torch.cat([tensor.view(-1).view(kept) for tensor in tensors]).index_select(0, index).view(dtype)


def _batches(tensors: Sequence[Tensor]) -> list[list[int]]:
    """Which are taken together: small ones of one dtype whose elements lie in order, all others alone."""
    done: list[list[int]] = []
    open_ones: dict[torch.dtype, list[int]] = {}
    for place, tensor in enumerate(tensors):
        if tensor.numel() > JOINED or not tensor.is_contiguous():
            done.append([place])
            continue
        batch = open_ones.setdefault(tensor.dtype, [])
        if sum(tensors[one].numel() for one in batch) + tensor.numel() > BATCH:
            done.append(batch)
            batch = open_ones[tensor.dtype] = []
        batch.append(place)
    return done + list(open_ones.values())


def _in_row(tensors: Sequence[Tensor], places: Sequence[Places], batch: Sequence[int]) -> Places:
    """Places of the elements where the tensors of a batch lie one after the other."""
    sizes = np.array([tensors[place].numel() for place in batch], np.int64)
    starts = np.cumsum(sizes) - sizes
    return np.concatenate([places[place] + start for place, start in zip(batch, starts, strict=True)])
