"""A measurement on its way to the host."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from lightning_weightviz.measure.packing import Arrival
from lightning_weightviz.measure.report import Measured


class Pending:
    """What `Meter.measure` returns: the promise of a `Measured`."""

    def __init__(self, arrivals: Sequence[Arrival], finish: Callable[[], Measured]) -> None:
        self._arrivals = arrivals
        self._finish = finish
        self._measured: Measured | None = None

    def ready(self) -> bool:
        """Whether `result` would return without waiting for a device."""
        return self._measured is not None or all(arrival.ready() for arrival in self._arrivals)

    def result(self) -> Measured:
        """What was measured; waits if it must. Any thread may call it, one at a time; always the same object."""
        if self._measured is None:
            with torch.no_grad():
                self._measured = self._finish()
        return self._measured
