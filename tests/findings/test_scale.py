"""Weights that grow, shrink or jump out of proportion."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.findings.runs import Made, group, matrix

JUMPS = 8


def grows(factor: float, by: int = 3) -> list[float]:
    return [0.07] * by + [0.07 * factor]


def test_one_matrix_that_grows_is_named_with_its_factor() -> None:
    [one] = Made().set("b", rms=grows(50)).all_found()
    assert (one.rule, one.parameter) == ("growth", "b")
    assert one.message == "b has grown to 50 × its size at the start; the other matrices to 1 ×"


def test_growth_below_the_limit_in_proportion_or_from_next_to_nothing_is_none() -> None:
    assert Made().set("b", rms=grows(9.5)).all_found() == []
    assert Made().set_all(rms=grows(9.5)).set("b", rms=grows(12)).all_found() == []
    # Its rms × √inputs is 2 at the end.
    assert Made().set("b", rms=[0.001, 0.25]).all_found() == []
    assert Made().set("b", rms=[0.0, 0.9]).all_found() == []


def test_a_matrix_in_front_of_a_norm_may_grow_ten_times_as_far() -> None:
    norm = matrix("2.weight", (64,), kind="norm", layout="vector")
    bias = matrix("1.bias", (64,), kind="bias", layout="vector")
    layers = [matrix("0.weight"), matrix("1.weight"), bias, norm, matrix("3.weight")]
    for name, factor, count in (("1.weight", 90, 0), ("1.weight", 110, 1), ("0.weight", 11, 1), ("3.weight", 11, 1)):
        assert len(Made(layers).set(name, rms=grows(factor)).all_found()) == count, name


def test_all_that_grow_are_one_finding() -> None:
    [one] = Made().set_all(rms=grows(30)).all_found()
    assert (one.rule, one.parameter) == ("growth", "")
    assert one.message == "4 of 4 matrices have grown, the median of them to 30 × its size at the start"


def test_a_matrix_by_itself_may_grow_too_far() -> None:
    [one] = Made(1).set("a", rms=grows(50)).all_found()
    assert one.message == "a has grown to 50 × its size at the start"


def test_a_matrix_that_shrinks_to_nothing_is_named_with_its_weight_decay() -> None:
    [one] = Made(2).set("b", rms=grows(0.001)).train(b=group(weight_decay=0.3)).all_found()
    assert (one.rule, one.parameter) == ("collapse", "b")
    assert one.message == "b has shrunk to 0.1 % of its size at the start; its weight decay is 0.3"


@pytest.mark.parametrize("factor", [0.031, 0.3, 0.0])
def test_matrices_that_shrink_a_little_or_are_pruned_away_have_not_collapsed(factor: float) -> None:
    assert Made(2).set("b", rms=grows(factor)).found("collapse") == []


def changes(factor: float) -> list[float]:
    return [0.05] * JUMPS + [0.05 * factor, 0.05]


def test_one_matrix_that_jumps_is_named_at_that_moment_and_its_end_is_not_told() -> None:
    judged = Made().set("b", relative_change=changes(20)).judge()
    [one] = judged[JUMPS].begun
    assert (one.rule, one.parameter, one.epoch) == ("jump", "b", JUMPS)
    assert one.message == "b has jumped: it changed by 100 % at once, 20 × its largest change before"
    assert not any(each.ended for each in judged)


def test_all_that_jump_are_one_finding() -> None:
    [one] = Made().set_all(relative_change=changes(20)).all_found()
    assert one.message == "4 of 4 matrices have jumped: by up to 100 % at once"


@pytest.mark.parametrize(
    "change",
    [changes(7.9), [0.001] * JUMPS + [0.05, 0.001], [0.0] * JUMPS + [1.0, 0.05]],
    ids=["less than eight times", "less than a tenth", "it was frozen"],
)
def test_usual_changes_are_no_jump(change: Sequence[float]) -> None:
    assert Made().set("b", relative_change=change).found("jump") == []


def test_a_learning_rate_that_rises_explains_a_jump() -> None:
    rates = [group(0.01)] * JUMPS + [group(0.2)]
    made = Made(2).set_all(relative_change=changes(20))
    assert made.train(a=rates, b=rates).all_found() == []
    assert made.train().all_found() != []


def test_heads_of_few_values_are_not_judged() -> None:
    tiny = Made([matrix("a"), matrix("b"), matrix("c", (2, 4))])
    assert tiny.set("c", relative_change=changes(20), rms=grows(50)).all_found() == []
