"""What findings are told from is bounded, keeps the newest snapshots whole, and survives a checkpoint."""

from __future__ import annotations

import copy
import math
import pickle
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from lightning_weightviz.findings import Evidence
from lightning_weightviz.memory import RECENT, RECORDED, History, key_of, past_of, statistics_key
from lightning_weightviz.memory.curves import MAX_POINTS
from lightning_weightviz.memory.unit_rows import UnitTrack, rows_of
from lightning_weightviz.snapshot import TOTAL, ClassRows, Measurement
from tests.findings.runs import Made, group, matrix, picture

A = statistics_key("weights", "a")


def remembered(made: Made) -> History:
    history = History()
    for ordinal in range(made.snapshots):
        history.remember(made.snapshot(ordinal))
    return history


def run(snapshots: int) -> Made:
    """Three matrices, one with pictures whose rows turn, and a head of five classes."""
    made = Made([matrix("a", (6, 8)), matrix("b"), matrix("total")], snapshots=snapshots)
    rng = np.random.default_rng(0)
    made.set("a", rms=[float(ordinal) for ordinal in range(snapshots)])
    made.pictures["a"] = [picture(rng.standard_normal((6, 8))) for _ in range(snapshots)]
    rows = picture(np.ones((5, 4)))
    made.heads = [
        ClassRows("a", tuple("abcde"), 4, rows, np.full(5, float(ordinal)), np.arange(5.0))
        for ordinal in range(snapshots)
    ]
    return made.train(a=group(0.25, 0.125))


def test_every_number_is_where_it_belongs() -> None:
    past = past_of(run(3).snapshot(2))
    assert [(time.ordinal, time.epoch, time.step) for time in past.times] == [(2, 2, 20)]
    row = dict(zip(RECORDED, past.values[0, past.places[A]].tolist(), strict=True))
    assert (row["rms"], row["update_ratio"], row["lr"], row["weight_decay"]) == (2.0, np.float32(1e-3), 0.25, 0.125)
    # A parameter that is called as the total is another one.
    assert past.places[statistics_key("weights", "total")] != past.places[key_of("weights", TOTAL)]


def test_the_newest_are_kept_whole_and_of_the_others_every_nth() -> None:
    history = History()
    sizes = []
    made = run(400)
    for ordinal in range(400):
        past = history.remember(made.snapshot(ordinal)).past
        ordinals = [time.ordinal for time in past.times]
        assert ordinals[-RECENT:] == list(range(max(0, ordinal - RECENT + 1), ordinal + 1))
        assert len(ordinals) <= MAX_POINTS + RECENT and ordinals[0] == 0
        np.testing.assert_array_equal(past.values[:, past.places[A], RECORDED.index("rms")], ordinals)
        if ordinal in (150, 399):
            sizes.append(len(pickle.dumps(history.state_dict()["record"])))
    # Between two thinnings there are once to twice as many.
    assert sizes[1] < 2 * sizes[0]
    turns = past.turns[A]
    assert turns[0].tolist() == list(range(400 - RECENT, 400)) and turns[1].shape == (RECENT, 6, 2)
    # The start of the classes stays.
    times, norms = past.classes["a"]
    assert [time.ordinal for time in times] == [0, *range(400 - RECENT, 400)]
    np.testing.assert_array_equal(norms[:, 0, 0], [time.ordinal for time in times])


def test_the_start_of_what_comes_late_stays_however_long_the_run() -> None:
    made = run(200)
    made.set("b", rms=[float(ordinal) for ordinal in range(200)], std=[math.nan, math.nan, math.nan, 5.0, 7.0])
    history = History()
    for ordinal in range(200):
        snapshot = made.snapshot(ordinal)
        if ordinal < 1:
            # The head and a parameter are known from the second snapshot on.
            weights = {name: one for name, one in snapshot.targets["weights"].items() if name != "b"}
            snapshot = replace(snapshot, heads=(), targets={"weights": weights})
        past = history.remember(snapshot).past
    times, values = past.classes["a"]
    assert times[0] == (1, 1, 10) and values[0, 0, 0] == 1.0
    assert [time.ordinal for time in times[1:]] == list(range(200 - RECENT, 200))
    starts = dict(zip(RECORDED, past.starts[past.places[statistics_key("weights", "b")]].tolist(), strict=True))
    assert (starts["rms"], starts["std"]) == (1.0, 5.0)
    evidence = Evidence(snapshot, past)
    assert evidence.start("rms").tolist() == [0.0, 1.0, pytest.approx(0.07)]


def test_the_start_of_another_parameter_of_the_name_is_its_own() -> None:
    history = History()
    for ordinal, shape in enumerate([(6, 8), (6, 8), (4, 8), (4, 8)]):
        made = Made([matrix("a", shape)], snapshots=4).set("a", rms=float(ordinal))
        past = history.remember(made.snapshot(ordinal)).past
    assert past.starts[past.places[A], RECORDED.index("rms")] == 2.0


def test_rows_turn_by_their_angle_and_shrinking_turns_nothing() -> None:
    rng = np.random.default_rng(1)
    rows = rng.standard_normal((40, 200))
    other = rng.standard_normal((40, 200))
    other -= (other * rows).sum(1, keepdims=True) / (rows**2).sum(1, keepdims=True) * rows
    other *= np.linalg.norm(rows, axis=1, keepdims=True) / np.linalg.norm(other, axis=1, keepdims=True)
    track = UnitTrack()
    for ordinal, angle in enumerate((0.0, 0.0, 0.1, 0.2)):
        # The first ten stand still, and the next ten shrink.
        now = np.cos(angle) * rows + np.sin(angle) * other
        now[:20] = rows[:20]
        now[10:20] *= 0.9**ordinal
        found = rows_of(Measurement(matrix("a", (40, 200)), {}, None, np.zeros(9), picture=picture(now)))  # type: ignore[arg-type]
        assert found is not None
        track.add(ordinal, found, -99)
    _, turns = track.newest()
    assert np.abs(turns[:, :20]).max() < 1e-6
    # What did not move at all has turned by exactly nothing.
    assert np.abs(turns[:, :10]).max() == 0 and np.abs(turns[0, 20:]).max() == 0
    # Of 8 numbers a row, the median of twenty rows is near.
    assert np.median(turns[-1, 20:, 0]) == pytest.approx(0.1, rel=0.25)
    assert np.median(turns[-1, 20:, 1]) == pytest.approx(0.2, rel=0.25)


@pytest.mark.parametrize("fields", [{"kind": "embedding"}, {"kind": "bias"}, {"stacked": 2}])
def test_what_has_no_units_has_no_rows(fields: dict[str, Any]) -> None:
    one = Measurement(matrix("a", (6, 8), **fields), {}, None, np.zeros(9), picture=picture(np.ones((6, 8))))  # type: ignore[arg-type]
    assert rows_of(one) is None


def test_rows_that_are_broken_are_unknown_and_leave_the_others() -> None:
    made = run(3)
    cells = np.ones((6, 8))
    cells[2, 3] = np.nan
    cells[4] = 0.0
    made.pictures["a"] = [picture(np.ones((6, 8))), picture(cells), picture(cells)]
    history = remembered(made)
    turns = history.remember(made.snapshot(3)).past.turns[A][1]
    assert np.isnan(turns[0]).any(1).tolist() == [False, False, True, False, True, False]


def test_a_parameter_of_another_shape_starts_anew() -> None:
    made = run(4)
    history = remembered(made)
    made.parameters["a"] = matrix("a", (9, 8))
    made.pictures["a"] = [picture(np.ones((9, 8)))]
    past = history.remember(made.snapshot(4)).past
    assert np.isnan(past.values[:-1, past.places[A]]).all()
    assert np.isfinite(past.values[-1, past.places[A], 0])
    assert A not in past.turns


def test_a_checkpoint_brings_all_of_it_back() -> None:
    made = run(20)
    history, another = remembered(made), History()
    another.load_state_dict(pickle.loads(pickle.dumps(history.state_dict())))
    one, other = (each.remember(made.snapshot(20)).past for each in (history, another))
    np.testing.assert_array_equal(one.values, other.values)
    np.testing.assert_array_equal(one.starts, other.starts)
    assert (one.times, one.places) == (other.times, other.places)
    for name in ("turns", "classes"):
        left, right = getattr(one, name), getattr(other, name)
        assert left.keys() == right.keys() and left
        for key in left:
            np.testing.assert_array_equal(left[key][0], right[key][0])
            np.testing.assert_array_equal(left[key][1], right[key][1])


def put(*path: Any) -> Callable[[Any], None]:
    """Sets what lies at a path, the last of it the value."""
    *parents, key, value = path

    def change(state: Any) -> None:
        for parent in parents:
            state = state[parent]
        state[key] = value

    return change


@pytest.mark.parametrize(
    "change",
    [
        put("keys", "a"),
        put("keys", 0, 3),
        put("keys", 1, A),
        put("times", [[0, 0]]),
        put("times", 1, [0, 0, 0]),
        put("rows", []),
        put("rows", 0, np.zeros((1, 3), np.float32)),
        put("rows", 0, np.zeros((99, len(RECORDED)), np.float32)),
        put("rows", 0, np.zeros((1, len(RECORDED)))),
        put("stride", 0),
        put("more", 1),
        put("units", [1]),
        put("units", A, {}),
        put("units", A, "start", np.zeros((6, 3), np.float32)),
        put("units", A, "start", np.zeros((5, 8), np.float32)),
        put("units", A, "rows", np.zeros((2, 6, 3), np.float32)),
        put("units", A, "ordinals", [3, 2]),
        put("starts", np.zeros((1, len(RECORDED)), np.float32)),
        put("classes", "a", "times", [[0, 0, 0]]),
        put("classes", "a", "times", [[0, 0, 0], [2, 2, 20], [1, 1, 10]]),
        put("classes", "a", "times", [0, 1, 2]),
        put("classes", "a", "rows", np.zeros((3, 5, 2), np.float32)),
        put("classes", 3, {}),
    ],
)
def test_what_is_broken_is_refused_and_changes_nothing(change: Callable[[Any], None]) -> None:
    history = remembered(run(3))
    before = history.state_dict()
    state = copy.deepcopy(before)
    change(state["record"])
    with pytest.raises(ValueError, match="this is no history of this version"):
        history.load_state_dict(state)
    assert pickle.dumps(history.state_dict()) == pickle.dumps(before)
