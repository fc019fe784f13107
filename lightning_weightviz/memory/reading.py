"""Reads parts of a state from a checkpoint; what has another type or shape than it must have is refused.

Raises:
    ValueError: By each function, where it is not what is asked for; the message says what it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from lightning_weightviz.memory.curves import Time


def mapping(value: object, what: str) -> Mapping[str, Any]:
    """A dict by name."""
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        refuse(f"{what} is no dict by name")
    return value


def listed(value: object, what: str) -> list[Any]:
    """A list, or a tuple as one."""
    if not isinstance(value, (list, tuple)):
        refuse(f"{what} is no list")
    return list(value)


def whole(value: object, what: str, least: int | None = None) -> int:
    """A whole number."""
    if not isinstance(value, int) or isinstance(value, bool) or (least is not None and value < least):
        refuse(f"{what} holds {value!r}")
    return value


def number(value: object, what: str) -> float:
    """A number as a float."""
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        refuse(f"{what} holds {value!r}")
    return float(value)


def array(value: object, what: str, dtype: type[np.generic], *axes: int) -> npt.NDArray[Any]:
    """An array of this type and number of dimensions."""
    if not isinstance(value, np.ndarray) or value.dtype != dtype or value.ndim not in axes:
        refuse(f"{what} is no {dtype.__name__} array of {' or '.join(map(str, axes))} dimensions")
    return value


def ascending(ordinals: list[int], what: str) -> None:
    """Refuses ordinals that do not rise."""
    if any(left >= right for left, right in pairwise(ordinals)) or min(ordinals, default=0) < 0:
        refuse(f"{what} are not in the order of time")


def time_of(value: object) -> Time:
    """When a snapshot was taken."""
    numbers = [whole(one, "times") for one in listed(value, "times")]
    if len(numbers) != len(Time._fields):
        refuse(f"a time of {len(numbers)} numbers")
    return Time(*numbers)


def refuse(why: str) -> NoReturn:
    """Raises what says that a state cannot be read."""
    raise ValueError(f"this is no history of this version: {why}")
