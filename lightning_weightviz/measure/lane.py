"""Copies between a device with a stream and the host, which no stream of the training waits for.

Only `CudaStreams` knows ``torch.cuda``; it decides nothing. What is to be copied is computed where the training
computes, in its order, so that no weight can change before it was read. The copy itself reads no weight and has a
stream of its own: the training's next step need not wait until the bytes have left.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import cache
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Bytes = npt.NDArray[np.uint8]
KEPT = 4
"""Free buffers of one device that are kept: one for each target that is measured at once, and one."""


class Streams(Protocol):
    """What a `Lane` asks of one device: its stream for copies, beside the one that the training computes on."""

    def follow(self) -> None:
        """Copies wait from now on for all that the training's stream has been given so far."""

    def copy(self, source: Tensor, target: Tensor) -> None:
        """Enqueues a copy behind the others."""

    def hold(self, source: Tensor) -> None:
        """Whenever the memory is let go, nobody gets it before the copies enqueued so far are done."""

    def mark(self) -> Callable[[], None]:
        """Gives what waits until the copies enqueued so far are done."""

    def pinned(self, size: int) -> Tensor:
        """Memory of the host that the device writes to by itself, uint8, (size,)."""


class CudaStreams:
    """The streams of a CUDA device.

    Args:
        device: With its index.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._own = torch.cuda.Stream(device)

    def follow(self) -> None:
        """See `Streams`."""
        self._own.wait_stream(torch.cuda.current_stream(self._device))

    def copy(self, source: Tensor, target: Tensor) -> None:
        """See `Streams`."""
        with torch.cuda.stream(self._own):
            target.copy_(source, non_blocking=True)

    def hold(self, source: Tensor) -> None:
        """See `Streams`."""
        source.record_stream(self._own)

    def mark(self) -> Callable[[], None]:
        """See `Streams`."""
        # Who waits for it sleeps and leaves its core to the training.
        event = torch.cuda.Event(blocking=True)
        event.record(self._own)

        def wait() -> None:
            # Another thread than the training's would first make itself at home on device 0.
            with torch.cuda.device(self._device):
                event.synchronize()

        return wait

    def pinned(self, size: int) -> Tensor:
        """See `Streams`."""
        return torch.empty(size, dtype=torch.uint8, device="cpu", pin_memory=True)


class Lane:
    """Brings bytes from one device to the host.

    Its buffers are kept, as pinned memory costs more than the copy. A buffer is given away again once its bytes have
    been copied out of it, so what was read shares memory with nothing.

    Args:
        streams: Of the device.
    """

    def __init__(self, streams: Streams) -> None:
        self._streams = streams
        self._free: list[Tensor] = []
        self._lock = threading.Lock()

    def send(self, packed: Tensor) -> Callable[[], Bytes]:
        """Enqueues the copy of uint8, (n,); what is returned waits for it and reads it, once and from any thread."""
        buffer = self._take(len(packed))
        self._streams.follow()
        self._streams.copy(packed, buffer[: len(packed)])
        self._streams.hold(packed)
        wait, size = self._streams.mark(), len(packed)

        def read() -> Bytes:
            wait()
            data: Bytes = buffer[:size].numpy().copy()
            self._give(buffer)
            return data

        return read

    def _take(self, size: int) -> Tensor:
        """The smallest free buffer of at least that size, or a new one."""
        with self._lock:
            fitting = [place for place, buffer in enumerate(self._free) if len(buffer) >= size]
            if fitting:
                return self._free.pop(min(fitting, key=lambda place: len(self._free[place])))
        # It outlives a snapshot in inference mode, whose tensors could not be written to later.
        with torch.inference_mode(False):
            return self._streams.pinned(1 << (size - 1).bit_length())

    def _give(self, buffer: Tensor) -> None:
        with self._lock:
            self._free.append(buffer)
            self._free.sort(key=len)
            # The largest ones serve all.
            del self._free[:-KEPT]


@cache
def _cuda_lane(device: torch.device) -> Lane:
    return Lane(CudaStreams(device))


def lane_of(device: torch.device) -> Lane | None:
    """That of a device, the same each time; None where there are no streams to copy on."""
    return _cuda_lane(device) if device.type == "cuda" else None


def to_device(tensor: Tensor, device: torch.device) -> Tensor:
    """The same values there; enqueued where the device has a stream, and nothing waits until they have arrived."""
    if device.type == "cuda" and tensor.device.type == "cpu":
        # From memory that is not pinned the host would wait for all that was enqueued before.
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=device.type == "cuda")
