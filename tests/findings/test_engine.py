"""A finding is said once when it begins and once when it ends, after it has held, and a resumed run forgets nothing."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

from lightning_weightviz.findings import RULES, Bound, Evidence, Limits, Rule, Sign
from lightning_weightviz.findings.support.engine import MOST_KEPT, REARMED, Engine
from lightning_weightviz.memory import History
from tests.findings.runs import Made, matrix

LOW = {"level": Bound(1.0, 0.5, "the test's rms")}


def level(evidence: Evidence, limits: Limits) -> list[Sign]:
    """A rule that fires where the rms is above the limit."""
    return [
        Sign(name, f"{name} is at {one.statistics['rms']}")
        for name, one in evidence.weights.items()
        if one.statistics["rms"] > limits["level"]
    ]


@pytest.fixture(autouse=True)
def one_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    """No rule but the one above."""
    # The others register themselves when they are first asked for: they must not do it in what is put in here.
    assert len(RULES) > 1
    monkeypatch.setattr(RULES, "_members", {"level": Rule(level, "High.", bounds=LOW, patience=2, warmup=3)})


def said(rms: list[float], **options: Any) -> tuple[list[int], list[int]]:
    """At which snapshots a beginning and an end were said."""
    judged = Made(1, snapshots=len(rms)).set("a", rms=rms).judge(**options)
    begun = [place for place, one in enumerate(judged) if one.begun]
    return begun, [place for place, one in enumerate(judged) if one.ended]


def test_it_must_hold_and_there_must_be_enough_snapshots() -> None:
    assert said([0, 2, 2, 2, 2, 2]) == ([3], [])
    assert said([0, 0, 0, 0, 2, 0, 2, 0, 2, 0]) == ([], [])
    assert said([0, 0, 0, 0, 2, 2, 2]) == ([5], [])


def test_it_ends_below_a_weaker_threshold_alone() -> None:
    assert said([0, 2, 2, 2, *[0.7] * 20]) == ([3], [])
    assert said([0, 2, 2, 2, 0.4, 0.4, 0.4]) == ([3], [5])
    # Between the two it does not begin.
    assert said([0, *[0.7] * 9]) == ([], [])


def test_it_is_said_again_only_after_it_was_clear_for_a_while() -> None:
    start = [0.0, 2.0, 2.0, 2.0]
    assert said([*start, *[0.0] * (REARMED - 1), 2.0, 2.0, 2.0])[0] == [3]
    assert said([*start, *[0.0] * REARMED, 2.0, 2.0, 2.0])[0] == [3, 3 + REARMED + 2]


def test_since_when_is_the_first_snapshot_at_which_it_held() -> None:
    [judged] = [one for one in Made(1, snapshots=8).set("a", rms=[0, 0, 0, 0, 2]).judge() if one.begun]
    [one] = judged.begun
    assert (one.epoch, one.step, one.parameter, one.severity) == (4, 40, "a", "warning")


def test_the_user_leaves_rules_out_and_moves_thresholds() -> None:
    rms = [0.0, *[3.0] * 8]
    assert said(rms, chosen={"level": None}) == ([], [])
    assert said(rms, chosen={"level": {"level": 4.0}}) == ([], [])
    assert said(rms, chosen={"level": {"level": 2.9}}) == ([3], [])
    # The end moves with the beginning: half of 2.9 is above 1.4.
    assert said([0, 3, 3, 3, 1.4, 1.4], chosen={"level": {"level": 2.9}}) == ([3], [5])


def test_counts_are_of_what_holds_now() -> None:
    judged = Made(2, snapshots=7).set_all(rms=[0, 2, 2, 2, 2, 0]).judge()
    assert [one.counts["level"] for one in judged] == [0, 0, 0, 2, 2, 0, 0]
    assert "level" not in Made(1).judge(chosen={"level": None})[-1].counts


@pytest.mark.parametrize("at", range(1, 12))
def test_a_resumed_run_neither_repeats_nor_forgets(at: int) -> None:
    made = Made(2, snapshots=20).set("a", rms=[0, 2, 2, 2, 2, 0, 0, 0, 2]).set("b", rms=[0, 0, 0, 2, 2, 0.7, 0.1])
    whole = Engine()
    made.judge(whole)

    engine, history = Engine(), History()
    for ordinal in range(made.snapshots):
        if ordinal == at:
            state = pickle.loads(pickle.dumps((engine.state_dict(), history.state_dict())))
            engine, history = Engine(), History()
            engine.load_state_dict(state[0])
            history.load_state_dict(state[1])
        snapshot = made.snapshot(ordinal)
        engine.judge(snapshot, history.remember(snapshot).past)
    assert engine.found == whole.found and len(whole.found) == 2
    assert engine.snapshots == 20


def test_a_state_that_cannot_be_read_changes_nothing() -> None:
    engine = Engine()
    Made(1).set("a", rms=[0.0, 2.0]).judge(engine)
    before = copy.deepcopy(engine.state_dict())
    assert before["found"] and before["cases"]
    broken: list[Any] = [
        {},
        {**before, "cases": [{}]},
        {**before, "cases": 3},
        {**before, "found": [{"rule": "nan"}]},
        {**before, "found": [{**before["found"][0], "more": 1}]},
        {**before, "snapshots": None},
        {**before, "cases": [{**before["cases"][0], "key": ["a"]}]},
        None,
    ]
    for state in broken:
        with pytest.raises(ValueError, match="these are no findings of this version"):
            engine.load_state_dict(state)
        assert engine.state_dict() == before


@pytest.mark.parametrize("seen", [None, [None], [Sign("a", "a is odd", since=99)], [Sign("a", 3)]])  # type: ignore[arg-type]
def test_a_rule_that_gives_what_it_must_not_costs_itself_alone(seen: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    odd = Rule(lambda evidence, limits: seen, "Odd.", patience=1, warmup=0)
    monkeypatch.setattr(RULES, "_members", {"odd": odd, **RULES._members})
    engine, history = Engine(), History()
    made = Made(1, snapshots=6).set("a", rms=[0, 2, 2, 2])
    judged = []
    for ordinal in range(made.snapshots):
        snapshot = made.snapshot(ordinal)
        judged.append(engine.judge(snapshot, history.remember(snapshot).past))
    assert [list(one.errors) for one in judged[1:]] == [["odd"]] * 5
    assert [one.rule for one in engine.found] == ["level"]


def test_findings_are_bounded() -> None:
    engine = Engine()
    parameters = [f"p{number}" for number in range(MOST_KEPT + 20)]
    Made([matrix(name) for name in parameters], snapshots=5).set_all(rms=2.0).judge(engine)
    assert len(engine.found) == MOST_KEPT and engine.found[0].parameter == parameters[0]
