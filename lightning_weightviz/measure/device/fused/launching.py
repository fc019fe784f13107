"""Where our own kernels run, and the tables of addresses from which one launch reads many tensors."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from lightning_weightviz.measure.lane import to_device

DTYPES = (torch.float32, torch.float16, torch.bfloat16)
"""What the kernels read; other dtypes are measured by torch's own operators."""
LEAST_CAPABILITY = (8, 0)
"""The first generation whose kernels read bfloat16."""
EVEN = 16
"""Several elements are read at once where memory begins at a multiple of so many bytes and holds as many elements."""


def fuses(device: torch.device) -> bool:
    """Whether kernels can be built for a device; tried once.

    Warns:
        UserWarning: They cannot on a device that is not the host.
    """
    if device.type == "cpu":
        return False
    missing = _missing(device)
    if missing:
        warnings.warn(f"fused=True has no effect on {device}: {missing}", stacklevel=2)
    return not missing


@cache
def _missing(device: torch.device) -> str:
    """What keeps kernels from being built; empty where they can be."""
    if device.type != "cuda" or torch.version.hip is not None:
        return "kernels are built for NVIDIA's devices alone"
    if importlib.util.find_spec("triton") is None:
        return "Triton is not installed"
    capability = torch.cuda.get_device_capability(device)
    if capability < LEAST_CAPABILITY:
        return f"its compute capability is {capability[0]}.{capability[1]}, below {LEAST_CAPABILITY[0]}.0"
    from lightning_weightviz.measure.device.fused.trial import error_of

    return error_of(device)


@contextmanager
def current(device: torch.device) -> Iterator[None]:
    """Launches go to this device."""
    if device.type != "cuda":
        yield
        return
    with torch.cuda.device(device):
        yield


def by_kind(places: Sequence[int], kind: Callable[[int], object]) -> list[list[int]]:
    """The same places, those of one kind together."""
    found: dict[object, list[int]] = {}
    for place in places:
        found.setdefault(kind(place), []).append(place)
    return list(found.values())


def is_even(values: Tensor) -> bool:
    """Whether several elements of (n,) can be read at once, without a rest."""
    return values.data_ptr() % EVEN == 0 and len(values) % EVEN == 0


def table(rows: npt.ArrayLike, device: torch.device) -> Tensor:
    """Numbers that programs look up, one row each: int64 on a device, (programs, columns)."""
    return to_device(torch.from_numpy(np.array(rows, np.int64)), device)
