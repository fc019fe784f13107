"""What is remembered between snapshots: colour ranges, film frames, the start, and curves over time.

Memory is flat in the number of snapshots: the film keeps log-spaced frames, the curves thin out as they grow.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from lightning_weightviz.memory.color_range import ColorRange, widened
from lightning_weightviz.memory.curves import FEW, VECTOR_CELLS, Time, aligned, statistics_of
from lightning_weightviz.memory.film import MAX_FRAMES, Frame, frame_of, keeps_frame, thinned
from lightning_weightviz.memory.keys import extra_key, key_of, statistics_key, templates_key
from lightning_weightviz.memory.maps import change_map, extra_maps
from lightning_weightviz.memory.metrics import add_metrics
from lightning_weightviz.memory.narrow import narrow
from lightning_weightviz.memory.record import Past
from lightning_weightviz.memory.spectra import SpectralPoint, point_of, with_newest
from lightning_weightviz.memory.state import Kept, Track, from_state, to_state
from lightning_weightviz.snapshot import Measurement, Snapshot, pool_extreme


@dataclass(frozen=True)
class Memory:
    """What views may see of the history, fixed at the moment of a snapshot. Keys are those of `key_of`.

    Attributes:
        ranges: R of each picture: it is drawn from −R to +R. Also ``classes/templates``, and at `extra_key` the top
            of each of `extra_maps`.
        frames: Film strip of pictured parameters of two or more dimensions, the oldest first, at most
            `MAX_FRAMES`: the start and log-spaced snapshots. The present is among them only where it is one of those.
        ordinals: int64, (T,), snapshot of each point of the curves; T ≤ `MAX_POINTS` + 1.
        epochs: int64, (T,).
        steps: int64, (T,).
        percentiles: float32, (T, 9), for pictured parameters; NaN before a parameter was first seen.
        vectors: float32, (T, w ≤ 256), for pictured parameters of one dimension, and others of at most `FEW` values.
        statistics: float32, (T, S) at `OVERVIEW_STATISTICS`, for all parameters, at `statistics_key`, and for
            ``<target>/total``.
        start: `change_map` of the first snapshot that has one, where it was asked to be kept.
        started: When that snapshot was, which for gradients and for late layers is not the first of all.
        previous: The same map of the snapshot before this one; of none at the first.
        spectra: The largest singular values at milestones and at the newest snapshot that measured them, the oldest
            first.
        past: What rules see; of another program's state nothing.
        around: Frames of the two snapshots between which a parameter changed most, where these are not the first two.
        metrics: float32, (T,), losses and accuracies that the module logs, by name; NaN where it logged none.
    """

    ranges: Mapping[str, float]
    frames: Mapping[str, tuple[Frame, ...]]
    ordinals: npt.NDArray[np.int64]
    epochs: npt.NDArray[np.int64]
    steps: npt.NDArray[np.int64]
    percentiles: Mapping[str, npt.NDArray[np.float32]]
    vectors: Mapping[str, npt.NDArray[np.float32]]
    statistics: Mapping[str, npt.NDArray[np.float32]]
    start: Mapping[str, npt.NDArray[np.float32]]
    started: Mapping[str, Time]
    previous: Mapping[str, npt.NDArray[np.float32]]
    spectra: Mapping[str, tuple[SpectralPoint, ...]] = field(default_factory=dict)
    past: Past = field(default_factory=Past)
    metrics: Mapping[str, npt.NDArray[np.float32]] = field(default_factory=dict)
    around: Mapping[str, tuple[Frame, ...]] = field(default_factory=dict)


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
        self._kept = Kept()

    @property
    def snapshots(self) -> int:
        """How many snapshots were remembered."""
        times = self._kept.timeline.times
        return times[-1].ordinal + 1 if times else 0

    def remember(self, snapshot: Snapshot) -> Memory:
        """Takes a snapshot in and returns what views may see of it and all before."""
        kept, tracks = self._kept, self._kept.tracks
        kept.timeline.add(Time(snapshot.ordinal, snapshot.epoch, snapshot.step))
        measured = {
            key_of(target, name): measurement
            for target, measurements in snapshot.targets.items()
            for name, measurement in measurements.items()
        }
        for key, measurement in measured.items():
            shape = measurement.parameter.shape
            if key not in tracks or tracks[key].shape != shape:
                # What is kept of another parameter that had this name does not fit.
                if key in tracks and key == key_of("weights", measurement.parameter.name):
                    kept.record.forget(statistics_key("weights", measurement.parameter.name))
                tracks[key] = Track(shape)
        previous = {key: track.previous for key, track in tracks.items() if track.previous is not None}
        for track in tracks.values():
            track.previous = None
        for key, measurement in measured.items():
            self._remember_one(key, tracks[key], measurement, snapshot)
        kept.statistics.add(snapshot.ordinal, statistics_of(snapshot))
        kept.record.add(snapshot)
        add_metrics(kept.metrics, snapshot.ordinal, snapshot.training.metrics)
        for index, head in enumerate(snapshot.heads):
            if head.templates is not None:
                _widen(kept.templates, templates_key(index, head), head.templates, self._color_range)
        self._thin()
        return self._memory(previous)

    def _remember_one(self, key: str, track: Track, measurement: Measurement, snapshot: Snapshot) -> None:
        ordinal, picture = snapshot.ordinal, measurement.picture
        if picture is None:
            return
        if measurement.spectrum is not None:
            track.spectra = with_newest(track.spectra, point_of(snapshot, measurement.spectrum))
        values = picture.extreme if picture.filters is None else picture.filters
        _widen(track.ranges, key, values, self._color_range)
        for name, extra in extra_maps(picture).items():
            # A number that the user gave is one for weights, not for norms and sums of them.
            fixed = isinstance(self._color_range, (int, float))
            _widen(track.ranges, extra_key(key, name), extra, "run" if fixed else self._color_range)
        track.percentiles.append((ordinal, narrow(measurement.percentiles)))
        if self._keep_start:
            track.previous = change_map(picture).copy()
            if track.start is None:
                track.start, track.started = track.previous, Time(ordinal, snapshot.epoch, snapshot.step)
        is_vector = measurement.parameter.layout == "vector"
        if is_vector or values.size == measurement.parameter.size <= FEW:
            track.vector.append((ordinal, pool_extreme(values.reshape(1, -1), 1, VECTOR_CELLS)[0]))
        if is_vector:
            return
        if not track.frames or keeps_frame(ordinal, self._kept.frame_base):
            track.frames.append(frame_of(snapshot, measurement, picture))
        self._film_largest_change(key, track, measurement, Time(ordinal, snapshot.epoch, snapshot.step))

    def _film_largest_change(self, key: str, track: Track, measurement: Measurement, time: Time) -> None:
        """Keeps frames of the snapshots before and after the largest change so far, but for the very first."""
        change = measurement.statistics.get("relative_change", math.nan)
        if track.largest is None:
            track.largest = self._kept.statistics.largest(key, "relative_change")
        if change > track.largest:
            track.largest = change
            moments = [track.newest, (time, measurement)] if time.ordinal > 1 else []
            track.around = [
                frame_of(*one, one[1].picture) for one in moments if one is not None and one[1].picture is not None
            ]
        track.newest = time, measurement

    def _thin(self) -> None:
        """Drops what is not regular."""
        kept = self._kept
        kept.statistics.rows = kept.timeline.thinned(kept.statistics.rows)
        for name, curve in list(kept.metrics.items()):
            kept.metrics[name] = kept.timeline.thinned(curve)
            if not kept.metrics[name]:
                del kept.metrics[name]
        for track in kept.tracks.values():
            track.percentiles = kept.timeline.thinned(track.percentiles)
            track.vector = kept.timeline.thinned(track.vector)
        if any(len(track.frames) > MAX_FRAMES for track in kept.tracks.values()):
            kept.frame_base **= 2
            for track in kept.tracks.values():
                track.frames = thinned(track.frames, kept.frame_base)

    def _memory(self, previous: Mapping[str, npt.NDArray[np.float32]]) -> Memory:
        kept, tracks, ordinals = self._kept, self._kept.tracks, self._kept.timeline.ordinals
        return Memory(
            ranges={key: limit or 1.0 for key, limit in kept.ranges.items()},
            frames={key: tuple(track.frames) for key, track in tracks.items() if track.frames},
            ordinals=np.array(ordinals, np.int64),
            epochs=np.array([time.epoch for time in kept.timeline.times], np.int64),
            steps=np.array([time.step for time in kept.timeline.times], np.int64),
            percentiles={key: aligned(t.percentiles, ordinals) for key, t in tracks.items() if t.percentiles},
            vectors={key: aligned(t.vector, ordinals) for key, t in tracks.items() if t.vector},
            statistics=kept.statistics.over_time(),
            around={key: tuple(track.around) for key, track in tracks.items() if track.around},
            start={key: track.start for key, track in tracks.items() if track.start is not None},
            started={key: track.started for key, track in tracks.items() if track.started is not None},
            previous=previous,
            spectra={key: tuple(track.spectra) for key, track in tracks.items() if track.spectra},
            past=kept.record.past(),
            metrics={name: aligned(curve, ordinals)[:, 0] for name, curve in kept.metrics.items()},
        )

    def state_dict(self) -> dict[str, Any]:
        """All of it as primitives and numpy arrays, nested in dicts and lists."""
        return to_state(self._kept)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on where `state_dict` was taken.

        Raises:
            ValueError: It cannot be read as a whole; nothing is changed then.
        """
        self._kept = from_state(state)


def _widen(ranges: dict[str, float], key: str, values: npt.NDArray[Any], color_range: ColorRange) -> None:
    ranges[key] = widened(ranges.get(key, 0.0), values, color_range)
