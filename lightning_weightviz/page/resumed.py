"""What memory holds of the snapshots before a resume: small frames, and the curves that it keeps."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from lightning_weightviz.memory import (
    MEASURED,
    OVERVIEW_STATISTICS,
    RECORDED,
    Half,
    Memory,
    Statistics,
    Time,
    film_key,
    filmed,
    half_of,
    keeps_frame,
    key_of,
    merged,
)
from lightning_weightviz.page.shot import HeadShot, MapShot, ParameterShot, Shot
from lightning_weightviz.snapshot import Measurement
from lightning_weightviz.views import Scene


def times_before(scene: Scene) -> list[Time]:
    """The places of the curves before a scene."""
    memory, now = scene.memory, scene.snapshot.ordinal
    every = zip(memory.ordinals.tolist(), memory.epochs.tolist(), memory.steps.tolist(), strict=True)
    return [Time(*one) for one in every if one[0] < now]


def statistics_before(scene: Scene) -> Statistics:
    """What is known at `times_before`: what the overview follows of everything, and of weights what rules see."""
    memory, times = scene.memory, times_before(scene)
    names, keys = merged(OVERVIEW_STATISTICS, MEASURED), list(memory.statistics)
    values = np.full((len(times), len(keys), len(names)), np.nan, np.float32)
    for place, key in enumerate(keys):
        values[:, place, : len(OVERVIEW_STATISTICS)] = memory.statistics[key][: len(times)]
    past = {time.ordinal: point for point, time in enumerate(memory.past.times)}
    known = [point for point, time in enumerate(times) if time.ordinal in past]
    points = [past[times[point].ordinal] for point in known]
    for key, row in memory.past.places.items():
        if known and key in memory.statistics:
            place = keys.index(key)
            for name in MEASURED:
                values[known, place, names.index(name)] = memory.past.values[points, row, RECORDED.index(name)]
    return Statistics(keys, [(time.ordinal, values[point]) for point, time in enumerate(times)], names)


def shots_before(scene: Scene) -> list[Shot]:
    """What the film, the vectors and the record of classes hold of the snapshots before a scene."""
    times = _film_times(scene)
    found: dict[int, dict[str, ParameterShot]] = {ordinal: {} for ordinal in times}
    for target, measurements in scene.snapshot.targets.items():
        for name, measurement in measurements.items():
            key = key_of(target, name)
            for ordinal, maps in _maps_before(key, measurement, scene.memory).items():
                if ordinal in found:
                    found[ordinal][key] = ParameterShot(measurement.parameter.shape, maps)
    heads = _heads_before(scene.memory)
    return [Shot(time, found[ordinal], heads.get(ordinal, {})) for ordinal, time in sorted(times.items())]


def _film_times(scene: Scene) -> dict[int, Time]:
    """Those of the film, by ordinal; where there is no film, those that one would have."""
    film = [Time(one.ordinal, one.epoch, one.step) for frames in scene.memory.frames.values() for one in frames]
    spaced = [time for time in times_before(scene) if keeps_frame(time.ordinal, 2)]
    return {time.ordinal: time for time in [*spaced, *film] if time.ordinal < scene.snapshot.ordinal}


def _maps_before(key: str, measurement: Measurement, memory: Memory) -> dict[int, Mapping[str, MapShot]]:
    """By ordinal, the map that the film or the vector of a parameter is of."""
    parameter, picture = measurement.parameter, measurement.picture
    if picture is None:
        return {}
    if (vectors := memory.vectors.get(key)) is not None:
        known = [point for point, values in enumerate(vectors) if not np.isnan(values).all()]
        return {
            int(memory.ordinals[point]): {
                "values": MapShot(half_of(vectors[point][None]), picture.shape, memory.ranges[key])
            }
            for point in known
        }
    is_tiled = filmed(parameter) > 0
    name = "sums" if picture.sums is not None else "filters" if is_tiled else "values"
    shape = parameter.filters_shape if is_tiled else None
    limit = memory.ranges[film_key(key, parameter)]
    return {
        frame.ordinal: {
            name: MapShot(Half(frame.cells.reshape(shape or frame.cells.shape), frame.scale), picture.shape, limit)
        }
        for frame in memory.frames.get(key, ())
        if shape is None or frame.cells.size == math.prod(shape)
    }


def _heads_before(memory: Memory) -> dict[int, dict[str, HeadShot]]:
    """By ordinal, norms and biases of the classes."""
    found: dict[int, dict[str, HeadShot]] = {}
    for name, (times, values) in memory.past.classes.items():
        for time, (norms, bias) in zip(times, values, strict=True):
            found.setdefault(time.ordinal, {})[name] = HeadShot(norms, None if np.isnan(bias).all() else bias)
    return found
