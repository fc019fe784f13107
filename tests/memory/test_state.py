"""The state in a checkpoint: version 0.1's is read and written again as it was; what is broken changes nothing."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lightning_weightviz.memory import History
from lightning_weightviz.run.checkpoint import to_arrays, to_tensors

CHECKPOINT = Path(__file__).parent.parent / "data" / "checkpoint-0.1.ckpt"
FC1 = "weights/fc1.weight"
PERCENTILES = f"percentiles:{FC1}"


@pytest.fixture(scope="module")
def saved() -> dict[str, Any]:
    (callback,) = torch.load(CHECKPOINT, weights_only=True)["callbacks"].values()
    history: dict[str, Any] = to_arrays(callback["visualizer"]["history"])
    return history


def assert_same(found: Any, expected: Any) -> None:
    """The same types, lengths and values, all the way down."""
    assert type(found) is type(expected)
    if isinstance(expected, dict):
        assert found.keys() == expected.keys()
        for key, value in expected.items():
            assert_same(found[key], value)
    elif isinstance(expected, list):
        assert len(found) == len(expected)
        for left, right in zip(found, expected, strict=True):
            assert_same(left, right)
    elif isinstance(expected, np.ndarray):
        assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
        np.testing.assert_array_equal(found, expected)
    else:
        assert found == expected or (math.isnan(found) and math.isnan(expected))


def test_the_state_of_version_0_1_is_saved_again_as_it_was(saved: dict[str, Any]) -> None:
    history = History()
    history.load_state_dict(copy.deepcopy(saved))
    assert history.snapshots == 4
    assert_same(to_arrays(to_tensors(history.state_dict())), saved)


def test_a_start_at_no_time_is_refused() -> None:
    state = copy.deepcopy(History().state_dict())
    state |= {"shapes": {FC1: [2, 2]}, "start": {FC1: np.zeros((2, 2), np.float32)}}
    with pytest.raises(ValueError, match=r"a start of weights/fc1\.weight at no time"):
        History().load_state_dict(state)


def test_a_start_of_version_0_1_is_of_the_first_snapshot(saved: dict[str, Any]) -> None:
    history = History(keep_start=True)
    history.load_state_dict(copy.deepcopy(saved))
    memory = history._memory({})
    assert memory.started.keys() == memory.start.keys() and memory.start
    assert {time.ordinal for time in memory.started.values()} == {0}


def test_a_new_history_has_a_state() -> None:
    history = History()
    history.load_state_dict(History().state_dict())
    assert history.snapshots == 0


def put(*path: Any) -> Callable[[Any], None]:
    """Sets what lies at a path, the last of it the value."""
    *parents, key, value = path

    def change(state: Any) -> None:
        for parent in parents:
            state = state[parent]
        state[key] = value

    return change


def drop(*path: Any) -> Callable[[Any], None]:
    *parents, key = path

    def change(state: Any) -> None:
        for parent in parents:
            state = state[parent]
        del state[key]

    return change


FIELDS = ("shapes", "ranges", "frame_base", "stride", "times", "keys", "statistics", "curves", "frames", "start")
BROKEN: dict[str, Callable[[Any], None]] = {
    **{f"no {name}": drop(name) for name in (*FIELDS, "previous")},
    **{f"None as {name}": put(name, None) for name in (*FIELDS, "previous")},
    "a field that is not known": put("version", 2),
    "a list of ranges": put("ranges", []),
    "a dict of times": put("times", {}),
    "a bool as stride": put("stride", True),
    "a stride of 0": put("stride", 0),
    "a frame_base of 1": put("frame_base", 1),
    "a time of two numbers": put("times", 0, [0, 0]),
    "a time of a float": put("times", 0, [0.0, 0, 0]),
    "times out of order": put("times", 0, [7, 0, 0]),
    "a time too few": drop("times", 3),
    "a shape of words": put("shapes", FC1, ["8", "16"]),
    "a range of words": put("ranges", FC1, "wide"),
    "an infinite range": put("ranges", FC1, math.inf),
    "a range of no parameter": put("ranges", "weights/other", 1.0),
    "a key twice": put("keys", 0, "weights/fc1.bias"),
    "fewer keys than rows": put("keys", []),
    "rows too few": drop("statistics", 0),
    "rows of other statistics": put("statistics", 0, np.zeros((7, 5), np.float32)),
    "rows of float64": put("statistics", 0, np.zeros((7, 7))),
    "rows as a list": put("statistics", 0, [[0.0] * 7] * 7),
    "a curve of another kind": put("curves", f"means:{FC1}", {"ordinals": [], "rows": np.zeros((0, 9), np.float32)}),
    "a curve of no parameter": drop("shapes", "updates/norm.bias"),
    "a curve without ordinals": drop("curves", PERCENTILES, "ordinals"),
    "an ordinal too few": drop("curves", PERCENTILES, "ordinals", 0),
    "an ordinal at no time": put("curves", PERCENTILES, "ordinals", 3, 17),
    "percentiles too few": put("curves", PERCENTILES, "rows", np.zeros((4, 8), np.float32)),
    "vectors too long": put("curves", "vectors:weights/fc1.bias", "rows", np.zeros((4, 257), np.float32)),
    "a frame without cells": drop("frames", FC1, 0, "cells"),
    "a frame of one dimension": put("frames", FC1, 0, "cells", np.zeros(4, np.float16)),
    "a frame as a list": put("frames", FC1, 0, [0, 0, 0]),
    "a frame of no scale": put("frames", FC1, 0, "scale", 0.0),
    "frames out of order": put("frames", FC1, 0, "ordinal", 5),
    "frames of no parameter": put("frames", "weights/other", []),
    "a start as a list": put("start", FC1, [[0.0]]),
    "a moment of no parameter": put("started", {"weights/other": [0, 0, 0]}),
    "a moment without a start": lambda state: state.update(start={}, started={FC1: [0, 0, 0]}),
    "a moment of two numbers": put("started", {FC1: [0, 0]}),
    "moments as a list": put("started", [[0, 0, 0]]),
    "a start of one dimension": put("start", FC1, np.zeros(4, np.float32)),
    "largest changes as a list": put("around", []),
    "a largest change of no parameter": put("around", {"weights/other": {"largest": 1.0, "frames": []}}),
    "a largest change without frames": put("around", {FC1: {"largest": 1.0}}),
    "a largest change of words": put("around", {FC1: {"largest": "much", "frames": []}}),
    "a largest change of broken frames": put("around", {FC1: {"largest": 1.0, "frames": [{}]}}),
    "metrics as a list": put("metrics", []),
    "a metric without rows": put("metrics", {"loss": {"ordinals": [0]}}),
    "a metric of no time": put("metrics", {"loss": {"ordinals": [17], "rows": np.zeros((1, 1), np.float32)}}),
    "a metric of two values": put("metrics", {"loss": {"ordinals": [0], "rows": np.zeros((1, 2), np.float32)}}),
    "a metric without points": put("metrics", {"loss": {"ordinals": [], "rows": np.zeros((0, 1), np.float32)}}),
    "a snapshot before of no parameter": put("previous", "weights/other", np.zeros((1, 1), np.float32)),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_state_is_refused_and_changes_nothing(name: str, saved: dict[str, Any]) -> None:
    history, broken = History(), copy.deepcopy(saved)
    history.load_state_dict(copy.deepcopy(saved))
    BROKEN[name](broken)
    with pytest.raises(ValueError, match="no history of this version"):
        history.load_state_dict(broken)
    assert_same(history.state_dict(), saved)


@pytest.mark.parametrize("state", [None, [], "history", 3, {}, {0: 1}])
def test_no_state_at_all_is_refused(state: Any) -> None:
    with pytest.raises(ValueError, match="no history of this version"):
        History().load_state_dict(state)
