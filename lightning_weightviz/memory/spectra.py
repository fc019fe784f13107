"""The largest singular values of each parameter over time, at milestones and at the newest snapshot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lightning_weightviz.memory.narrow import narrow
from lightning_weightviz.snapshot import Snapshot, Spectrum, is_milestone

LARGEST = 16


@dataclass(frozen=True)
class SpectralPoint:
    """The spectrum of a parameter at one snapshot.

    Attributes:
        ordinal: Which snapshot it is of, 0 for the first.
        epoch: Its epoch.
        step: Its step.
        largest: float32, (n ≤ `LARGEST`,): the largest values of all its matrices, each as a multiple of its matrix'
            edge, descending; empty where none is known.
    """

    ordinal: int
    epoch: int
    step: int
    largest: npt.NDArray[np.float32]


def point_of(snapshot: Snapshot, spectrum: Spectrum) -> SpectralPoint:
    """What is kept of a spectrum."""
    relative = np.sort(spectrum.relative)[::-1][:LARGEST]
    return SpectralPoint(snapshot.ordinal, snapshot.epoch, snapshot.step, narrow(relative))


def with_newest(points: Sequence[SpectralPoint], newest: SpectralPoint) -> list[SpectralPoint]:
    """Those that stay, and the newest: as many as the logarithm of the number of snapshots."""
    return [point for point in points if is_milestone(point.ordinal) and point.ordinal < newest.ordinal] + [newest]
