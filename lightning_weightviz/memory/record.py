"""What findings are told from: numbers of every parameter over time, and of units and classes in the newest snapshots.

Bounded: the newest `RECENT` snapshots and, of those before, every second, fourth, … one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from lightning_weightviz.memory.curves import MAX_POINTS, Time, merged
from lightning_weightviz.memory.keys import key_of, statistics_key
from lightning_weightviz.memory.narrow import narrow
from lightning_weightviz.memory.unit_rows import UnitTrack, rows_of
from lightning_weightviz.snapshot import TOTAL, Measurement, Snapshot

RECENT = 12
"""Snapshots of which everything is kept."""
MEASURED = (
    "rms",
    "std",
    "absmax",
    "zero_fraction",
    "nan_count",
    "inf_count",
    "relative_change",
    "rotation",
    "update_ratio",
    "stable_rank",
    "dead_units",
)
RECORDED = (*MEASURED, "moved", "lr", "weight_decay")
"""What is recorded of every parameter: `MEASURED` statistics, the way since the start, and its group's settings."""

Floats = npt.NDArray[np.float32]


@dataclass
class Record:
    """What is kept; give each snapshot to `add` once.

    Attributes:
        keys: Of all parameters that were ever measured, and of the totals; they only become more.
        times: Of the snapshots kept, in the order of time.
        rows: Per snapshot float32, (k, `RECORDED`), of the first k keys; NaN where there was nothing.
        starts: float32, (keys, `RECORDED`): the first that was known of each, as its snapshot need not stay.
        stride: Older snapshots stay whose ordinal is a multiple of it.
        units: By the key of a parameter whose rows are known one by one.
        classes: By the name of a head, float32 (2, C) of its first and of the newest snapshots: norms of centred rows,
            and bias.
    """

    keys: list[str] = field(default_factory=list)
    times: list[Time] = field(default_factory=list)
    rows: list[Floats] = field(default_factory=list)
    starts: Floats = field(default_factory=lambda: _nothing(0))
    stride: int = 1
    units: dict[str, UnitTrack] = field(default_factory=dict)
    classes: dict[str, list[tuple[Time, Floats]]] = field(default_factory=dict)

    def add(self, snapshot: Snapshot) -> None:
        """Takes a snapshot in, and drops what does not stay."""
        weights = snapshot.targets.get("weights", {})
        found = {statistics_key("weights", name): _numbers(one, snapshot) for name, one in weights.items()}
        found[key_of("weights", TOTAL)] = _values(snapshot.totals.get("weights", {}))
        self.keys = merged(self.keys, found)
        missing = [math.nan] * len(RECORDED)
        time = Time(snapshot.ordinal, snapshot.epoch, snapshot.step)
        self.times.append(time)
        self.rows.append(narrow(np.array([found.get(key, missing) for key in self.keys], np.float64)))
        starts = np.concatenate([self.starts, _nothing(len(self.keys) - len(self.starts))])
        self.starts = np.where(np.isfinite(starts), starts, self.rows[-1])
        oldest = snapshot.ordinal - RECENT
        for name, measurement in weights.items():
            if (rows := rows_of(measurement)) is not None:
                self.units.setdefault(statistics_key("weights", name), UnitTrack()).add(snapshot.ordinal, rows, oldest)
        for head in snapshot.heads:
            bias = np.full_like(head.norms, np.nan) if head.bias is None else head.bias
            track = [one for one in self.classes.get(head.name, []) if one[1].shape[1] == len(head.norms)]
            track.append((time, narrow(np.stack([head.norms, bias]).astype(np.float64))))
            # The first stays: it is the start.
            self.classes[head.name] = [one for place, one in enumerate(track) if place == 0 or one[0].ordinal > oldest]
        self._thin()

    def forget(self, key: str) -> None:
        """Lets go what is kept of a parameter whose name now is another's."""
        self.units.pop(key, None)
        if key in self.keys:
            place = self.keys.index(key)
            self.rows = [_without(rows, place) for rows in self.rows]
            self.starts = _without(self.starts, place)

    def _thin(self) -> None:
        newest = self.times[-1].ordinal
        if len(self.times) > MAX_POINTS + RECENT:
            self.stride *= 2
        stays = [time.ordinal > newest - RECENT or time.ordinal % self.stride == 0 for time in self.times]
        self.times = [time for time, kept in zip(self.times, stays, strict=True) if kept]
        self.rows = [rows for rows, kept in zip(self.rows, stays, strict=True) if kept]

    def past(self) -> Past:
        """As it is now, fixed."""
        values = np.full((len(self.rows), len(self.keys), len(RECORDED)), np.nan, np.float32)
        for point, rows in enumerate(self.rows):
            values[point, : len(rows)] = rows
        return Past(
            times=tuple(self.times),
            places={key: place for place, key in enumerate(self.keys)},
            values=values,
            starts=self.starts,
            turns={key: track.newest() for key, track in self.units.items() if track.turns},
            classes={
                name: (tuple(time for time, _ in track), np.stack([values for _, values in track]))
                for name, track in self.classes.items()
            },
        )


@dataclass(frozen=True)
class Past:
    """What rules see of the record, fixed at the moment of a snapshot.

    Attributes:
        times: T of them.
        places: Where each key is in `values`.
        values: float32, (T, keys, `RECORDED`).
        starts: float32, (keys, `RECORDED`): the first that was known of each, which may be of none of the T.
        turns: By key, ordinals (t,) and float32 (t, rows, 2): by how much the direction of each row has turned since
            the snapshot before and since the start, as the chord of the angle.
        classes: By head, t times and float32 (t, 2, C), norms and bias; the first is where the head was first known.
    """

    times: tuple[Time, ...] = ()
    places: Mapping[str, int] = field(default_factory=dict)
    values: Floats = field(default_factory=lambda: np.zeros((0, 0, len(RECORDED)), np.float32))
    starts: Floats = field(default_factory=lambda: _nothing(0))
    turns: Mapping[str, tuple[npt.NDArray[np.int64], Floats]] = field(default_factory=dict)
    classes: Mapping[str, tuple[tuple[Time, ...], Floats]] = field(default_factory=dict)


def _nothing(keys: int) -> Floats:
    return np.full((keys, len(RECORDED)), np.nan, np.float32)


def _numbers(measurement: Measurement, snapshot: Snapshot) -> list[float]:
    group = (snapshot.training.optimizers or {}).get(measurement.parameter.name)
    settings = [math.nan, math.nan] if group is None else [group.lr, group.weight_decay]
    return [*_values(measurement.statistics)[: len(MEASURED)], measurement.moved, *settings]


def _values(statistics: Mapping[str, float]) -> list[float]:
    return [statistics.get(name, math.nan) for name in RECORDED]


def _without(rows: Floats, place: int) -> Floats:
    if place < len(rows):
        rows = rows.copy()
        rows[place] = np.nan
    return rows


def past_of(snapshot: Snapshot) -> Past:
    """What rules see of a snapshot that stands alone."""
    record = Record()
    record.add(snapshot)
    return record.past()
