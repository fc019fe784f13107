"""What a training leaves of the processor's cores, whoever uses them: itself, its helpers, or other programs."""

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
CORES = Path("/proc/stat")
"""Where Linux says what each core has done since it started."""
IDLE = slice(4, 6)
"""In a core's line: idle, and idle because of a disk."""


class Room:
    """Measures what is left while a training runs, not while it waits for a snapshot.

    Args:
        spent: Processor time of the threads that measure and draw, which the training could have had.
    """

    def __init__(self, spent: Spent) -> None:
        self._spent = spent
        self._past = np.zeros(4)
        self._since: npt.NDArray[np.float64] | None = self._read()

    def close(self) -> None:
        """The training waits from here."""
        self._past, self._since = self._so_far, None

    def reopen(self) -> None:
        """It continues."""
        self._since = self._read()

    @property
    def seconds(self) -> float:
        """For which the training ran."""
        return float(self._so_far[0])

    @property
    def spent(self) -> float:
        """Seconds of processor time that our threads took meanwhile."""
        return float(self._so_far[2])

    @property
    def idle_cores(self) -> float:
        """How many cores the training would have left idle on average, had our threads not been there.

        By the processor time of this process, which may be allowed less than the machine has, and by what the machine's
        cores say of all processes, such as those that load data. The latter is known on Linux alone.
        """
        _, used, ours, idle = self._so_far / max(self._so_far[0], 1e-9)
        return float(np.nanmin([usable_cores() - max(used - ours, 0.0), idle + ours]))

    @property
    def _so_far(self) -> npt.NDArray[np.float64]:
        return self._past if self._since is None else np.asarray(self._past + self._read() - self._since)

    def _read(self) -> npt.NDArray[np.float64]:
        """The clock, the processor time of this process and that of our threads, and how long cores have been idle."""
        return np.array([time.perf_counter(), time.process_time(), self._spent.seconds, idle_seconds()])


def usable_cores() -> float:
    """How many cores this process may use, by its affinity and by the quota of its container."""
    cores = len(_allowed() or range(os.cpu_count() or 1))
    # Without a quota its first word is "max"; elsewhere there is no such file.
    with suppress(OSError, ValueError):
        quota, period = QUOTA.read_text().split()
        return min(cores, int(quota) / int(period))
    return cores


def idle_seconds() -> float:
    """For how long the cores that this process may use have been idle, added up; NaN where that is not known."""
    allowed = {f"cpu{core}" for core in _allowed()}
    with suppress(OSError, ValueError):
        lines = [line.split() for line in CORES.read_text().splitlines()]
        ticks = [sum(map(int, words[IDLE])) for words in lines if words and words[0] in allowed]
        # A sandbox may have the file and nothing in it.
        return sum(ticks) / os.sysconf("SC_CLK_TCK") or np.nan
    return np.nan


def _allowed() -> set[int]:
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
