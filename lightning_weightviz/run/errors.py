"""The error policy: errors are reported once and never reach training."""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, TypeVar, cast

MOST_REPORTS = 8
"""Of one thing that fails: a fault whose place or type changes from time to time must not flood the output."""


_Hook = TypeVar("_Hook", bound=Callable[..., None])


class ArgumentError(ValueError):
    """What the user asked for does not fit the model. It stops the training: the user wants to know it first."""


class Tolerance:
    """Turns errors into warnings: one for each cause of each thing that fails, at most `MOST_REPORTS` for each thing.

    The cause is the type of the error and the line that raised it.

    Args:
        passing: Types of errors that the user wants to see raised.
    """

    def __init__(self, passing: tuple[type[Exception], ...] = (ArgumentError,)) -> None:
        self._passing = passing
        self._reported: defaultdict[str, set[tuple[type[Exception], str]]] = defaultdict(set)

    @contextmanager
    def of(self, what: str) -> Iterator[None]:
        """What goes wrong in here is reported under the name `what`."""
        try:
            yield
        except self._passing:
            raise
        except Exception as error:
            self.report(what, error)

    def report(self, what: str, error: Exception) -> None:
        """Warns of an error that was caught elsewhere."""
        reported, cause = self._reported[what], (type(error), _raised_at(error))
        if cause not in reported and len(reported) < MOST_REPORTS:
            reported.add(cause)
            said = str(error).rstrip(".")
            message = (
                f"{what} failed with {type(error).__name__}: {said}. Training continues; this is reported only once."
            )
            # A registry of its own: Python's default shows a message once a process, and a second run has its own.
            warnings.warn_explicit(message, UserWarning, __file__, 1, registry={})


class LaterTolerance:
    """Keeps the errors of another thread until the training's reports them, which alone may warn."""

    def __init__(self) -> None:
        self._caught: list[tuple[str, Exception]] = []

    @contextmanager
    def of(self, what: str) -> Iterator[None]:
        """What goes wrong in here is to be reported under the name `what`."""
        try:
            yield
        except Exception as error:
            self._caught.append((what, error))

    def report_to(self, tolerance: Tolerance) -> None:
        """Reports what was caught since."""
        caught, self._caught = self._caught, []
        for what, error in caught:
            tolerance.report(what, error)


def tolerant(hook: _Hook) -> _Hook:
    """Lets a callback's hook report what goes wrong in it, once, to the `Tolerance` that is its ``_tolerance``."""

    @wraps(hook)
    def guarded(self: Any, *arguments: Any, **named: Any) -> None:
        with self._tolerance.of(f"the hook {hook.__name__}"):
            hook(self, *arguments, **named)

    return cast(_Hook, guarded)


def _raised_at(error: Exception) -> str:
    """``<file>:<line>`` where an error was raised; empty where it never was."""
    trace, place = error.__traceback__, ""
    while trace is not None:
        place = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
        trace = trace.tb_next
    return place
