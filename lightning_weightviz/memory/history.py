"""What is remembered between snapshots: colour ranges, film frames, the start, and curves over time.

Memory is flat in the number of snapshots: the film keeps log-spaced frames, the curves thin out as they grow.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lightning_weightviz.memory.color_range import ColorRange, widened
from lightning_weightviz.snapshot import (
    TOTAL,
    ClassRows,
    Measurement,
    Parameter,
    Picture,
    Snapshot,
    Target,
    pool_extreme,
    pool_mean,
)

MAX_FRAMES = 8
FRAME_CELLS = (72, 108)
LEAST_FILMED = 6
"""A film of filters shows so many of them, or all."""
CHANGE_CELLS = 128
"""Most cells an axis of the maps that changes are told from."""
MAX_POINTS = 64
VECTOR_CELLS = 256
OVERVIEW_STATISTICS = ("rms", "absmax", "relative_change", "rotation", "zero_fraction", "nan_count", "inf_count")
"""What the overview follows over time for every parameter."""


@dataclass(frozen=True)
class Frame:
    """One picture of the film strip.

    Attributes:
        ordinal: Which snapshot it is of, 0 for the first.
        epoch: Its epoch.
        step: Its step.
        cells: float16, at most `FRAME_CELLS`, values or sums of kernels, pooled by signed extreme, or the first
            `filmed` filters, a row each; in units of `scale`.
        scale: A power of two, so that weights of any size keep float16's eleven bits.
        moved: ‖w − w₀‖ / ‖w₀‖ by then; NaN where not known.
    """

    ordinal: int
    epoch: int
    step: int
    cells: npt.NDArray[np.float16]
    scale: float
    moved: float

    @property
    def values(self) -> npt.NDArray[np.float32]:
        """The cells in the weights' own unit."""
        # Rounded up to float16, the largest float32 would be none any more.
        return _narrow(self.cells.astype(np.float64) * self.scale)


@dataclass(frozen=True)
class Memory:
    """What views may see of the history, fixed at the moment of a snapshot. Keys are ``<target>/<parameter>``.

    Attributes:
        ranges: R of each picture: it is drawn from −R to +R. Also ``classes/templates``, and at `extra_key` the top
            of each of `extra_maps`.
        frames: Film strip of pictured parameters of two or more dimensions, the oldest first, at most
            `MAX_FRAMES`: the start and log-spaced snapshots. The present is among them only where it is one of those.
        epochs: int64, (T,), epoch of each point of the curves; T ≤ `MAX_POINTS` + 1.
        steps: int64, (T,).
        percentiles: float32, (T, 9), for pictured parameters; NaN before a parameter was first seen.
        vectors: float32, (T, w ≤ 256), for pictured parameters of one dimension.
        statistics: float32, (T, S) at `OVERVIEW_STATISTICS`, for all parameters and for ``<target>/total``.
        start: `change_map` of the first snapshot, where it was asked to be kept.
        previous: The same of the snapshot before this one; of none at the first.
    """

    ranges: Mapping[str, float]
    frames: Mapping[str, tuple[Frame, ...]]
    epochs: npt.NDArray[np.int64]
    steps: npt.NDArray[np.int64]
    percentiles: Mapping[str, npt.NDArray[np.float32]]
    vectors: Mapping[str, npt.NDArray[np.float32]]
    statistics: Mapping[str, npt.NDArray[np.float32]]
    start: Mapping[str, npt.NDArray[np.float32]]
    previous: Mapping[str, npt.NDArray[np.float32]]


def filmed(parameter: Parameter) -> int:
    """How many filters a frame of the film holds; 0 where it is a map of all values."""
    if parameter.layout != "filters":
        return 0
    count, *tile = parameter.filters_shape
    most = math.prod(FRAME_CELLS) // math.prod(tile)
    return min(count, most) if most >= min(count, LEAST_FILMED) else 0


def frame_of(snapshot: Snapshot, measurement: Measurement, picture: Picture) -> Frame:
    """The frame that shows a parameter's picture as it is in this snapshot."""
    count = filmed(measurement.parameter)
    filters = picture.filters[:count].reshape(count, -1) if picture.filters is not None and count else None
    values = picture.extreme if picture.sums is None else picture.sums
    cells, scale = _half(pool_extreme(values, *FRAME_CELLS) if filters is None else filters)
    return Frame(snapshot.ordinal, snapshot.epoch, snapshot.step, cells, scale, measurement.moved)


def change_map(picture: Picture) -> npt.NDArray[np.float32]:
    """What a change is told from: filters, all values, or means of at most `CHANGE_CELLS` cells an axis.

    Not extremes: between two of one size and opposite signs, a little change looks like a large one.
    """
    if picture.filters is not None:
        return picture.filters
    return pool_mean(picture.extreme if picture.mean is None else picture.mean, CHANGE_CELLS, CHANGE_CELLS)


def extra_maps(picture: Picture) -> dict[str, npt.NDArray[np.float32]]:
    """What is drawn beside the values, each in a range of its own: of pooled maps ``rms``, of kernels their maps."""
    if picture.sums is not None and picture.positions is not None:
        return {"norms": picture.kernel_norms, "sums": picture.sums, "positions": picture.positions}
    return {"rms": picture.rms} if picture.is_pooled and picture.filters is None else {}


def film_key(key: str, parameter: Parameter) -> str:
    """The key of the range in which a parameter's frames are drawn."""
    return extra_key(key, "sums") if parameter.layout == "kernels" else key


def extra_key(key: str, name: str) -> str:
    """The key of the range of one of `extra_maps`."""
    return f"{key}:{name}"


def templates_key(index: int, head: ClassRows) -> str:
    """The key of the range of a head's templates."""
    return "classes/templates" if index == 0 else f"classes/templates/{head.name}"


def key_of(target: Target, name: str) -> str:
    """The key under which history holds a parameter."""
    return f"{target}/{name}"


class History:
    """Remembers, in the order of the snapshots; give each snapshot to `remember` once.

    Args:
        color_range: ``"run"``: R only grows. ``"init"``: as at the first snapshot. ``"epoch"``: anew each time. A
            positive float: that.
        keep_start: Whether to keep the maps of the first snapshot.
    """

    def __init__(self, color_range: ColorRange = "run", *, keep_start: bool = False) -> None:
        self._color_range = color_range
        self._keep_start = keep_start
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._ranges: dict[str, float] = {}
        self._frames: dict[str, list[Frame]] = {}
        self._frame_base = 2
        self._stride = 1
        self._times: list[tuple[int, int, int]] = []
        self._curves: dict[str, list[tuple[int, npt.NDArray[Any]]]] = {}
        self._keys: list[str] = []
        self._statistics: list[tuple[int, npt.NDArray[np.float32]]] = []
        self._start: dict[str, npt.NDArray[np.float32]] = {}
        self._previous: dict[str, npt.NDArray[np.float32]] = {}

    @property
    def snapshots(self) -> int:
        """How many snapshots were remembered."""
        return self._times[-1][0] + 1 if self._times else 0

    def remember(self, snapshot: Snapshot) -> Memory:
        """Takes a snapshot in and returns what views may see of it and all before."""
        ordinal = snapshot.ordinal
        self._times.append((ordinal, snapshot.epoch, snapshot.step))
        previous, self._previous = self._previous, {}
        for target, measurements in snapshot.targets.items():
            for name, measurement in measurements.items():
                self._remember_one(key_of(target, name), measurement, snapshot)
        self._remember_statistics(snapshot)
        for index, head in enumerate(snapshot.heads):
            if head.templates is not None:
                self._widen(templates_key(index, head), head.templates, self._color_range)
        self._thin(newest=ordinal)
        return self._memory(previous)

    def _remember_one(self, key: str, measurement: Measurement, snapshot: Snapshot) -> None:
        ordinal, shape = snapshot.ordinal, measurement.parameter.shape
        if self._shapes.setdefault(key, shape) != shape:
            self._forget(key)
            self._shapes[key] = shape
        picture = measurement.picture
        if picture is None:
            return
        self._widen(key, picture.extreme if picture.filters is None else picture.filters, self._color_range)
        for name, values in extra_maps(picture).items():
            # A number that the user gave is one for weights, not for norms and sums of them.
            fixed = isinstance(self._color_range, (int, float))
            self._widen(extra_key(key, name), values, "run" if fixed else self._color_range)
        self._add(f"percentiles:{key}", ordinal, _narrow(measurement.percentiles))
        if self._keep_start:
            self._previous[key] = change_map(picture).copy()
            self._start.setdefault(key, self._previous[key])
        if measurement.parameter.layout == "vector":
            self._add(f"vectors:{key}", ordinal, pool_extreme(picture.extreme, 1, VECTOR_CELLS)[0])
        else:
            frames = self._frames.setdefault(key, [])
            if not frames or self._keeps_frame(ordinal):
                frames.append(frame_of(snapshot, measurement, picture))

    def _forget(self, key: str) -> None:
        """Drops what no longer fits: under this name there is another parameter now."""
        for kept in (self._frames, self._start, self._previous):
            kept.pop(key, None)
        self._ranges = {name: limit for name, limit in self._ranges.items() if name.split(":")[0] != key}
        for curve in ("percentiles", "vectors"):
            self._curves.pop(f"{curve}:{key}", None)

    def _remember_statistics(self, snapshot: Snapshot) -> None:
        """One array for all parameters: hundreds of small ones would cost training milliseconds."""
        rows = {
            key_of(target, name): measurement.statistics
            for target, measurements in snapshot.targets.items()
            for name, measurement in measurements.items()
        }
        rows |= {key_of(target, TOTAL): totals for target, totals in snapshot.totals.items()}
        self._keys += [key for key in rows if key not in set(self._keys)]
        absent: Mapping[str, float] = {}
        values = [[rows.get(key, absent).get(name, math.nan) for name in OVERVIEW_STATISTICS] for key in self._keys]
        self._statistics.append((snapshot.ordinal, _narrow(np.array(values, np.float64))))

    def _widen(self, key: str, values: npt.NDArray[Any], color_range: ColorRange) -> None:
        self._ranges[key] = widened(self._ranges.get(key, 0.0), values, color_range)

    def _add(self, curve: str, ordinal: int, row: npt.NDArray[Any]) -> None:
        self._curves.setdefault(curve, []).append((ordinal, row))

    def _keeps_frame(self, ordinal: int) -> bool:
        while ordinal > 1 and ordinal % self._frame_base == 0:
            ordinal //= self._frame_base
        return ordinal <= 1

    def _thin(self, newest: int) -> None:
        """Drops what is not regular; the newest stays until it is not the newest."""
        if len(self._times) > MAX_POINTS + 1:
            self._stride *= 2
        if any(len(frames) > MAX_FRAMES for frames in self._frames.values()):
            self._frame_base **= 2
            self._frames = {
                key: frames[:1] + [frame for frame in frames[1:] if self._keeps_frame(frame.ordinal)]
                for key, frames in self._frames.items()
            }

        def stays(ordinal: int) -> bool:
            return ordinal == newest or ordinal % self._stride == 0

        self._times = [time for time in self._times if stays(time[0])]
        self._statistics = [row for row in self._statistics if stays(row[0])]
        self._curves = {curve: [row for row in rows if stays(row[0])] for curve, rows in self._curves.items()}

    def _memory(self, previous: Mapping[str, npt.NDArray[np.float32]]) -> Memory:
        ordinals = [time[0] for time in self._times]

        def curves(prefix: str) -> dict[str, npt.NDArray[Any]]:
            return {
                curve.removeprefix(prefix): _aligned(rows, ordinals)
                for curve, rows in self._curves.items()
                if curve.startswith(prefix)
            }

        return Memory(
            ranges={key: value or 1.0 for key, value in self._ranges.items()},
            frames={key: tuple(frames) for key, frames in self._frames.items()},
            epochs=np.array([time[1] for time in self._times], np.int64),
            steps=np.array([time[2] for time in self._times], np.int64),
            percentiles=curves("percentiles:"),
            vectors=curves("vectors:"),
            statistics=self._statistics_over_time(),
            start=dict(self._start),
            previous=previous,
        )

    def _statistics_over_time(self) -> dict[str, npt.NDArray[np.float32]]:
        values = np.full((len(self._times), len(self._keys), len(OVERVIEW_STATISTICS)), np.nan, np.float32)
        for point, (_, rows) in enumerate(self._statistics):
            values[point, : len(rows)] = rows
        return {key: values[:, index] for index, key in enumerate(self._keys)}

    def state_dict(self) -> dict[str, Any]:
        """All of it as primitives and numpy arrays, nested in dicts and lists."""
        return {
            "shapes": {key: list(shape) for key, shape in self._shapes.items()},
            "ranges": dict(self._ranges),
            "frame_base": self._frame_base,
            "stride": self._stride,
            "times": [list(time) for time in self._times],
            "keys": list(self._keys),
            "statistics": [rows for _, rows in self._statistics],
            "curves": {
                curve: {"ordinals": [row[0] for row in rows], "rows": np.stack([row[1] for row in rows])}
                for curve, rows in self._curves.items()
            },
            "frames": {key: [vars(frame).copy() for frame in frames] for key, frames in self._frames.items()},
            "start": dict(self._start),
            "previous": dict(self._previous),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on where `state_dict` was taken."""
        self._shapes = {key: tuple(shape) for key, shape in state["shapes"].items()}
        self._ranges = dict(state["ranges"])
        self._frame_base = int(state["frame_base"])
        self._stride = int(state["stride"])
        self._times = [(time[0], time[1], time[2]) for time in state["times"]]
        self._keys = list(state["keys"])
        self._statistics = [(time[0], rows) for time, rows in zip(self._times, state["statistics"], strict=True)]
        self._curves = {
            curve: list(zip(rows["ordinals"], rows["rows"], strict=True)) for curve, rows in state["curves"].items()
        }
        self._frames = {key: [Frame(**frame) for frame in frames] for key, frames in state["frames"].items()}
        self._start = dict(state["start"])
        self._previous = dict(state["previous"])


def _half(values: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.float16], float]:
    """As float16 in units of a power of two that brings the largest finite magnitude to at most 2."""
    largest = float(np.max(np.abs(values), where=np.isfinite(values), initial=0.0))
    # The largest float32 asks for 2^128, which float32 does not hold, and float16 holds 2 as well as 1.
    scale = 2.0 ** min(math.frexp(largest)[1], 127)
    return (values / np.float32(scale)).astype(np.float16), scale


def _narrow(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """As float32, where a finite value stays finite; NaN and infinities stay what they are."""
    bound = np.finfo(np.float32).max
    return np.where(np.isinf(values), values, np.clip(values, -bound, bound)).astype(np.float32)


def _aligned(rows: list[tuple[int, npt.NDArray[Any]]], ordinals: list[int]) -> npt.NDArray[Any]:
    """The rows at `ordinals`; NaN where a parameter was not measured then."""
    by_ordinal = dict(rows)
    missing = np.full_like(rows[-1][1], np.nan)
    return np.stack([by_ordinal.get(ordinal, missing) for ordinal in ordinals])
