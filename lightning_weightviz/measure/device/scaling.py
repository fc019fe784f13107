"""Values made wide enough for sums: as float32 at least, and times a power of two where their squares would not fit."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from lightning_weightviz.measure.device.abilities import looks


def widen(values: Tensor) -> Tensor:
    """As float64 where it is that, else as float32, so that no sum saturates. Not a copy if it already is."""
    return values.to(widened(values.dtype))


def widened(dtype: torch.dtype) -> torch.dtype:
    """What `widen` makes of it."""
    return torch.float64 if dtype == torch.float64 else torch.float32


def finite_of(values: Tensor) -> Tensor:
    """Which values are finite, bool: ``isfinite`` in half as many passes."""
    return values.abs() < math.inf


PLAIN = (1e-8, 1e7)
"""Between these lie the largest magnitudes of values whose fourth powers, summed, are normal float32 numbers."""


def is_plain(values: Tensor) -> bool:
    """Whether a float32 tensor is seen to be finite and of ordinary size; never where looking would wait."""
    if not looks(values.device) or values.dtype != torch.float32 or values.numel() == 0:
        return False
    low, high = (float(bound.numpy()) for bound in torch.aminmax(values))
    return -math.inf < low and high < math.inf and PLAIN[0] < max(-low, high) < PLAIN[1]


def scale_of(values: Tensor) -> Tensor:
    """`power_above` of the largest finite magnitude, 0-d, for a tensor of at least one element."""
    wide = widen(values)
    return power_above(wide.nan_to_num(0, 0, 0).abs().amax())


def power_above(magnitude: Tensor) -> Tensor:
    """The inverse of a power of two near each magnitude, so that ``magnitude * result`` is in [1, 2).

    Multiplying by it is exact, and fourth powers of the product neither overflow nor vanish. Magnitudes that are 0
    or not normal count as the smallest normal one.

    Args:
        magnitude: float32 or float64, finite and not negative.
    """
    is_wide = magnitude.dtype == torch.float64
    bits = magnitude.view(torch.int64 if is_wide else torch.int32)
    found: Tensor = _inverse(bits, is_wide).view(magnitude.dtype)
    return found


def powers_above(magnitudes: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """`power_above` in numpy, (k,)."""
    is_wide = magnitudes.dtype == np.float64
    bits = magnitudes.view(np.int64 if is_wide else np.int32)
    return np.asarray(_inverse(bits, is_wide).view(magnitudes.dtype))


def _inverse(bits: Any, is_wide: bool) -> Any:
    """The bits of one over the power of two in these bits of floats."""
    last, digits = (2045, 52) if is_wide else (253, 23)
    return (last + 1 - (bits >> digits).clip(1, last)) << digits
