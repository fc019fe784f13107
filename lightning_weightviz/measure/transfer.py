"""One copy from a device to the host for any number of small tensors."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Array = npt.NDArray[Any]
Arrays = dict[Any, Array]
"""What arrived, by the keys under which it was packed."""


class Arrival:
    """What was sent: the bytes on the host, once they are there."""

    def __init__(self, pieces: list[tuple[Hashable, Tensor]], buffer: Tensor, event: torch.Event | None) -> None:
        self._layout = [(key, _numpy_dtype(piece.dtype), tuple(piece.shape), piece.numel()) for key, piece in pieces]
        self._buffer = buffer
        self._event = event

    def arrays(self) -> Arrays:
        """Each tensor by its key, as it was when it was sent; waits if it must."""
        if self._event is not None:
            self._event.synchronize()
        data = self._buffer.numpy()
        arrays: Arrays = {}
        offset = 0
        for key, dtype, shape, count in self._layout:
            end = offset + count * dtype.itemsize
            arrays[key] = data[offset:end].view(dtype).reshape(shape)
            offset = end
        return arrays


class Packer:
    """Collects small tensors of one device and sends them together."""

    def __init__(self) -> None:
        self._pieces: list[tuple[Hashable, Tensor]] = []

    def add(self, key: Hashable, tensor: Tensor) -> None:
        """Puts a tensor of a dtype that numpy has into the parcel."""
        self._pieces.append((key, tensor))

    def send(self) -> Arrival:
        """Starts the copy and does not wait for it. What is sent shares no memory with anything."""
        # The widest first: each piece then starts at a multiple of its item size.
        pieces = sorted(self._pieces, key=lambda piece: -piece[1].element_size())
        if not pieces:
            return Arrival([], torch.empty(0, dtype=torch.uint8, device="cpu"), None)
        packed = torch.cat([piece.detach().contiguous().view(-1).view(torch.uint8) for _, piece in pieces])
        if packed.device.type == "cpu":
            return Arrival(pieces, packed, None)
        if packed.device.type != "cuda":
            return Arrival(pieces, packed.cpu(), None)
        host = torch.empty(packed.shape, dtype=torch.uint8, device="cpu", pin_memory=True)
        stream = torch.cuda.current_stream(packed.device)
        host.copy_(packed, non_blocking=True)
        event = torch.cuda.Event()
        event.record(stream)
        return Arrival(pieces, host, event)


def _numpy_dtype(dtype: torch.dtype) -> np.dtype[np.generic]:
    return torch.empty(0, dtype=dtype, device="cpu").numpy().dtype
