"""Steps that are too large or too small, and starts from which a network learns badly."""

from __future__ import annotations

import math
from typing import Any

import pytest

from lightning_weightviz.snapshot import Parameter
from tests.findings.runs import Made, group, matrix


def turned(degrees: float) -> float:
    """As the statistic ``rotation`` says it."""
    return 1.0 - math.cos(math.radians(degrees))


def test_steps_that_are_a_large_part_of_the_weights() -> None:
    [one] = Made(3).set_all(update_ratio=0.25).train(a=group(0.3), b=group(0.3), c=group(0.3)).all_found()
    assert (one.rule, one.parameter) == ("large_steps", "")
    assert one.message == "a single step changes the median matrix by 25 % of its length; the learning rate is 0.3"


def test_large_steps_of_few_or_of_what_starts_at_0_are_left_alone() -> None:
    assert Made(3).set_all(update_ratio=0.09).all_found() == []
    assert Made(3).set("a", update_ratio=0.9).all_found() == []
    assert Made(1).set("a", update_ratio=0.9).all_found() == []
    assert Made(3).set_all(update_ratio=0.9, rms=[0.0, 0.07]).found("large_steps") == []


def test_steps_that_change_nothing() -> None:
    [one] = Made(3).set_all(update_ratio=1e-6, rotation=turned(0.5)).all_found()
    assert one.rule == "small_steps"
    assert one.message == (
        "a single step changes the median matrix by 0.0001 % of its length, "
        "and none has turned by more than 0.5° since the start"
    )


def test_small_steps_after_the_weights_have_turned_are_a_schedules_end() -> None:
    assert Made(3).set_all(update_ratio=1e-6, rotation=turned(20)).all_found() == []
    assert Made(3).set_all(update_ratio=2e-5, rotation=turned(0.5)).all_found() == []
    # A trunk at a small rate under a head that moves.
    head = Made(3).set_all(update_ratio=1e-6, rotation=turned(0.5)).set("c", rotation=turned(30))
    assert head.all_found() == []


SMALL = {"std": 0.01, "rms": 0.01}


def chain() -> list[Parameter]:
    return [matrix("a", (128, 784)), matrix("b", (64, 128)), matrix("c", (10, 64), kind="head")]


def test_a_start_from_which_nothing_comes_through() -> None:
    [one] = Made(chain()).set_all(**SMALL, rotation=turned(1)).found("bad_start")
    # 0.01³ · √(784 · 128 · 64)
    assert one.message == (
        "the product of std · √inputs along 3 layers is 0.0025 at the start, "
        "and the median layer has turned by 1° since"
    )
    assert one.epoch == 0


def test_small_starts_that_move_or_have_a_norm_and_usual_ones_are_left_alone() -> None:
    made = Made(chain())
    assert made.set_all(**SMALL, rotation=turned(30)).all_found() == []
    usual = {"std": 0.03, "rms": 0.03}
    assert Made(chain()).set_all(**usual, rotation=turned(1)).found("bad_start") == []
    norm = matrix("n", (64,), kind="norm", layout="vector")
    assert Made([*chain(), norm]).set_all(**SMALL, rotation=turned(1)).found("bad_start") == []


def test_depth_alone_is_no_bad_start() -> None:
    deep = [matrix(name) for name in "abcdefgh"]
    default = {"std": 1 / math.sqrt(3 * 64), "rms": 1 / math.sqrt(3 * 64)}
    assert Made(deep).set_all(**default, rotation=turned(1)).found("bad_start") == []


def test_units_that_start_alike() -> None:
    judged = Made(2).set("b", rms=0.05, std=[1e-9, 0.01]).judge()
    [one] = judged[1].begun
    assert one.message == "all weights of b started at 0.05, so its units learn alike"
    assert (one.rule, one.epoch) == ("equal_units", 0)


@pytest.mark.parametrize("fields", [{"kind": "norm"}, {"kind": "embedding"}, {"trainable": False}])
def test_what_may_start_alike_is_left_alone(fields: dict[str, Any]) -> None:
    made = Made([matrix("a"), matrix("b", **fields)])
    assert made.set("b", rms=1.0, std=0.0).all_found() == []


def test_zeros_and_nearly_equal_weights_do_not_start_alike() -> None:
    assert Made(2).set("b", rms=[0.0, 0.07], std=[0.0, 0.07]).all_found() == []
    assert Made(2).set("b", rms=0.05, std=1e-4).all_found() == []
