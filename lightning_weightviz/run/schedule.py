"""When to take a snapshot: by epochs, by optimizer steps, and never at a higher price than the user allows."""

from __future__ import annotations

import statistics
import sys
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from lightning_weightviz.run.room import Room
from lightning_weightviz.run.threads import Spent

FREE_SECONDS = 2.0
"""So much is free, so that a short run shows every epoch, however small its network."""
ALL_PICTURES = 0.5
"""Until so much of what is allowed is used up, all pictures may be drawn; from there on fewer and fewer."""
NO_PICTURES = 0.8
"""From here on none; the rest is for numbers."""
RECENT = 101
"""So many of the last batches tell how long one takes."""
ENOUGH_CORES = 0.5
"""Idle cores from which on a training loses less to work beside it than by waiting for it."""
FEW_WEIGHTS = 2**20
"""Batches of a network of no more are taken for short until one is timed."""


class Schedule:
    """Decides which moments get a snapshot.

    Args:
        every_n_epochs: None switches epochs off.
        every_n_train_steps: Optimizer steps; None switches them off.
        max_overhead: Share of the training time that snapshots may take from it; None: any.
        spent: Processor time of the threads that measure and draw.
        weights: How many the network has.

    Attributes:
        left_out: How many snapshots were due and not taken.
        undrawn: How many were taken that could not have all their pictures.
    """

    def __init__(
        self,
        every_n_epochs: int | None,
        every_n_train_steps: int | None,
        max_overhead: float | None,
        spent: Spent | None = None,
        weights: int = 0,
    ) -> None:
        self._every_n_epochs = every_n_epochs
        self._every_n_train_steps = every_n_train_steps
        self._max_overhead = max_overhead
        self._spent = spent or Spent()
        self._weights = weights
        self._blocked = 0.0
        self._batches: deque[float] = deque(maxlen=RECENT)
        self.left_out = self.undrawn = 0
        self.start()

    def start(self) -> None:
        """The training begins: shares are of the time from here."""
        self._started = self._last_batch = time.perf_counter()
        self._room = Room(self._spent)

    @contextmanager
    def blocking(self) -> Iterator[None]:
        """Counts the time in here as taken from the training."""
        begun = time.perf_counter()
        try:
            yield
        finally:
            self._blocked += time.perf_counter() - begun

    @contextmanager
    def taking(self) -> Iterator[None]:
        """The same for a snapshot; what our threads do in here takes nothing more."""
        self._room.close()
        try:
            with self.blocking():
                yield
        finally:
            self._room.reopen()
            self._last_batch = time.perf_counter()

    def count_batch(self) -> None:
        """A batch has ended; what a snapshot took in it is not its own."""
        now = time.perf_counter()
        self._batches.append(now - self._last_batch)
        self._last_batch = now

    def is_epoch_due(self, epochs: int) -> bool:
        """Whether a snapshot is due after so many finished epochs."""
        return self._every_n_epochs is not None and epochs % self._every_n_epochs == 0

    def is_step_due(self, before: int, after: int) -> bool:
        """Whether a boundary lies in the optimizer steps behind `before`, up to `after`.

        Several optimizers count several steps a batch, and accumulation none: a boundary is crossed, not hit.
        """
        every = self._every_n_train_steps
        return every is not None and after // every > before // every

    @property
    def lost(self) -> float:
        """Seconds that snapshots have taken from the training.

        These are the seconds for which it stood still, and of the processor time of our threads besides the share for
        which it left no core idle.
        """
        return self._blocked + self._room.spent * min(max(1.0 - self._room.idle_cores, 0.0), 1.0)

    @property
    def leaves_room(self) -> bool:
        """Whether the training loses less to work beside it than by waiting until that is done.

        It needs a core that is idle. And batches that take longer than Python lets a thread keep the interpreter:
        shorter ones are mostly Python's, and would wait for it again and again.
        """
        return not self._has_short_batches and self._room.idle_cores >= ENOUGH_CORES

    @property
    def _has_short_batches(self) -> bool:
        if not self._batches:
            return self._weights <= FEW_WEIGHTS
        # The median, so that what comes between two epochs does not count.
        return statistics.median(self._batches) < sys.getswitchinterval()

    def affords(self, agreed: Callable[[bool], bool] = bool) -> bool:
        """Whether a snapshot may be taken now, by the price so far; counts those that may not.

        Args:
            agreed: What becomes of this rank's decision, where several must take the same.
        """
        affords = self._max_overhead is None or agreed(self._used_up <= 1.0)
        self.left_out += not affords
        return affords

    def affordable_pictures(self) -> float:
        """Which share of the pictures may be drawn of a snapshot that is taken now; counts those that may not have all.

        Numbers and histograms are worth more than pictures and cost less, so pictures stop first.
        """
        used_up = 0.0 if self._max_overhead is None else self._used_up
        share = min(max((NO_PICTURES - used_up) / (NO_PICTURES - ALL_PICTURES), 0.0), 1.0)
        self.undrawn += share < 1.0
        return share

    @property
    def _used_up(self) -> float:
        """What is lost, as a share of what is allowed by now."""
        elapsed = time.perf_counter() - self._started
        return self.lost / (FREE_SECONDS + (self._max_overhead or 0.0) * elapsed)

    def warn_of_left_out(self) -> None:
        """The training is over: says what it lacks, and what snapshots have taken.

        Warns:
            UserWarning: There are some.
        """
        if self.left_out or self.undrawn:
            warnings.warn(
                f"{self.left_out} snapshots were skipped and {self.undrawn} taken with fewer pictures or none, to "
                f"keep within max_overhead={self._max_overhead}: snapshots cost the training {self.lost:.1f} s; "
                "pass max_overhead=None to take them all",
                stacklevel=3,
            )
