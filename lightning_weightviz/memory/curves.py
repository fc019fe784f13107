"""Curves over time, thinned as they grow: every second, fourth, … snapshot, and the newest."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from lightning_weightviz.memory.keys import key_of, statistics_key
from lightning_weightviz.memory.narrow import narrow
from lightning_weightviz.snapshot import TOTAL, Snapshot

MAX_POINTS = 64
VECTOR_CELLS = 256
FEW = 10
"""Up to so many values of a parameter are known one by one."""
OVERVIEW_STATISTICS = ("rms", "absmax", "relative_change", "rotation", "zero_fraction", "nan_count", "inf_count")
"""What the overview follows over time for every parameter."""

Curve = list[tuple[int, npt.NDArray[Any]]]
"""The ordinal of each snapshot that has a point, and the point: arrays of one shape."""


class Time(NamedTuple):
    """When a snapshot was taken."""

    ordinal: int
    epoch: int
    step: int


@dataclass
class Timeline:
    """The snapshots at which curves have points.

    Attributes:
        times: At most `MAX_POINTS` + 1, in the order of time.
        stride: Those stay whose ordinal is a multiple of it; the newest does until it is not the newest.
    """

    times: list[Time] = field(default_factory=list)
    stride: int = 1

    @property
    def ordinals(self) -> list[int]:
        """Of each point."""
        return [time.ordinal for time in self.times]

    def add(self, time: Time) -> None:
        """Takes in the next snapshot and drops those that do not stay."""
        self.times.append(time)
        if len(self.times) > MAX_POINTS + 1:
            self.stride *= 2
        self.times = [kept for kept in self.times if self._keeps(kept.ordinal)]

    def thinned(self, curve: Curve) -> Curve:
        """Those points of a curve whose snapshots stay."""
        # As `_keeps`, which to call for each point of all curves would take a millisecond.
        newest, stride = self.times[-1].ordinal, self.stride
        return [point for point in curve if point[0] == newest or point[0] % stride == 0]

    def _keeps(self, ordinal: int) -> bool:
        return ordinal == self.times[-1].ordinal or ordinal % self.stride == 0


def aligned(curve: Curve, ordinals: Sequence[int]) -> npt.NDArray[Any]:
    """The points of a curve of at least one at `ordinals`; NaN where it has none."""
    newest = curve[-1][1]
    known, points = zip(*curve, strict=True)
    # Mostly it has them all.
    if known != tuple(ordinals):
        by_ordinal, missing = dict(curve), np.full_like(newest, np.nan)
        points = tuple(by_ordinal.get(ordinal, missing) for ordinal in ordinals)
    # A third of what `np.stack` takes.
    return np.concatenate(points).reshape(len(points), *newest.shape)


@dataclass
class Statistics:
    """Statistics of everything: one array per snapshot, as hundreds of small ones cost milliseconds.

    Attributes:
        keys: Of all that was ever measured; they only become more.
        rows: Per snapshot float32, (k, s), of the first k keys and s names; NaN where there was nothing.
        names: Of the statistics, S of them; they may become more.
    """

    keys: list[str] = field(default_factory=list)
    rows: Curve = field(default_factory=list)
    names: Sequence[str] = OVERVIEW_STATISTICS

    def add(self, ordinal: int, found: Mapping[str, Mapping[str, float]]) -> None:
        """Takes in what was measured in a snapshot, by key."""
        self.keys = merged(self.keys, found)
        absent: Mapping[str, float] = {}
        values = [[found.get(key, absent).get(name, math.nan) for name in self.names] for key in self.keys]
        shaped = np.array(values, np.float64).reshape(len(self.keys), len(self.names))
        self.rows.append((ordinal, narrow(shaped)))

    def largest(self, key: str, name: str) -> float:
        """The largest value of one statistic so far; 0 where there is none."""
        place, column = self.keys.index(key) if key in self.keys else -1, OVERVIEW_STATISTICS.index(name)
        found = [float(rows[place, column]) for _, rows in self.rows if 0 <= place < len(rows)]
        return max((value for value in found if math.isfinite(value)), default=0.0)

    def over_time(self) -> dict[str, npt.NDArray[np.float32]]:
        """By key, float32, (T, S)."""
        values = np.full((len(self.rows), len(self.keys), len(self.names)), np.nan, np.float32)
        for point, (_, rows) in enumerate(self.rows):
            values[point, : rows.shape[0], : rows.shape[1]] = rows
        return {key: values[:, index] for index, key in enumerate(self.keys)}


def statistics_of(snapshot: Snapshot) -> dict[str, Mapping[str, float]]:
    """By key, of all parameters and of all together."""
    found = {
        statistics_key(target, name): measurement.statistics
        for target, measurements in snapshot.targets.items()
        for name, measurement in measurements.items()
    }
    return found | {key_of(target, TOTAL): totals for target, totals in snapshot.totals.items()}


def merged(known: Iterable[str], new: Iterable[str]) -> list[str]:
    """What is known, and behind it what is new, each once."""
    return list(dict.fromkeys([*known, *new]))
