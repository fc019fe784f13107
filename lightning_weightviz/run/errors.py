"""The error policy: what goes wrong is told once and does not reach the training."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager


class ArgumentError(ValueError):
    """What the user asked for does not fit the model. It stops the training: the user wants to know it first."""


class Tolerance:
    """Turns errors into warnings, one for each thing that fails.

    Args:
        passing: Types of errors that the user wants to see raised.
    """

    def __init__(self, passing: tuple[type[Exception], ...] = (ArgumentError,)) -> None:
        self._passing = passing
        self._told: set[str] = set()

    @contextmanager
    def of(self, what: str) -> Iterator[None]:
        """What goes wrong in here is told under the name `what`."""
        try:
            yield
        except self._passing:
            raise
        except Exception as error:
            self.tell(what, error)

    def tell(self, what: str, error: Exception) -> None:
        """Warns of an error that was caught elsewhere."""
        if what not in self._told:
            self._told.add(what)
            message = f"{what} failed with {type(error).__name__}: {error}. Training goes on; this is said once."
            # A registry of its own: Python's default shows a message once a process, and a second run has its own.
            warnings.warn_explicit(message, UserWarning, __file__, 1, registry={})
