"""What a training leaves of the processor's cores."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lightning_weightviz.run.threads import Spent

QUOTA = Path("/sys/fs/cgroup/cpu.max")
"""Where Linux says what a container may use: microseconds of all its cores, in so many of the clock's."""


class Room:
    """Measures what is left while a training runs, not while it waits for a snapshot.

    Args:
        spent: Processor time of the threads that measure and draw, which the training could have had.
    """

    def __init__(self, spent: Spent) -> None:
        self._spent = spent
        self._past = np.zeros(3)
        self._since: npt.NDArray[np.float64] | None = self._read()

    def close(self) -> None:
        """The training waits from here."""
        self._past, self._since = self._so_far, None

    def reopen(self) -> None:
        """It continues."""
        self._since = self._read()

    @property
    def spent(self) -> float:
        """Seconds of processor time that our threads took while the training ran."""
        return float(self._so_far[2])

    @property
    def idle_cores(self) -> float:
        """How many cores this process would have left idle on average, had our threads not been there.

        What other processes use is not counted: where those that load data keep all cores busy, a thread of ours takes
        a little from each of them, not all of its time from the training.
        """
        seconds, used, ours = self._so_far
        return usable_cores() - float(max(used - ours, 0.0) / max(seconds, 1e-9))

    @property
    def _so_far(self) -> npt.NDArray[np.float64]:
        return self._past if self._since is None else np.asarray(self._past + self._read() - self._since)

    def _read(self) -> npt.NDArray[np.float64]:
        """The clock, the processor time of this process, and that of our threads."""
        return np.array([time.perf_counter(), time.process_time(), self._spent.seconds])


def usable_cores() -> float:
    """How many cores this process may use, by its affinity and by the quota of its container."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    # Without a quota its first word is "max"; elsewhere there is no such file.
    with suppress(OSError, ValueError):
        quota, period = QUOTA.read_text().split()
        return min(cores, int(quota) / int(period))
    return cores
