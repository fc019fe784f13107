"""What history keeps, and its form in a checkpoint.

A checkpoint holds flat dicts by key: ``ranges`` of parameters, of their `extra_maps` and of templates, ``curves``
called ``percentiles:<key>`` and ``vectors:<key>``. In here each parameter is one `Track`, so that it can be forgotten.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from lightning_weightviz.memory.curves import (
    OVERVIEW_STATISTICS,
    VECTOR_CELLS,
    Curve,
    Statistics,
    Time,
    Timeline,
    merged,
)
from lightning_weightviz.memory.film import Frame
from lightning_weightviz.memory.keys import TEMPLATES, extra_key
from lightning_weightviz.memory.maps import EXTRA_MAPS
from lightning_weightviz.memory.reading import array, ascending, listed, mapping, number, refuse, time_of, whole
from lightning_weightviz.memory.record import Record
from lightning_weightviz.memory.record_state import record_from_state, record_to_state
from lightning_weightviz.memory.spectra import LARGEST, SpectralPoint
from lightning_weightviz.snapshot import PERCENTILES, Measurement

Floats = npt.NDArray[np.float32]


@dataclass
class Track:
    """What is kept of one parameter.

    Attributes:
        shape: The parameter's: under its name another one may come.
        ranges: R of its picture at its key, of its `extra_maps` at theirs.
        frames: The film strip, the oldest first.
        percentiles: Points float32, (9,).
        vector: Points float32, (w ≤ 256,), of a parameter of one dimension.
        start: `change_map` of its first snapshot.
        started: When that was.
        spectra: Points of the largest singular values.
        previous: `change_map` of the newest; None where it has no picture there.
        largest: The largest change from one snapshot to the next; None where that is not known yet.
        around: Frames of the two snapshots of that change, where it was not the first of all.
        newest: When it was last measured, and what was; of a resumed training None at first.
    """

    shape: tuple[int, ...]
    ranges: dict[str, float] = field(default_factory=dict)
    frames: list[Frame] = field(default_factory=list)
    percentiles: Curve = field(default_factory=list)
    vector: Curve = field(default_factory=list)
    start: Floats | None = None
    started: Time | None = None
    previous: Floats | None = None
    spectra: list[SpectralPoint] = field(default_factory=list)
    largest: float | None = None
    around: list[Frame] = field(default_factory=list)
    newest: tuple[Time, Measurement] | None = None


@dataclass
class Kept:
    """All that history keeps.

    Attributes:
        timeline: Of all curves.
        frame_base: Frames of its powers are kept.
        statistics: Of all parameters, and the totals.
        tracks: By `key_of`.
        templates: R of templates, by `templates_key`.
        record: What findings are told from; version 0.1 kept none.
        metrics: By name, points float32, (1,), of losses and accuracies.
    """

    timeline: Timeline = field(default_factory=Timeline)
    frame_base: int = 2
    statistics: Statistics = field(default_factory=Statistics)
    tracks: dict[str, Track] = field(default_factory=dict)
    templates: dict[str, float] = field(default_factory=dict)
    record: Record = field(default_factory=Record)
    metrics: dict[str, Curve] = field(default_factory=dict)

    @property
    def ranges(self) -> dict[str, float]:
        """R of everything, by its key; 0 where there is none yet."""
        return {key: limit for track in self.tracks.values() for key, limit in track.ranges.items()} | self.templates


def to_state(kept: Kept) -> dict[str, Any]:
    """All of it as primitives and numpy arrays, nested in dicts and lists."""
    tracks = kept.tracks
    curves = {
        name: curve
        for key, track in tracks.items()
        for name, curve in ((f"percentiles:{key}", track.percentiles), (f"vectors:{key}", track.vector))
        if curve
    }
    # All others started at the first snapshot, as version 0.1 took for granted.
    late = {
        key: list(track.started)
        for key, track in tracks.items()
        if track.started is not None and track.started != kept.timeline.times[0]
    }
    spectra = {key: [vars(one).copy() for one in track.spectra] for key, track in tracks.items() if track.spectra}
    return {
        "shapes": {key: list(track.shape) for key, track in tracks.items()},
        "ranges": kept.ranges,
        "frame_base": kept.frame_base,
        "stride": kept.timeline.stride,
        "times": [list(time) for time in kept.timeline.times],
        "keys": list(kept.statistics.keys),
        "statistics": [rows for _, rows in kept.statistics.rows],
        "curves": {name: _to_points(curve) for name, curve in curves.items()},
        "frames": {
            key: [vars(frame).copy() for frame in track.frames] for key, track in tracks.items() if track.frames
        },
        "start": {key: track.start for key, track in tracks.items() if track.start is not None},
        "previous": {key: track.previous for key, track in tracks.items() if track.previous is not None},
        **({_STARTED: late} if late else {}),
        **({_SPECTRA: spectra} if spectra else {}),
        **({_AROUND: around} if (around := _around_to_state(tracks)) else {}),
        **({_RECORD: record_to_state(kept.record)} if kept.record.times else {}),
        **({_METRICS: {name: _to_points(curve) for name, curve in kept.metrics.items()}} if kept.metrics else {}),
    }


def _around_to_state(tracks: Mapping[str, Track]) -> dict[str, Any]:
    return {
        key: {"largest": track.largest, "frames": [vars(frame).copy() for frame in track.around]}
        for key, track in tracks.items()
        if track.largest is not None
    }


def _to_points(curve: Curve) -> dict[str, Any]:
    return {"ordinals": [point[0] for point in curve], "rows": np.stack([point[1] for point in curve])}


_RECORD, _METRICS, _AROUND, _SPECTRA, _STARTED = "record", "metrics", "around", "spectra", "started"
_LATER = {_RECORD, _METRICS, _AROUND, _SPECTRA, _STARTED}
"""What older versions did not keep."""
_FIELDS = set(to_state(Kept()))
_FRAME = {one.name for one in fields(Frame)}
_POINT = {one.name for one in fields(SpectralPoint)}


def from_state(state: object) -> Kept:
    """The inverse of `to_state`.

    Raises:
        ValueError: Something is missing, is not known, or is of the wrong type or shape.
    """
    found = mapping(state, "the state")
    if found.keys() - _LATER != _FIELDS:
        refuse(f"missing {sorted(_FIELDS - found.keys())}, not known {sorted(found.keys() - _FIELDS - _LATER)}")
    times = [time_of(time) for time in listed(found["times"], "times")]
    timeline = Timeline(times, whole(found["stride"], "stride", 1))
    ascending(timeline.ordinals, "times")
    tracks = {
        key: Track(tuple(whole(length, f"the shape of {key}") for length in listed(shape, f"the shape of {key}")))
        for key, shape in mapping(found["shapes"], "shapes").items()
    }
    kept = Kept(timeline, whole(found["frame_base"], "frame_base", 2), _statistics(found, timeline), tracks)
    _read_ranges(found["ranges"], kept)
    _read_curves(found["curves"], kept)
    for key, frames in _of_tracks(found["frames"], "frames", tracks):
        tracks[key].frames = [_frame(frame, key) for frame in listed(frames, f"the frames of {key}")]
        ascending([frame.ordinal for frame in tracks[key].frames], f"the frames of {key}")
    for key, values in _of_tracks(found["start"], "start", tracks):
        if not times:
            refuse(f"a start of {key} at no time")
        tracks[key].start = array(values, f"the start of {key}", np.float32, 2, 4)
        tracks[key].started = times[0]
    for key, time in _of_tracks(found.get(_STARTED, {}), _STARTED, tracks):
        if tracks[key].start is None:
            refuse(f"a moment, but no start of {key}")
        tracks[key].started = time_of(time)
    for key, values in _of_tracks(found["previous"], "previous", tracks):
        tracks[key].previous = array(values, f"the snapshot before of {key}", np.float32, 2, 4)
    for key, points in _of_tracks(found.get(_SPECTRA, {}), _SPECTRA, tracks):
        tracks[key].spectra = [_point(one, key) for one in listed(points, f"the spectra of {key}")]
        ascending([one.ordinal for one in tracks[key].spectra], f"the spectra of {key}")
    for key, value in _of_tracks(found.get(_AROUND, {}), "the largest changes", tracks):
        tracks[key].largest, tracks[key].around = _around(value, key)
    if _RECORD in found:
        kept.record = record_from_state(found[_RECORD])
    for name, value in mapping(found.get(_METRICS, {}), "metrics").items():
        kept.metrics[name] = _points(value, f"the metric {name}", timeline)
        if any(row.shape != (1,) for _, row in kept.metrics[name]):
            refuse(f"the metric {name} has rows of several values")
    return kept


def _statistics(found: Mapping[str, Any], timeline: Timeline) -> Statistics:
    keys, rows = listed(found["keys"], "keys"), listed(found["statistics"], "statistics")
    if not all(isinstance(key, str) for key in keys) or len(merged(keys, ())) != len(keys):
        refuse("keys are not names, each once")
    if len(rows) != len(timeline.times):
        refuse(f"{len(rows)} rows of statistics at {len(timeline.times)} times")
    arrays = [array(values, "statistics", np.float32, 2) for values in rows]
    if any(len(one) > len(keys) or one.shape[1] != len(OVERVIEW_STATISTICS) for one in arrays):
        refuse(f"statistics of shapes {[one.shape for one in arrays]} for {len(keys)} keys")
    return Statistics(list(keys), list(zip(timeline.ordinals, arrays, strict=True)))


def _read_ranges(found: object, kept: Kept) -> None:
    ranges = {key: number(limit, f"the range {key}") for key, limit in mapping(found, "ranges").items()}
    if not all(0 <= limit < math.inf for limit in ranges.values()):
        refuse("a range is not finite, or below 0")
    for key, track in kept.tracks.items():
        own = (key, *(extra_key(key, name) for name in EXTRA_MAPS))
        track.ranges = {name: ranges[name] for name in own if name in ranges}
    rest = ranges.keys() - kept.ranges.keys()
    if unknown := [key for key in rest if not key.startswith(TEMPLATES)]:
        refuse(f"ranges of no parameter: {sorted(unknown)}")
    kept.templates = {key: limit for key, limit in ranges.items() if key in rest}


def _read_curves(found: object, kept: Kept) -> None:
    for name, value in mapping(found, "curves").items():
        kind, _, key = name.partition(":")
        if kind not in ("percentiles", "vectors") or key not in kept.tracks:
            refuse(f"a curve that is not known: {name}")
        points = _points(value, f"the curve {name}", kept.timeline)
        width = len(points[0][1]) if points else 0
        if width != len(PERCENTILES) if kind == "percentiles" else width > VECTOR_CELLS:
            refuse(f"the curve {name} has rows of {width} values")
        if kind == "percentiles":
            kept.tracks[key].percentiles = points
        else:
            kept.tracks[key].vector = points


def _points(value: object, what: str, timeline: Timeline) -> Curve:
    curve = mapping(value, what)
    if curve.keys() != {"ordinals", "rows"}:
        refuse(f"{what} has {sorted(curve)}")
    ordinals = [whole(ordinal, what) for ordinal in listed(curve["ordinals"], what)]
    rows = array(curve["rows"], what, np.float32, 2)
    if len(rows) != len(ordinals) or not ordinals:
        refuse(f"{what} has rows of shape {rows.shape} at {len(ordinals)} ordinals")
    ascending(ordinals, what)
    if not set(ordinals) <= set(timeline.ordinals):
        refuse(f"{what} has points at no time")
    return list(zip(ordinals, rows, strict=True))


def _around(value: object, key: str) -> tuple[float, list[Frame]]:
    what = f"the largest change of {key}"
    found = mapping(value, what)
    if found.keys() != {"largest", "frames"}:
        refuse(f"{what} has {sorted(found)}")
    frames = [_frame(frame, key) for frame in listed(found["frames"], what)]
    ascending([frame.ordinal for frame in frames], what)
    return number(found["largest"], what), frames


def _frame(value: object, key: str) -> Frame:
    what = f"a frame of {key}"
    found = mapping(value, what)
    if found.keys() != _FRAME:
        refuse(f"{what} has {sorted(found)}")
    scale = number(found["scale"], what)
    if not 0 < scale < math.inf:
        refuse(f"{what} has the scale {scale}")
    return Frame(
        ordinal=whole(found["ordinal"], what),
        epoch=whole(found["epoch"], what),
        step=whole(found["step"], what),
        cells=array(found["cells"], what, np.float16, 2),
        scale=scale,
        moved=number(found["moved"], what),
    )


def _point(value: object, key: str) -> SpectralPoint:
    what = f"a spectrum of {key}"
    found = mapping(value, what)
    if found.keys() != _POINT:
        refuse(f"{what} has {sorted(found)}")
    largest = array(found["largest"], what, np.float32, 1)
    if len(largest) > LARGEST:
        refuse(f"{what} has {len(largest)} values")
    ordinal, epoch, step = (whole(found[name], what) for name in ("ordinal", "epoch", "step"))
    return SpectralPoint(ordinal, epoch, step, largest)


def _of_tracks(value: object, what: str, tracks: Mapping[str, Track]) -> Iterator[tuple[str, Any]]:
    for key, kept in mapping(value, what).items():
        if key not in tracks:
            refuse(f"{what} of no parameter: {key}")
        yield key, kept
