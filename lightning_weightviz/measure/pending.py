"""A measurement that is under way, or still to be done."""

from __future__ import annotations

from collections.abc import Callable

import torch

from lightning_weightviz.measure.host.measurements import Measured


class Pending:
    """What `Meter.measure` returns: the promise of a `Measured`."""

    def __init__(self, finish: Callable[[], Measured]) -> None:
        self._finish = finish
        self._measured: Measured | None = None

    def result(self) -> Measured:
        """What was measured; waits if it must. Any thread may call it, one at a time; always the same object."""
        if self._measured is None:
            with torch.no_grad():
                self._measured = self._finish()
        return self._measured
