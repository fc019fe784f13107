"""float64 as float32."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def narrow(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """As float32, where a finite value stays finite; NaN and infinities stay what they are."""
    with np.errstate(over="ignore"):
        narrowed = values.astype(np.float32)
    if not np.isinf(narrowed).any():
        return narrowed
    bound = np.finfo(np.float32).max
    return np.where(np.isinf(values), values, np.clip(values, -bound, bound)).astype(np.float32)
