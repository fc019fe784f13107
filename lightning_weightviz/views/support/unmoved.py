"""Units that stand still: rows of a matrix that have hardly turned since the start while others have."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from lightning_weightviz.memory import statistics_key
from lightning_weightviz.snapshot import Target
from lightning_weightviz.views.support.scene import Scene

ROUNDING = 1e-6
"""Chord of the angle by which a row has turned: no more is rounding."""
DEGREES, SHARE = 5.0, 0.1
"""Hardly turned: by less than so many degrees, and than this share of what the median row that moves has turned by."""


def unmoved_rows(scene: Scene, target: Target, name: str, count: int) -> tuple[npt.NDArray[np.bool_], float]:
    """Which of the first `count` rows have hardly turned since the start.

    Returns:
        bool, (count,), none where it is not known, and the angle in degrees below which a row has hardly turned.
    """
    found = scene.memory.past.turns.get(statistics_key("weights", name)) if target == "weights" else None
    if found is None or found[0][-1] != scene.snapshot.ordinal or found[1].shape[1] < count:
        return np.zeros(count, np.bool_), 0.0
    chords = found[1][-1, :count, 1].astype(np.float64)
    moving = chords[chords > ROUNDING]
    median = float(np.median(moving)) if moving.size else 0.0
    limit = max(ROUNDING, min(2 * math.sin(math.radians(DEGREES) / 2), SHARE * median))
    return np.asarray(chords <= limit), math.degrees(2 * math.asin(limit / 2))
