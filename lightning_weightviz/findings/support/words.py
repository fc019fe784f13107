"""Words of sentences: numbers, shares and lists."""

from __future__ import annotations

import math
from collections.abc import Sequence

MOST_LISTED = 4


def short(value: float) -> str:
    """A number in two digits: ``0.034``, ``1.5e-07``, ``120``."""
    if not math.isfinite(value):
        return str(value)
    return f"{value:.0f}" if 100 <= abs(value) < 1e6 else f"{value:.2g}"


def share(value: float) -> str:
    """A part of 1 as percent: ``4 %``, ``0.02 %``."""
    return f"{short(100 * value)} %"


def times(factor: float) -> str:
    """``50 ×``."""
    return f"{short(factor)} ×"


def one_line(text: str) -> str:
    r"""Text without what would break its line, as parameters' names may hold anything.

    >>> one_line("a\nb: 3 values are NaN")
    'a b: 3 values are NaN'
    """
    return "".join(letter if letter.isprintable() else " " for letter in text)


def listed(names: Sequence[object], most: int = MOST_LISTED) -> str:
    """The first few, and how many more: ``3, 7, 9 and 2 more``."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(str(name) for name in names[:most]) + more
