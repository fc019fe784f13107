"""Threads that stay out of a training's way: of low priority, and their processor time is known."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import torch

NICENESS = 10
"""By how much these threads stand back: a tenth of a core where a training wants all of it."""


class Spent:
    """Processor time, added up over threads."""

    def __init__(self) -> None:
        # Each thread writes to a place of its own, so that none waits for another.
        self._of_threads: dict[int, float] = {}

    @property
    def seconds(self) -> float:
        """So much until now."""
        return sum(list(self._of_threads.values()))

    @contextmanager
    def counting(self) -> Iterator[None]:
        """Adds what this thread takes in here; waiting is free."""
        begun = time.thread_time()
        try:
            yield
        finally:
            thread = threading.get_ident()
            self._of_threads[thread] = self._of_threads.get(thread, 0.0) + time.thread_time() - begun


def quiet_pool(count: int, name: str) -> ThreadPoolExecutor:
    """So many threads that stand back behind the training's."""
    return ThreadPoolExecutor(count, name, initializer=stand_back)


def quiet_thread(name: str) -> ThreadPoolExecutor:
    """A thread that stands back, and measures alone: see `lone_thread`."""
    return lone_thread(name, stand_back)


def lone_thread(name: str, begin: Callable[[], None] | None = None) -> ThreadPoolExecutor:
    """A thread that calls up no team of PyTorch's, which would take the cores of the training's.

    How many threads others have stays as it is.

    Args:
        name: Of the thread.
        begin: What it does first; None: nothing.
    """
    pool = ThreadPoolExecutor(1, name, initializer=begin)
    if "OpenMP" in torch.__config__.parallel_info():
        before = torch.get_num_threads()
        pool.submit(_stay_alone).result()
        # With OpenMP the number is each thread's own, but what was set last is that of threads to come.
        torch.set_num_threads(before)
    return pool


def _stay_alone() -> None:
    # A thread that has not asked yet would take the number of the others when it does.
    torch.get_num_threads()
    torch.set_num_threads(1)


def stand_back() -> None:
    """Lowers the priority of this thread alone, where the system knows threads by themselves: on Linux."""
    if sys.platform == "linux":
        # Not everywhere is it allowed.
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
