"""When to take a snapshot: by epochs, by optimizer steps, and never at a higher price than the user allows."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

FREE_SECONDS = 5.0
"""So much blocked time is free, so that a short run shows every epoch, however small its network."""


class Schedule:
    """Decides which moments get a snapshot.

    Args:
        every_n_epochs: None switches epochs off.
        every_n_train_steps: Optimizer steps; None switches them off.
        max_overhead: Share of the training time that snapshots may block; None: any.

    Attributes:
        left_out: How many snapshots were due and not taken.
    """

    def __init__(self, every_n_epochs: int | None, every_n_train_steps: int | None, max_overhead: float | None) -> None:
        self._every_n_epochs = every_n_epochs
        self._every_n_train_steps = every_n_train_steps
        self._max_overhead = max_overhead
        self._started = time.perf_counter()
        self._blocked = 0.0
        self.left_out = 0

    def start(self) -> None:
        """The training begins: shares are of the time from here."""
        self._started = time.perf_counter()

    @contextmanager
    def blocking(self) -> Iterator[None]:
        """Counts the time in here as taken from the training."""
        begun = time.perf_counter()
        try:
            yield
        finally:
            self._blocked += time.perf_counter() - begun

    def is_epoch_due(self, epochs: int) -> bool:
        """Whether a snapshot is due after so many finished epochs."""
        return self._every_n_epochs is not None and epochs % self._every_n_epochs == 0

    def is_step_due(self, before: int, after: int) -> bool:
        """Whether a boundary lies in the optimizer steps behind `before`, up to `after`.

        Several optimizers count several steps a batch, and accumulation none: a boundary is crossed, not hit.
        """
        every = self._every_n_train_steps
        return every is not None and after // every > before // every

    def affords(self, agreed: Callable[[bool], bool] = bool) -> bool:
        """Whether a snapshot may be taken now, by the price so far; counts those that may not.

        Args:
            agreed: What becomes of this rank's decision, where several must take the same.
        """
        if self._max_overhead is None:
            return True
        elapsed = time.perf_counter() - self._started
        affords = agreed(self._blocked <= FREE_SECONDS + self._max_overhead * elapsed)
        self.left_out += not affords
        return affords

    def warn_of_left_out(self) -> None:
        """The training is over: says how many snapshots it lacks.

        Warns:
            UserWarning: There are some.
        """
        if self.left_out:
            warnings.warn(
                f"{self.left_out} snapshots were skipped to keep the overhead below "
                f"max_overhead={self._max_overhead}; pass max_overhead=None to take them all",
                stacklevel=3,
            )
