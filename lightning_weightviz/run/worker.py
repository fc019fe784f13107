"""What works while training goes on: one thread, in order, never ahead of its bounds."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Generic, TypeVar

from lightning_weightviz.run.threads import Spent, lone_thread, quiet_thread

MAX_WAITING = 8
"""How many snapshots may wait to be drawn, so that the end of training waits for seconds at most."""
MAX_WAITING_BYTES = 64 * 2**20
"""How much measured data may wait."""

Result = TypeVar("Result")


class Worker(Generic[Result]):
    """Does work in the order in which it was handed in; training takes out what is finished.

    Args:
        background: Whether to use a thread; else all is done when it is handed in.
        spent: Is told of the processor time that it takes while training continues.
    """

    def __init__(self, *, background: bool = True, spent: Spent | None = None) -> None:
        self._background = background
        self._spent = spent or Spent()
        self._executor: ThreadPoolExecutor | None = None
        self._stands_back = True
        self._waiting: deque[tuple[Future[Result], int]] = deque()

    @property
    def _is_full(self) -> bool:
        sizes = [size for future, size in self._waiting if not future.done()]
        return len(sizes) >= MAX_WAITING or sum(sizes) > MAX_WAITING_BYTES

    def submit(self, work: Callable[[], Result], size: int = 0, *, stands_back: bool = True) -> Future[Result]:
        """Hands in work; waits while too much is waiting.

        Args:
            work: Is done after all that was handed in before.
            size: How many bytes it holds on to until it is done.
            stands_back: Whether its thread leaves the cores to a training that continues. One that waits for it would
                wait for others' programs, too.
        """
        while self._is_full:
            # By now it may be done.
            unfinished = next((future for future, _ in self._waiting if not future.done()), None)
            if unfinished is not None:
                unfinished.exception()
        future: Future[Result]
        if self._background:
            future = self._thread(stands_back).submit(partial(self._counted, work) if stands_back else work)
        else:
            future = Future()
            try:
                future.set_result(work())
            except Exception as error:
                future.set_exception(error)
        self._waiting.append((future, size))
        return future

    def _thread(self, stands_back: bool) -> ThreadPoolExecutor:
        """One thread at a time, so that all is done in order; what has stood back cannot come forward again."""
        if stands_back != self._stands_back:
            self._let_go()
        # Made here, not in the constructor: a callback must pickle before training starts (ddp_spawn).
        if self._executor is None:
            self._executor = quiet_thread("weightviz") if stands_back else lone_thread("weightviz")
            self._stands_back = stands_back
        return self._executor

    def _let_go(self) -> None:
        if self._executor is not None:
            self._executor.shutdown()
            self._executor = None

    def _counted(self, work: Callable[[], Result]) -> Result:
        with self._spent.counting():
            return work()

    def wait(self) -> None:
        """Waits until all that was handed in is done; it stays to be taken out."""
        for future, _ in self._waiting:
            future.exception()

    def finished(self) -> Iterator[Future[Result]]:
        """What is done and comes before all that is not, in order; without waiting."""
        while self._waiting and self._waiting[0][0].done():
            yield self._waiting.popleft()[0]

    def drain(self) -> Iterator[Future[Result]]:
        """All that was handed in, in order; waits for it, and lets the thread go."""
        while self._waiting:
            # Ctrl-C while it is waited for leaves it here, to be drained again.
            self._waiting[0][0].exception()
            yield self._waiting.popleft()[0]
        self._let_go()
