"""Which pictures are drawn of a snapshot: those that look other than when they were last drawn."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from lightning_weightviz.views import Scene
from lightning_weightviz.views.support.worth import UNKNOWN, Worth, change
from tests.support.scenes import scene

Array = npt.NDArray[Any]
R = 2.0
KEYS = frozenset({"weights/a", "weights/b", "weights/c"})


def numbers(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape).clip(-1.9, 1.9)


START = {"a": numbers(8, 8, seed=1), "b": numbers(6, 9, seed=2), "c": numbers(12, seed=3)}


def at(**moved: float) -> Scene:
    """The start, with the first value of some parameters moved by so many colour steps."""
    values = {name: one.copy() for name, one in START.items()}
    for name, steps in moved.items():
        values[name].flat[0] += steps * R / 100
    return scene(values, color_range=R)


def test_what_moved_by_less_than_a_colour_step_is_not_drawn_again() -> None:
    worth = Worth()
    assert worth.choose(at(), 1.0).unchanged == frozenset() and worth.drawn == KEYS
    chosen = worth.choose(at(a=0.9, b=1.1), 1.0)
    assert chosen.unchanged == {"weights/a", "weights/c"} == worth.left_out
    assert [chosen.renews(key) for key in sorted(KEYS)] == [False, True, False] and chosen.draws
    # It is compared with what was drawn, not with the snapshot before: small steps add up.
    assert worth.choose(at(a=1.8, b=1.1), 1.0).unchanged == {"weights/b", "weights/c"}
    assert worth.drawn == {"weights/a"}


def test_few_pictures_are_those_that_changed_most() -> None:
    worth = Worth()
    worth.choose(at(), 1.0)
    chosen = worth.choose(at(a=5, b=50, c=20), 0.5)
    assert chosen.affordable == frozenset({"weights/b", "weights/c"}) == worth.drawn and worth.left_out == {"weights/a"}
    # What was not drawn has still changed since it was.
    assert worth.choose(at(a=5, b=50, c=20), 0.01).affordable == frozenset({"weights/a"})
    nothing = worth.choose(at(a=50, b=50, c=20), 0.0)
    assert not nothing.draws and worth.drawn == frozenset() and worth.left_out == KEYS
    assert worth.choose(at(a=50, b=50, c=20), 0.01).affordable == frozenset({"weights/a"})


def test_what_was_never_drawn_comes_first() -> None:
    worth = Worth()
    worth.choose(scene({"a": START["a"], "b": START["b"]}, color_range=R), 1.0)
    assert worth.choose(at(a=50), 0.1).affordable == frozenset({"weights/c"})


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
def test_broken_values_are_drawn_where_they_come_and_where_they_go(broken: float) -> None:
    worth, values = Worth(), {"a": numbers(8, 8)}
    worth.choose(scene(values, color_range=R), 1.0)
    values["a"][2, 3] = broken
    for _ in range(2):
        chosen = worth.choose(scene(values, color_range=R), 1.0)
    assert chosen.unchanged == {"weights/a"}
    values["a"][2, 3] = -broken if np.isinf(broken) else 0.0
    assert worth.choose(scene(values, color_range=R), 1.0).unchanged == frozenset()


def test_another_range_or_shape_is_another_picture() -> None:
    worth, values = Worth(), {"a": numbers(8, 8)}
    worth.choose(scene(values, color_range=R), 1.0)
    assert worth.choose(scene(values, color_range=3.0), 1.0).unchanged == frozenset()
    assert worth.choose(scene({"a": numbers(8, 9)}, color_range=3.0), 1.0).unchanged == frozenset()


def test_classes_are_drawn_where_a_row_or_a_template_changed() -> None:
    worth, head = Worth(), {"head": numbers(3, 8), "other": numbers(8, 8)}
    templates = numbers(3, 1, 4, 4).astype(np.float32)
    worth.choose(scene(head, head="head", templates=templates), 1.0)
    same = worth.choose(scene(head, head="head", templates=templates), 1.0)
    assert same.unchanged == {"classes/templates", "weights/head", "weights/other"}
    chosen = worth.choose(scene(head, head="head", templates=1.5 * templates), 1.0)
    assert chosen.unchanged == {"weights/head", "weights/other"}
    chosen = worth.choose(scene(head | {"head": 1.1 * head["head"]}, head="head", templates=1.5 * templates), 1.0)
    assert worth.drawn >= {"classes/templates", "weights/head"}


def test_a_change_is_in_colour_steps() -> None:
    now, then = numbers(5, 5), numbers(5, 5, seed=9)
    found = change(((now, 0.5), (now, 4.0)), ((then, 0.5), (then, 4.0)))
    steps = np.concatenate([100 * (now - then) / 0.5, 100 * (now - then) / 4.0])
    assert found.largest == pytest.approx(np.abs(steps).max(), abs=1e-3)
    assert found.usual == pytest.approx(np.sqrt(np.mean(steps**2)))
    assert change(((now, 0.5),), ()) == UNKNOWN
    huge = np.full((2, 2), 3e38, np.float32)
    assert change(((huge, 1.0),), ((-huge, 1.0),)).largest > 1


def test_a_scene_that_nobody_chose_from_has_all() -> None:
    whole = at()
    assert whole.affords("weights/a") and whole.renews("weights/a")
    assert not replace(whole, affordable=frozenset()).affords("weights/a")
