"""Which snapshots and which filters a film is made of: bounded, and the same after a resume."""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np
import pytest

from lightning_weightviz.memory import Frame, History, Memory, worth_a_look
from lightning_weightviz.memory.film import MAX_FRAMES
from lightning_weightviz.run.checkpoint import to_arrays, to_tensors
from lightning_weightviz.snapshot import Snapshot
from tests.support.pixels import normal
from tests.support.scenes import scene

KEY = "weights/w"


def shots(changes: list[float]) -> list[Snapshot]:
    """Snapshots of a matrix of which each changes by a share of its length at the one before."""
    values, found = normal(6, 8), list[Any]()
    for change in [0.0, *changes]:
        direction = normal(6, 8, seed=len(found) + 1)
        values = values + change * np.linalg.norm(values) / np.linalg.norm(direction) * direction
        found.append({"w": values})
    return [scene(found[place], before=found[max(place - 1, 0) : place]).snapshot for place in range(len(found))]


def remembered(history: History, changes: list[float], first: int = 0) -> Memory:
    """What is known after snapshots that change by so much, of which those before `first` were remembered."""
    for ordinal, shot in enumerate(shots(changes)):
        if ordinal >= first:
            fields = {**vars(shot), "ordinal": ordinal, "epoch": ordinal, "step": 45 * ordinal}
            memory = history.remember(Snapshot(**fields))
    return memory


def ordinals(frames: tuple[Frame, ...]) -> list[int]:
    return [frame.ordinal for frame in frames]


@pytest.mark.parametrize(
    ("changes", "around"),
    [
        ([0.5, 0.3, 0.2, 0.1], []),
        ([0.5, 0.3, 0.2, 0.1, 0.9, 0.1, 0.1], [4, 5]),
        ([0.0, 0.0, 0.2, 0.1, 0.1], [2, 3]),
        ([0.1, 0.6, 0.1, 0.1, 0.1, 0.1, 0.7], [6, 7]),
        ([0.0, 0.0, 0.0], []),
    ],
)
def test_the_snapshots_around_the_largest_change_are_kept(changes: list[float], around: list[int]) -> None:
    memory = remembered(History(), changes)
    assert ordinals(memory.around.get(KEY, ())) == around
    assert len(memory.frames[KEY]) <= MAX_FRAMES


def test_a_resumed_training_knows_the_largest_change_before() -> None:
    changes = [0.5, 0.2, 0.2, 0.2, 0.9, 0.2, 0.3, 0.2]
    first, again = History(), History()
    remembered(first, changes[:6])
    state = to_arrays(to_tensors(first.state_dict()))
    again.load_state_dict(state)
    found, expected = remembered(again, changes, 7), remembered(History(), changes)
    assert ordinals(found.around[KEY]) == ordinals(expected.around[KEY]) == [4, 5]
    for one, other in zip(found.around[KEY], expected.around[KEY], strict=True):
        np.testing.assert_array_equal(one.values, other.values)
    # What was saved before largest changes were: a later one that is no larger than those of the curve is none.
    old = copy.deepcopy(state)
    del old["around"]
    earlier = History()
    earlier.load_state_dict(old)
    assert not remembered(earlier, changes, 7).around


def test_a_jump_just_after_a_resume_is_known_by_the_snapshot_behind_it() -> None:
    first, again = History(), History()
    remembered(first, [0.5, 0.2, 0.2])
    again.load_state_dict(to_arrays(to_tensors(first.state_dict())))
    assert ordinals(remembered(again, [0.5, 0.2, 0.2, 0.9], 4).around[KEY]) == [4]


def frames(start: np.ndarray, end: np.ndarray) -> list[Frame]:
    return [Frame(n, n, n, np.asarray(v, np.float16), 1.0, math.nan) for n, v in enumerate((start, end))]


def test_those_that_moved_most_come_first_and_some_that_moved_least_last() -> None:
    start = normal(40, 9)
    moved = np.random.default_rng(3).permutation(40)
    end = start + moved[:, None] / 40
    shown, least = worth_a_look(frames(start, end), 12)
    assert [int(moved[row]) for row in shown] == [*range(39, 30, -1), 2, 1, 0] and least == 3


def test_a_broken_one_has_moved_most_and_few_are_all_shown() -> None:
    start = np.zeros((30, 4))
    end = start + np.where(np.arange(30)[:, None] == 17, np.nan, np.arange(30)[:, None] / 30)
    assert worth_a_look(frames(start, end), 8)[0][0] == 17
    assert worth_a_look(frames(start, end), 30) == (list(range(30)), 0)
    assert worth_a_look(frames(start[:5], end), 8) == (list(range(5)), 0)


def test_a_film_of_the_largest_layer_of_pictures_is_bounded() -> None:
    history = History()
    sight = scene({"w": normal(128, 1, 28, 28)}, epochs=1)
    for ordinal in range(300):
        fields = {**vars(sight.snapshot), "ordinal": ordinal, "epoch": ordinal, "step": ordinal}
        memory = history.remember(Snapshot(**fields))
    assert memory.frames[KEY][0].cells.shape == (128, 784)
    kept = sum(frame.cells.nbytes for frame in (*memory.frames[KEY], *memory.around.get(KEY, ())))
    assert kept <= (MAX_FRAMES + 2) * 2**18
