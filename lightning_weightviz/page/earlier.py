"""What the page that a run has left holds of the snapshots before it is resumed: all that its checkpoint does not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from lightning_weightviz.memory import Time, half_of, keeps_frame, key_of, statistics_key
from lightning_weightviz.page.describe import Json
from lightning_weightviz.page.resumed import times_before
from lightning_weightviz.page.shot import HeadShot, MapShot, ParameterShot, Shot
from lightning_weightviz.page.unpack import NoPageError, Unpacked, array_of, error_of
from lightning_weightviz.snapshot import Spectrum
from lightning_weightviz.views import Scene

SAME = 1e-3
"""Curves have four digits: so far two of the same run may differ, as a share."""


def shots_of_page(page: bytes, scene: Scene) -> list[Shot]:
    """The snapshots before a scene that a page holds.

    Args:
        page: The HTML of a page.
        scene: The first one since the run was resumed.

    Returns:
        Empty where the page is broken, of another run, or of another version: whose snapshots are not at the times, or
        whose parameters have not the sizes, that memory knows.
    """
    try:
        unpacked = Unpacked(page)
        if not _is_same_run(unpacked, scene):
            return []
        return list(_shots(unpacked, scene))
    # Of a file that somebody has changed any part may be missing, or something else.
    except (NoPageError, LookupError, TypeError, ValueError, AttributeError, OverflowError, MemoryError):
        return []


def joined(film: list[Shot], page: list[Shot]) -> list[Shot]:
    """Snapshots of both, in the order of time: of the page what it has, the rest of the film."""
    finer = {shot.time.ordinal: shot for shot in page}
    found = {shot.time.ordinal: shot for shot in film}
    for ordinal, shot in finer.items():
        coarse = found.get(ordinal, shot)
        found[ordinal] = Shot(shot.time, {**coarse.parameters, **shot.parameters}, {**coarse.heads, **shot.heads})
    return [shot for _, shot in sorted(found.items())]


def _times(times: Json) -> list[Time]:
    return [Time(*map(int, one)) for one in zip(times["ordinal"], times["epoch"], times["step"], strict=True)]


def _is_same_run(unpacked: Unpacked, scene: Scene) -> bool:
    """Whether sizes and times are those that memory knows, as far as both know them."""
    known = {time.ordinal: (place, time) for place, time in enumerate(times_before(scene))}
    moments = _times(unpacked.facts["moments"])
    shared = [(point, *known[time.ordinal]) for point, time in enumerate(moments) if time.ordinal in known]
    if not shared or any(moments[point] != time for point, _, time in shared):
        return False
    points, places = ([one[index] for one in shared] for index in (0, 1))
    agree = False
    for layer in unpacked.facts["layers"]:
        for target, series in layer["targets"].items():
            curve = scene.memory.statistics.get(statistics_key(target, layer["name"]))
            if curve is None or "rms" not in series["curves"]["names"]:
                continue
            values = array_of(unpacked.block(layer["block"]), series["curves"]["values"])
            ours = values[series["curves"]["names"].index("rms"), points]
            if not np.allclose(ours, curve[places, 0], rtol=SAME, atol=0, equal_nan=True):
                return False
            agree = True
    return agree


def _shots(unpacked: Unpacked, scene: Scene) -> Iterator[Shot]:
    facts = unpacked.facts
    times = _times(facts["frames"])
    wanted = {
        frame: time
        for frame, time in enumerate(times)
        if time.ordinal < scene.snapshot.ordinal and keeps_frame(time.ordinal, 2)
    }
    parameters: dict[int, dict[str, ParameterShot]] = {frame: {} for frame in wanted}
    heads: dict[int, dict[str, HeadShot]] = {frame: {} for frame in wanted}
    shapes = {
        (target, name): one.parameter
        for target, measured in scene.snapshot.targets.items()
        for name, one in measured.items()
    }
    for layer in facts["layers"]:
        block = unpacked.block(layer["block"])
        for target, series in layer["targets"].items():
            parameter = shapes.get((target, layer["name"]))
            if parameter is None or list(parameter.own_shape) != layer["shape"]:
                continue
            key = key_of(target, parameter.name)
            for frame, one in _parameter(series, block, parameter.shape, parameter.matrix_shape).items():
                if frame in wanted:
                    parameters[frame][key] = one
    for head in facts["heads"]:
        for frame, classes in _head(head, unpacked.block(head["block"])).items():
            if frame in wanted:
                heads[frame][head["name"]] = classes
    for frame, time in wanted.items():
        yield Shot(time, parameters[frame], heads[frame])


def _parameter(series: Json, block: bytes, shape: tuple[int, ...], matrix: tuple[int, int]) -> dict[int, ParameterShot]:
    """By frame, what there is of a parameter."""
    maps: dict[int, dict[str, MapShot]] = {}
    for one in series["maps"]:
        for frame, shot in _maps(one, block):
            maps.setdefault(frame, {})[one["name"]] = shot
    histograms, spectra = _histograms(series["histograms"], block), _spectra(series["spectra"], block, matrix)
    return {
        frame: ParameterShot(shape, maps.get(frame, {}), histograms.get(frame), spectra.get(frame))
        for frame in maps.keys() | histograms.keys() | spectra.keys()
    }


def _maps(one: Json, block: bytes) -> Iterator[tuple[int, MapShot]]:
    cells, error = array_of(block, one["cells"]), error_of(one["cells"])
    before = one["off"] or [0.0] * len(cells)
    for place, frame in enumerate(one["frames"]):
        values = cells[place]
        if one["kept"] is not None:
            values = _unspread(values, *one["kept"][place])
        yield (
            frame,
            MapShot(
                half_of(values),
                tuple(one["shape"]),
                one["limit"],
                signed=one["signed"],
                off=before[place] + error,
            ),
        )


def _unspread(values: npt.NDArray[np.float32], rows: int, columns: int) -> npt.NDArray[np.float32]:
    """The fewer cells that were spread over these."""
    down, across = (-(-np.arange(few) * many // few) for few, many in zip((rows, columns), values.shape, strict=True))
    fewer: npt.NDArray[np.float32] = values[down[:, None], across]
    return fewer


def _histograms(notes: Json | None, block: bytes) -> dict[int, tuple[Any, Any]]:
    if notes is None:
        return {}
    edges, counts = (array_of(block, notes[name]) for name in ("edges", "counts"))
    rounded = np.rint(counts).astype(np.int64)
    return {frame: (edges[place].astype(np.float64), rounded[place]) for place, frame in enumerate(notes["frames"])}


def _spectra(notes: Json | None, block: bytes, matrix: tuple[int, int]) -> dict[int, Spectrum]:
    if notes is None:
        return {}
    values, edges = (array_of(block, notes[name]).astype(np.float64) for name in ("values", "edges"))
    return {
        frame: Spectrum(values[place][None, np.isfinite(values[place])], edges[place, None], matrix, notes["exact"])
        for place, frame in enumerate(notes["frames"])
    }


def _head(notes: Json, block: bytes) -> Mapping[int, HeadShot]:
    def read(name: str) -> npt.NDArray[np.float32] | None:
        return None if notes[name] is None else array_of(block, notes[name])

    norms, bias, cosine, templates = (read(name) for name in ("norms", "bias", "cosine", "templates"))
    assert norms is not None
    return {
        frame: HeadShot(
            norms[place],
            None if bias is None else bias[place],
            None if cosine is None else half_of(cosine[place]),
            None if templates is None else half_of(templates[place]),
            notes["limit"],
        )
        for place, frame in enumerate(notes["frames"])
    }
