"""Values made wide enough for sums: as float32 at least, and times a power of two where their squares would not fit."""

from __future__ import annotations

import math

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
    if magnitude.dtype == torch.float64:
        exponent = (magnitude.view(torch.int64) >> 52).clamp(1, 2045)
        return ((2046 - exponent) << 52).view(torch.float64)
    exponent = (magnitude.view(torch.int32) >> 23).clamp(1, 253)
    return ((254 - exponent) << 23).view(torch.float32)
