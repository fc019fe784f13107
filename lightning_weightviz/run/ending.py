"""What is left to do when the process ends, as after an exception that nobody caught."""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress

_LEFT: list[Callable[[], None]] = []


def at_end(work: Callable[[], None]) -> None:
    """Has it done when the process ends."""
    _LEFT.append(work)


def not_at_end(work: Callable[[], None]) -> None:
    """It is done already; nothing where it was not to be done."""
    with suppress(ValueError):
        _LEFT.remove(work)


def _end() -> None:
    # The last begun is done first; where one raises, the others are done all the same.
    with ExitStack() as works:
        for work in list(_LEFT):
            works.callback(work)


# What a fork has begun is the parent's to end: a child has neither its threads nor its files.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_LEFT.clear)
# Pools of threads take no work any more when atexit's own turn comes; they register in this way, too.
getattr(threading, "_register_atexit", atexit.register)(_end)
