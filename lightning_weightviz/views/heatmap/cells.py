"""Which cells of a map are drawn."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lightning_weightviz.snapshot import Parameter, Picture, pool_mean
from lightning_weightviz.views.support.scene import Scene

UNCROWDED = 128
"""Axes of so many cells are drawn as they are even on crowded scenes."""


def cells_of(scene: Scene, parameter: Parameter, picture: Picture, most: int) -> tuple[int, int]:
    """Rows and columns that are drawn, at most so many."""
    height, width = (
        -(-length // 2) if scene.is_crowded and length > UNCROWDED else min(length, most)
        for length in picture.extreme.shape
    )
    return parameter.cells(height, width)


def pool_rms(values: npt.NDArray[np.float32], height: int, width: int) -> npt.NDArray[np.float32]:
    """Root mean squares of blocks of cells."""
    # In units of the largest, whose square may be none of float32.
    top = np.max(values, where=np.isfinite(values), initial=0.0) or np.float32(1)
    return np.asarray(np.sqrt(pool_mean((values / top) ** 2, height, width)) * top)
