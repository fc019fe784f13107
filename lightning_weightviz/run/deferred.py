"""Work that is put off: done once, when its result is first asked for."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable
from typing import Generic, TypeVar

Result = TypeVar("Result")


class Deferred(Generic[Result]):
    """The promise of a result.

    Example:
        >>> def measure():
        ...     print("measuring")
        ...     return 3
        >>> deferred = Deferred(measure)
        >>> deferred.result(), deferred.result()
        measuring
        (3, 3)
    """

    def __init__(self, work: Callable[[], Result]) -> None:
        self._work: Callable[[], Result] | None = work
        self._lock = threading.Lock()
        self._result: Result
        self._error: Exception | None = None

    @property
    def is_done(self) -> bool:
        """Whether the result is there, or the error."""
        return self._work is None

    def result(self) -> Result:
        """Does the work, or gives what it gave; any thread may ask, and waits for another that asked first.

        Work that is interrupted, as by Ctrl-C, has given nothing: who asks next has it done again.

        Raises:
            Exception: What the work raised, each time.
        """
        with self._lock:
            if self._work is not None:
                try:
                    self._result = self._work()
                except Exception as error:
                    # The frames of its error hold on to what it had in hand; their lines stay known.
                    traceback.clear_frames(error.__traceback__)
                    self._error = error
                # What the work holds on to, such as copies of weights, is let go.
                self._work = None
        if self._error is not None:
            raise self._error
        return self._result
