"""Units that have died: rows, or filters, of next to no norm beside the others."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lightning_weightviz.draw.color import Rgb

DEAD: Rgb = (213, 94, 0)
"""A row or column of zeros; distinguishable from both maps' ends by colour-blind readers too."""
SHARE = 1e-6
"""A row is dead if its norm is at most this times the median norm."""

Norms = npt.NDArray[np.float32]


def dead_norms(norms: npt.NDArray[np.floating]) -> npt.NDArray[np.bool_]:
    """Which cells of a strip hold a dead row; bool, (h,).

    Args:
        norms: (h, 2): smallest and largest norm in each cell; NaN where a row is not known, which is never dead.
    """
    # In float64, as the median of the largest float32 is a mean of two of them.
    known = np.sort(norms[:, 1][~np.isnan(norms[:, 1])].astype(np.float64))
    if not known.size:
        return np.zeros(len(norms), np.bool_)
    median = (known[(known.size - 1) // 2] + known[known.size // 2]) / 2
    return np.asarray(norms[:, 0] <= SHARE * median)


def dead_filters(filters: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
    """Which filters are dead; bool, (n,). One alone is never dead, nor is one that holds a NaN or an infinity.

    Args:
        filters: (n, ...).
    """
    if len(filters) == 1:
        return np.zeros(1, np.bool_)
    flat = filters.reshape(len(filters), -1)
    with np.errstate(invalid="ignore", over="ignore"):
        norms = np.sqrt(np.einsum("ij,ij->i", flat, flat, dtype=np.float64))
    norms[~np.isfinite(flat).all(axis=1)] = np.nan
    return dead_norms(np.stack([norms, norms], axis=1))
