"""A device's two streams on a CPU: each does what it must in order, and everything else as late as it can."""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Callable

import torch
from torch import Tensor

GARBAGE = 0xEE


class _Event:
    done = False


class FakeStreams:
    """See `lightning_weightviz.measure.lane.Streams`; `computing` is the training's stream.

    Nothing happens before somebody waits, and then only what the wait asks for. Memory that is let go while it is not
    held is overwritten by what the training's stream does next; pinned memory is garbage until it is written.
    """

    def __init__(self) -> None:
        self.computing: deque[Callable[[], None] | _Event] = deque()
        self._copying: deque[tuple[str, _Event | Callable[[], None]]] = deque()
        self.buffers: list[Tensor] = []
        self.copies = 0

    def compute(self, work: Callable[[], None]) -> None:
        """Enqueues something on the training's stream."""
        self.computing.append(work)

    def follow(self) -> None:
        event = _Event()
        self.computing.append(event)
        self._copying.append(("wait", event))

    def copy(self, source: Tensor, target: Tensor) -> None:
        # As a device does, it keeps an address and not the tensor.
        bytes_there = source.numpy()
        held: dict[str, _Event | None] = {"behind": None}
        self._held = held
        weakref.finalize(source, self._let_go, bytes_there, held)

        def work() -> None:
            target.numpy()[:] = bytes_there
            self.copies += 1

        self._copying.append(("run", work))

    def hold(self, source: Tensor) -> None:
        self._held["behind"] = self._record()

    def mark(self) -> Callable[[], None]:
        event = self._record()
        return lambda: self._copy_until(event)

    def pinned(self, size: int) -> Tensor:
        buffer = torch.full((size,), GARBAGE, dtype=torch.uint8)
        self.buffers.append(buffer)
        return buffer

    def catch_up(self) -> None:
        """The training's stream does all that it was given; the other one nothing."""
        while self.computing:
            self._compute_one()

    def _record(self) -> _Event:
        event = _Event()
        self._copying.append(("record", event))
        return event

    def _let_go(self, memory, held) -> None:  # type: ignore[no-untyped-def]
        """The allocator gives the memory to the next one who asks: here, at once, to the training's stream."""

        def reuse() -> None:
            if held["behind"] is not None:
                self._copy_until(held["behind"])
            memory[:] = GARBAGE

        self.compute(reuse)

    def _compute_one(self) -> None:
        work = self.computing.popleft()
        if isinstance(work, _Event):
            work.done = True
        else:
            work()

    def _copy_until(self, event: _Event) -> None:
        while not event.done:
            kind, work = self._copying.popleft()
            if kind == "record":
                work.done = True  # type: ignore[union-attr]
            elif kind == "run":
                work()  # type: ignore[operator]
            else:
                while not work.done:  # type: ignore[union-attr]
                    self._compute_one()
