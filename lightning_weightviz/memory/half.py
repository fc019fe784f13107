"""Values at half their size: float16 in units of a power of two, so that weights of any size keep its eleven bits."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lightning_weightviz.memory.narrow import narrow


@dataclass(frozen=True)
class Half:
    """Values, rounded.

    Attributes:
        cells: float16, in units of `scale`; NaN and ±Inf where they are.
        scale: A power of two.
    """

    cells: npt.NDArray[np.float16]
    scale: float

    @property
    def values(self) -> npt.NDArray[np.float32]:
        """In their own unit, each within 1/2048 of what it was."""
        # Rounded up to float16, the largest float32 would be none any more.
        return narrow(self.cells.astype(np.float64) * self.scale)


def half_of(values: npt.NDArray[np.float32]) -> Half:
    """Values in units of a power of two that brings the largest finite magnitude to at most 2."""
    largest = float(np.max(np.abs(values), where=np.isfinite(values), initial=0.0))
    # The largest float32 asks for 2^128, which float32 does not hold, and float16 holds 2 as well as 1.
    scale = 2.0 ** min(math.frexp(largest)[1], 127)
    return Half((values / np.float32(scale)).astype(np.float16), scale)
