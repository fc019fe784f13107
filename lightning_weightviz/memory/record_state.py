"""The form of a `Record` in a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from lightning_weightviz.memory.curves import Time
from lightning_weightviz.memory.reading import array, ascending, listed, mapping, refuse, time_of, whole
from lightning_weightviz.memory.record import RECORDED, Record
from lightning_weightviz.memory.unit_rows import NUMBERS, UnitTrack


def record_to_state(record: Record) -> dict[str, Any]:
    """All of it as primitives and numpy arrays."""
    return {
        "keys": list(record.keys),
        "times": [list(time) for time in record.times],
        "rows": list(record.rows),
        "starts": record.starts,
        "stride": record.stride,
        "units": {
            key: {"start": track.start, "previous": track.previous, **_points(track.turns)}
            for key, track in record.units.items()
        },
        "classes": {
            name: {"times": [list(time) for time, _ in track], "rows": np.stack([values for _, values in track])}
            for name, track in record.classes.items()
        },
    }


def record_from_state(state: object) -> Record:
    """The inverse of `record_to_state`.

    Raises:
        ValueError: Something is missing, is not known, or is of the wrong type or shape.
    """
    found = _fields(state, "the record", set(record_to_state(Record())))
    keys = listed(found["keys"], "the record's keys")
    if not all(isinstance(key, str) for key in keys) or len(set(keys)) != len(keys):
        refuse("the record's keys are not names, each once")
    times = [time_of(time) for time in listed(found["times"], "the record's times")]
    ascending([time.ordinal for time in times], "the record's times")
    rows = [array(one, "the record", np.float32, 2) for one in listed(found["rows"], "the record's rows")]
    if len(rows) != len(times) or any(len(one) > len(keys) or one.shape[1] != len(RECORDED) for one in rows):
        refuse(f"the record has rows of shapes {[one.shape for one in rows]} at {len(times)} times")
    starts = array(found["starts"], "the record's starts", np.float32, 2)
    if starts.shape != (len(keys), len(RECORDED)):
        refuse(f"the record's starts are of shape {starts.shape} for {len(keys)} keys")
    units = {key: _units(one, key) for key, one in mapping(found["units"], "the record's units").items()}
    classes = {name: _classes(one, name) for name, one in mapping(found["classes"], "the record's classes").items()}
    return Record(keys, times, rows, starts, whole(found["stride"], "the record's stride", 1), units, classes)


def _units(value: object, key: str) -> UnitTrack:
    found = _fields(value, key, {"start", "previous", "ordinals", "rows"})
    start, previous = (array(found[name], f"the rows of {key}", np.float32, 2) for name in ("start", "previous"))
    if start.shape != previous.shape or start.shape[1] != NUMBERS:
        refuse(f"the rows of {key} are of shapes {start.shape} and {previous.shape}")
    return UnitTrack(start, previous, _curve(found, key, (len(start), 2)))


def _classes(value: object, name: str) -> list[tuple[Time, npt.NDArray[np.float32]]]:
    found = _fields(value, name, {"times", "rows"})
    times = [time_of(time) for time in listed(found["times"], f"the times of {name}")]
    ascending([time.ordinal for time in times], f"the times of {name}")
    rows = array(found["rows"], f"the classes of {name}", np.float32, 3)
    if not times or len(rows) != len(times) or rows.shape[1] != 2:
        refuse(f"the classes of {name} are of shape {rows.shape} at {len(times)} times")
    return list(zip(times, rows, strict=True))


def _points(points: list[tuple[int, npt.NDArray[np.float32]]]) -> dict[str, Any]:
    rows = np.stack([row for _, row in points]) if points else np.zeros((0, 0, 0), np.float32)
    return {"ordinals": [ordinal for ordinal, _ in points], "rows": rows}


def _curve(found: Mapping[str, Any], key: str, shape: tuple[int, int]) -> list[tuple[int, npt.NDArray[np.float32]]]:
    """Points of one shape."""
    ordinals = [whole(one, f"the turns of {key}") for one in listed(found["ordinals"], f"the turns of {key}")]
    rows = array(found["rows"], f"the turns of {key}", np.float32, 3)
    if len(rows) != len(ordinals) or (ordinals and rows.shape[1:] != shape):
        refuse(f"the turns of {key} are of shape {rows.shape} at {len(ordinals)} ordinals")
    ascending(ordinals, f"the turns of {key}")
    return list(zip(ordinals, rows, strict=True))


def _fields(value: object, what: str, names: set[str]) -> Mapping[str, Any]:
    found = mapping(value, what)
    if found.keys() != names:
        refuse(f"{what} has {sorted(found)}")
    return found
