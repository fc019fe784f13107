"""Units that stand still: rows of a matrix that have not turned at the last few snapshots."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lightning_weightviz.memory import statistics_key
from lightning_weightviz.snapshot import Target
from lightning_weightviz.views.support.scene import Scene

STILL = 1e-6
"""Chord of the angle by which a row has turned: no more is rounding."""
SNAPSHOTS = 3


def unmoved_rows(scene: Scene, target: Target, name: str, count: int) -> tuple[npt.NDArray[np.bool_], int]:
    """Which of the first `count` rows have not turned, bool, (count,), and at how many snapshots; at 0: not known."""
    found = scene.memory.past.turns.get(statistics_key("weights", name)) if target == "weights" else None
    if found is None or found[0][-1] != scene.snapshot.ordinal or found[1].shape[1] < count:
        return np.zeros(count, np.bool_), 0
    recent = found[1][-SNAPSHOTS:, :count, 0]
    return np.asarray((recent <= STILL).all(axis=0)), len(recent)
