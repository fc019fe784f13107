"""One copy from a device to the host for any number of small tensors."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from lightning_weightviz.measure.lane import Bytes, lane_of

Array = npt.NDArray[Any]
Arrays = dict[Any, Array]
"""What arrived, by the keys under which it was packed."""


class Arrival:
    """What was sent.

    Args:
        pieces: What was packed, in this order.
        read: Gives the bytes once they are on the host; waits for them if it must.
    """

    def __init__(self, pieces: Sequence[tuple[Hashable, Tensor]], read: Callable[[], Bytes]) -> None:
        self._layout = [(key, _numpy_dtype(piece.dtype), tuple(piece.shape), piece.numel()) for key, piece in pieces]
        self._read = read

    def arrays(self) -> Arrays:
        """Each tensor by its key, as it was when it was sent; waits if it must. To be called once."""
        data = self._read()
        arrays: Arrays = {}
        offset = 0
        for key, dtype, shape, count in self._layout:
            end = offset + count * dtype.itemsize
            arrays[key] = data[offset:end].view(dtype).reshape(shape)
            offset = end
        return arrays


class Copied:
    """What was on the host already.

    Args:
        pieces: What was packed; copied one by one.
    """

    def __init__(self, pieces: Sequence[tuple[Hashable, Tensor]]) -> None:
        self._arrays = {key: piece.detach().numpy().copy() for key, piece in pieces}

    def arrays(self) -> Arrays:
        """As of `Arrival`."""
        return self._arrays


class Packer:
    """Collects small tensors of one device and sends them together.

    Args:
        here: Whether they are on the host: each is copied by itself.
    """

    def __init__(self, *, here: bool = False) -> None:
        self._here = here
        self._pieces: list[tuple[Hashable, Tensor]] = []

    def add(self, key: Hashable, tensor: Tensor) -> None:
        """Puts a tensor of a dtype that numpy has into the parcel."""
        self._pieces.append((key, tensor))

    def send(self) -> Arrival | Copied:
        """Starts the copy and does not wait for it. What is sent shares no memory with anything."""
        if self._here:
            return Copied(self._pieces)
        # The widest first: each piece then starts at a multiple of its item size.
        pieces = sorted(self._pieces, key=lambda piece: -piece[1].element_size())
        if not pieces:
            return Arrival([], _nothing)
        packed = torch.cat([piece.detach().contiguous().view(-1).view(torch.uint8) for _, piece in pieces])
        lane = lane_of(packed.device)
        return Arrival(pieces, packed.cpu().numpy if lane is None else lane.send(packed))


def _nothing() -> Bytes:
    return np.empty(0, np.uint8)


@lru_cache
def _numpy_dtype(dtype: torch.dtype) -> np.dtype[np.generic]:
    return torch.empty(0, dtype=dtype, device="cpu").numpy().dtype
