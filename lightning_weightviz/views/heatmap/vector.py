"""A vector over time."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lightning_weightviz.draw.matrix import (
    Matrix,
)
from lightning_weightviz.snapshot import Parameter
from lightning_weightviz.views.support.scene import Scene
from lightning_weightviz.views.support.time_axis import time_axis
from lightning_weightviz.views.support.words import (
    axis_words,
)

_TALLEST_OVER_TIME = 330


def over_time(scene: Scene, values: npt.NDArray[np.float32], limit: float, parameter: Parameter) -> Matrix:
    """Snapshots from the top down, one a row."""
    memory, timeless = scene.memory, scene.snapshot.timeless
    word, times = time_axis(memory)
    # A row without any value is of a time before the parameter was first measured.
    missing = np.logical_and.accumulate(np.isnan(values).all(axis=1))
    return Matrix(
        values=values,
        limit=limit,
        colormap=scene.style.colormap,
        row_words="" if timeless else f"{word}, newest at the bottom",
        column_words=axis_words(parameter)[1],
        row_labels=() if timeless else tuple((row, str(int(time))) for row, time in enumerate(times)),
        missing=missing if not missing.all() else None,
        tallest=_TALLEST_OVER_TIME,
    )
