"""Parts of a batch, each failing alone: what cannot be written takes nothing else with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

Alone = Callable[[], AbstractContextManager[None]]


@contextmanager
def each_alone() -> Iterator[Alone]:
    """Gives what lets each part fail on its own; all are tried, and at the end the first error is raised.

    Not for calls that wait for a server: where it is away, each would wait for it anew.

    Example:
        >>> with each_alone() as alone:
        ...     for text in ("1", "one", "2"):
        ...         with alone():
        ...             print(int(text))
        Traceback (most recent call last):
        ValueError: invalid literal for int() with base 10: 'one'
    """
    errors: list[Exception] = []

    @contextmanager
    def alone() -> Iterator[None]:
        try:
            yield
        except Exception as error:
            errors.append(error)

    yield alone
    if errors:
        raise errors[0]
