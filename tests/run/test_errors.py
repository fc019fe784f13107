"""Errors become warnings: each cause once, never too many, and never a stopped training."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import pytest

from lightning_weightviz.run.deferred import Deferred
from lightning_weightviz.run.errors import MOST_REPORTS, ArgumentError, Tolerance


def reports(work: Callable[[], None]) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        # Python's own default shows what comes from one place once.
        warnings.simplefilter("default")
        work()
    assert all(warning.category is UserWarning for warning in caught)
    return [str(warning.message) for warning in caught]


def divide() -> None:
    raise ZeroDivisionError("no width")


def divide_elsewhere() -> None:
    raise ZeroDivisionError("no height")


def fail(tolerance: Tolerance, what: str, work: Callable[[], object], times: int = 1) -> None:
    for _ in range(times):
        with tolerance.of(what):
            work()


def test_the_message_names_what_failed_and_why() -> None:
    assert reports(lambda: fail(Tolerance(), "drawing", divide)) == [
        "drawing failed with ZeroDivisionError: no width. Training continues; this is reported only once."
    ]


def test_a_fault_is_reported_once_and_by_each_tolerance() -> None:
    tolerance = Tolerance()
    assert len(reports(lambda: fail(tolerance, "drawing", divide, times=5))) == 1
    assert len(reports(lambda: fail(Tolerance(), "drawing", divide))) == 1


def test_another_stage_place_or_type_is_reported_too() -> None:
    tolerance = Tolerance()

    def work() -> None:
        for _ in range(3):
            fail(tolerance, "drawing", divide)
            fail(tolerance, "measuring", divide)
            fail(tolerance, "drawing", divide_elsewhere)
            fail(tolerance, "drawing", lambda: int("none"))

    messages = reports(work)
    assert [message.partition(".")[0] for message in messages] == [
        "drawing failed with ZeroDivisionError: no width",
        "measuring failed with ZeroDivisionError: no width",
        "drawing failed with ZeroDivisionError: no height",
        "drawing failed with ValueError: invalid literal for int() with base 10: 'none'",
    ]


def test_a_message_that_changes_is_the_same_fault() -> None:
    tolerance, steps = Tolerance(), iter(range(5))

    def work() -> None:
        raise RuntimeError(f"step {next(steps)}")

    assert len(reports(lambda: fail(tolerance, "drawing", work, times=5))) == 1


def test_an_error_that_is_raised_again_is_the_same_fault() -> None:
    tolerance, deferred = Tolerance(), Deferred(divide)

    def work() -> None:
        fail(tolerance, "drawing", deferred.result)
        fail(tolerance, "drawing", lambda: deferred.result())

    assert len(reports(work)) == 1


def test_a_stage_is_reported_a_few_times_at_most() -> None:
    tolerance = Tolerance()

    def work() -> None:
        for index in range(MOST_REPORTS + 4):
            fail(tolerance, "drawing", lambda: (_ for _ in ()).throw(type(f"Error{index}", (Exception,), {})("odd")))  # noqa: B023
        fail(tolerance, "measuring", divide)

    messages = reports(work)
    assert len(messages) == MOST_REPORTS + 1
    assert messages[-1].startswith("measuring")


def test_an_error_that_was_never_raised_is_reported_too() -> None:
    tolerance, error = Tolerance(), KeyError("fc")

    def work() -> None:
        for _ in range(3):
            tolerance.report("the view 'heatmap'", error)

    assert len(reports(work)) == 1


@pytest.mark.parametrize("kind", [ArgumentError, KeyError])
def test_what_the_user_wants_to_see_is_raised(kind: type[Exception]) -> None:
    tolerance = Tolerance(passing=(ArgumentError, KeyError))
    with pytest.raises(kind), tolerance.of("measuring"):
        raise kind("class_names")


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_what_is_no_fault_passes(kind: type[BaseException]) -> None:
    with pytest.raises(kind), Tolerance().of("measuring"):
        raise kind
