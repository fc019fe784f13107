"""Weights that stand still are told of, and those that are to stand still are not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.findings.runs import Made, group, matrix

MIDDLE = 6
STOPS = [0.05] * MIDDLE + [0.0]


def test_a_matrix_that_stops_while_others_move_is_told_of_since_it_stopped() -> None:
    [one] = Made().set("b", relative_change=STOPS).train().all_found()
    assert (one.rule, one.parameter, one.severity) == ("not_moving", "b", "warning")
    assert (one.epoch, one.step) == (MIDDLE - 1, 10 * (MIDDLE - 1))
    assert one.message == "b has hardly changed since epoch 5, others change by 5 % a snapshot"


def test_snapshots_by_steps_are_called_by_their_steps() -> None:
    made = Made().set("b", relative_change=STOPS)
    made.by_steps = True
    [one] = made.all_found()
    assert one.message.startswith("b has hardly changed since step 50, ")


def test_a_matrix_that_never_moved_is_told_of_since_the_start() -> None:
    [one] = Made().set("b", relative_change=0.0, rotation=0.0).found("not_moving")
    assert "since the start" in one.message and (one.epoch, one.step) == (0, 0)


@pytest.mark.parametrize("change", [0.05 * 1.1e-3, 0.01])
def test_a_matrix_that_moves_a_little_is_left_alone(change: float) -> None:
    assert Made().set("b", relative_change=change).all_found() == []


def test_what_stands_still_on_purpose_is_left_alone() -> None:
    still = {"relative_change": 0.0, "rotation": 0.0, "update_ratio": 0.0}
    frozen = Made([matrix("a"), matrix("b"), matrix("c", trainable=False)]).set("c", **still)
    assert frozen.all_found() == []
    at_0 = Made(3).set("c", **still).train(c=group(0.0))
    assert at_0.all_found() == []
    # Ten thousand times slower, at a rate ten thousand times lower.
    slower = Made(3).set("c", relative_change=5e-6).train(c=group(1e-5))
    assert slower.all_found() == []
    assert [one.rule for one in Made(3).set("c", relative_change=5e-6).train().all_found()] == ["not_moving"]


def test_rates_of_different_optimizers_are_not_compared() -> None:
    # All move by 5 % a snapshot: that at a rate of 100 did not go less far than the others.
    adam = replace(group(1e-4), optimizer="Adam")
    gan = Made(5).train(a=adam, b=adam, c=adam, d=group(100.0), e=group(100.0))
    assert gan.all_found() == []
    # What is next to nothing beside its own optimizer's is told of, and what is beside another's alone is not.
    assert [one.parameter for one in gan.set("e", relative_change=1e-6).all_found()] == ["e"]
    assert gan.set("d", relative_change=2e-6).all_found() == []
    # All of one optimizer that stand still are.
    still = gan.set("d", relative_change=0.0).set("e", relative_change=0.0).all_found()
    assert [one.parameter for one in still] == ["d", "e"]


def test_the_only_matrix_of_its_optimizer_is_compared_with_all_as_it_is() -> None:
    adam = replace(group(1e-4), optimizer="Adam")
    made = Made(4).train(a=adam, b=adam, c=adam)
    assert made.set("d", relative_change=5e-3).all_found() == []
    assert [one.parameter for one in made.set("d", relative_change=1e-6).all_found()] == ["d"]


def test_a_matrix_that_moves_as_far_as_others_at_a_far_higher_rate_moves() -> None:
    assert Made(3).train(c=group(1e3)).all_found() == []


def test_a_rate_that_is_not_known_is_compared_with_none() -> None:
    assert Made(4).train(c=group(float("nan")), d=group(float("nan"))).all_found() == []


@pytest.mark.parametrize("kind", ["embedding", "norm", "bias"])
def test_kinds_that_may_stand_still_are_left_alone(kind: str) -> None:
    made = Made([matrix("a"), matrix("b"), matrix("c", kind=kind)]).set("c", relative_change=0.0)
    assert made.all_found() == []


def test_vectors_are_not_matrices() -> None:
    made = Made([matrix("a"), matrix("b"), matrix("c", (64,), layout="vector")]).set("c", relative_change=0.0)
    assert made.all_found() == []


def test_a_training_that_stands_still_is_an_error_with_its_rate_and_how_much_was_left() -> None:
    rates = [group(0.1)] * MIDDLE + [group(0.0)]
    made = Made(2, epochs=20).set_all(relative_change=STOPS, update_ratio=0.0).train(a=rates, b=rates)
    [one] = made.all_found()
    assert (one.rule, one.parameter, one.severity) == ("all_stopped", "", "error")
    assert one.message == "no matrix has changed since epoch 5, 15 epochs before the end; the learning rate is 0"
    assert one.epoch == MIDDLE - 1


def test_the_end_of_a_schedule_is_no_standstill() -> None:
    last = [0.05] * 11 + [0.0]
    assert Made(2, epochs=13).set_all(relative_change=last).all_found() == []
    assert [one.rule for one in Made(2, epochs=40, snapshots=16).set_all(relative_change=last).all_found()] == [
        "all_stopped"
    ]


def by_steps(change: list[float], last_step: int | None, epochs: int | None = None) -> list[str]:
    """What is found where all snapshots, ten steps apart, are of the first epoch."""
    made = Made(2, epochs=epochs).set_all(relative_change=change)
    made.by_steps, made.last_step = True, last_step
    return [one.message for one in made.all_found()]


def test_the_end_of_a_schedule_is_known_by_steps_too() -> None:
    # Snapshots up to step 120; the last three show no change.
    late = [0.05] * 10 + [0.0]
    assert by_steps(late, 130) == by_steps(late, 130, epochs=1) == []
    said = "no matrix has changed since step 90"
    assert by_steps(late, 400) == [f"{said}, 310 steps before the end"]
    # Of the epoch that is not over more is not known.
    assert by_steps(late, None, epochs=1) == [said]


def test_steps_are_told_where_they_end_the_training() -> None:
    made = Made(2).set_all(relative_change=STOPS)
    made.last_step = 500
    [one] = made.all_found()
    assert one.message == "no matrix has changed since epoch 5, 450 steps before the end"


def test_snapshots_closer_together_than_those_before_are_no_standstill() -> None:
    # At 2,000 steps a snapshot, and then at each step; weights that go on moving at their pace.
    steps = [*range(0, 20_000, 2_000), 18_001, 18_002, 18_003]
    made = Made(2)
    made.steps = steps
    assert made.set_all(relative_change=[0.5] * 10 + [2e-5]).all_found() == []
    assert [one.rule for one in made.set_all(relative_change=[0.5] * 10 + [1e-9]).all_found()] == ["all_stopped"]


def test_snapshots_further_apart_than_those_before_are_no_standstill() -> None:
    # Weights that wander about a place go no further in 20,000 steps than in one.
    made = Made(2).set_all(relative_change=0.05)
    made.steps = [*range(10), 20_000, 40_000, 60_000]
    assert made.all_found() == []


def test_a_warm_up_at_0_and_slow_weights_are_no_standstill() -> None:
    rates = [group(0.0)] * 13
    assert (
        Made(2).set_all(relative_change=0.0, update_ratio=0.0, rotation=0.0).train(a=rates, b=rates).all_found() == []
    )
    assert Made(2).set_all(relative_change=[0.05, 0.05, 0.05, 0.05, 1e-4]).all_found() == []


def test_what_is_broken_is_not_also_said_to_stand_still() -> None:
    broken = [0.0] * MIDDLE + [5.0]
    rules = [one.rule for one in Made(2).set_all(relative_change=STOPS, nan_count=broken).all_found()]
    assert rules == ["nan", "nan"]


def test_a_matrix_in_no_optimizer_is_told_of_at_once() -> None:
    judged = Made(3).set("b", relative_change=0.0).train("b").judge()
    [one] = judged[1].begun
    assert (one.rule, one.parameter, one.severity) == ("in_no_optimizer", "b", "warning")
    # And not also said to stand still.
    assert not any(each.begun for each in judged[2:])


def test_frozen_matrices_and_unknown_optimizers_are_left_alone() -> None:
    frozen = Made([matrix("a"), matrix("b"), matrix("c", trainable=False)]).train("c")
    assert frozen.all_found() == []
    assert Made(3).all_found() == []


def test_a_network_of_its_own_that_is_not_trained_makes_a_note_and_one_that_moves_nothing() -> None:
    names = ("net.0", "net.1", "net.2", "teacher.0", "teacher.1")
    made = Made([matrix(name) for name in names]).train("teacher.0", "teacher.1")
    assert made.all_found() == []
    still = made.set("teacher.0", relative_change=0.0).set("teacher.1", relative_change=0.0).all_found()
    assert [(one.parameter, one.severity) for one in still] == [("teacher.0", "note"), ("teacher.1", "note")]
    # Of a network that is trained a layer was forgotten.
    part = Made([matrix(name) for name in names]).train("teacher.1").set("teacher.1", relative_change=0.0).all_found()
    assert [(one.parameter, one.severity) for one in part] == [("teacher.1", "warning")]


def test_a_head_that_is_trained_alone_makes_a_note_of_the_rest() -> None:
    still = {"relative_change": 0.0}
    found = Made(3).set("a", **still).set("b", **still).train("a", "b").all_found()
    assert [(one.rule, one.severity) for one in found] == [("in_no_optimizer", "note")] * 2


@pytest.mark.parametrize(("dtype", "lost", "felt"), [("bfloat16", 3e-4, 1e-3), ("float16", 4e-5, 1e-4)])
def test_steps_that_rounding_swallows(dtype: str, lost: float, felt: float) -> None:
    half = [matrix("a", dtype=dtype), matrix("b", dtype=dtype)]
    found = Made(half).set_all(update_ratio=lost).train().all_found()
    assert {(one.rule, one.parameter) for one in found} == {("swallowed", "a"), ("swallowed", "b")}
    assert dtype in found[0].message
    assert Made(half).set_all(update_ratio=felt).train().all_found() == []
    assert Made(2).set_all(update_ratio=lost).train().all_found() == []
    copied = Made(half).set_all(update_ratio=lost)
    copied.steps_copies = True
    assert copied.all_found() == []
    # Where no step was seen, the change between snapshots tells.
    assert Made(half).set_all(update_ratio=float("nan"), relative_change=lost).found("swallowed")
