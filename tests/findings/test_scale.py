"""Weights that grow, shrink or jump out of proportion."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.findings.runs import SNAPSHOTS, Made, group, matrix

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


def with_gaps(*gaps: int) -> list[int]:
    """Steps of snapshots, of which the last ones come so long after those before them."""
    steps = list(range(0, 10 * (SNAPSHOTS - len(gaps)), 10))
    for gap in gaps:
        steps.append(steps[-1] + gap)
    return steps


def test_a_long_way_is_no_jump_where_there_was_long_to_go_it() -> None:
    made = Made().set_all(relative_change=[0.05] * (SNAPSHOTS - 1) + [1.0])
    [one] = made.all_found()
    assert one.message == "4 of 4 matrices have jumped: by up to 100 % at once"
    # 20 times as far in 20 times the steps is what it was; in twice the steps it is ten times that.
    made.steps = with_gaps(200)
    assert made.all_found() == []
    made.steps = with_gaps(20)
    assert [one.rule for one in made.all_found()] == ["jump"]


def test_what_jumps_over_a_longer_gap_is_told_with_its_pace() -> None:
    made = Made().set("b", relative_change=[0.05] * (SNAPSHOTS - 1) + [2.0])
    made.steps = with_gaps(20)
    [one] = made.all_found()
    assert one.message == "b has jumped: it changed by 200 % at once, 20 × as much as at its pace before"


def test_a_short_gap_makes_no_jump_of_a_usual_change() -> None:
    made = Made().set_all(relative_change=[0.05] * (SNAPSHOTS - 1) + [0.3])
    # As far as a step of noise may go, though it is 60 times as fast as before.
    made.steps = with_gaps(1)
    assert made.all_found() == []
    made.set_all(relative_change=[0.05] * (SNAPSHOTS - 1) + [0.5])
    assert [one.rule for one in made.all_found()] == ["jump"]


@pytest.mark.parametrize(
    ("steps", "rules"),
    [
        ([0] * SNAPSHOTS, ["jump"]),
        ([*range(5), *range(SNAPSHOTS - 5)], ["jump"]),
        ([*range(0, 800, 100), *range(SNAPSHOTS - 8)], []),
    ],
    ids=["one step for all", "from 0 again before", "from 0 again"],
)
def test_where_steps_do_not_rise_the_gap_is_not_known(steps: list[int], rules: list[str]) -> None:
    made = Made().set_all(relative_change=changes(20))
    made.steps = steps
    assert [one.rule for one in made.all_found()] == rules


def test_a_learning_rate_that_rises_explains_a_jump() -> None:
    rates = [group(0.01)] * JUMPS + [group(0.2)]
    made = Made(2).set_all(relative_change=changes(20))
    assert made.train(a=rates, b=rates).all_found() == []
    assert made.train().all_found() != []


def test_heads_of_few_values_are_not_judged() -> None:
    tiny = Made([matrix("a"), matrix("b"), matrix("c", (2, 4))])
    assert tiny.set("c", relative_change=changes(20), rms=grows(50)).all_found() == []
