"""Rules of broken and of zero weights name the layer and what is wrong with it, and nothing else."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from lightning_weightviz.findings import RULES, Finding, Rule, Sign
from lightning_weightviz.findings.support.engine import Engine, check, scalars
from lightning_weightviz.measure import STATISTICS
from lightning_weightviz.memory import History
from lightning_weightviz.snapshot import Counts, Measurement, Parameter, Picture, Snapshot
from tests.findings.runs import Made, group, matrix

HEALTHY = dict.fromkeys(STATISTICS, 0.5) | {"nan_count": 0.0, "inf_count": 0.0, "dead_units": 0.0}
FINDINGS: dict[str, tuple[dict[str, float], str]] = {
    "nan": ({"nan_count": 3.0}, "3 of 32 values are NaN"),
    "inf": ({"inf_count": 1.0}, "1 of 32 values are infinite"),
    "zero": ({"zero_fraction": 1.0}, "every value is exactly 0"),
    "dead_units": ({"dead_units": 5.0}, "5 of 8 units have near-zero weights"),
}


def snapshot(
    statistics: dict[str, float],
    *,
    initial: bool = False,
    shape: tuple[int, ...] = (8, 4),
    parameter: Parameter | None = None,
    picture: Picture | None = None,
) -> Snapshot:
    parameter = parameter or Parameter("encoder.fc.weight", "linear", "Linear", shape, "float32", "matrix")
    counts = Counts(np.zeros(2), np.zeros(1, np.int64), 0.0, 0.0, 0.0, 0.0)
    measurement = Measurement(parameter, {**HEALTHY, **statistics}, counts, np.zeros(9), picture=picture)
    return Snapshot(90, 2, 1, initial, {"weights": {parameter.name: measurement}}, {"weights": {}})


def found(statistics: dict[str, float], **options: Any) -> tuple[Finding, ...]:
    """What is found at one snapshot of a training, and the same in a file."""
    seen = snapshot(statistics, **options)
    judged = Engine().judge(seen, History().remember(seen).past)
    assert judged.errors == {}
    if not seen.initial:
        alone = check(seen)
        assert alone.errors == {}
        assert {(one.rule, one.message) for one in alone.begun} == {(one.rule, one.message) for one in judged.begun}
    return judged.begun


def test_a_rule_that_fails_leaves_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> list[Sign]:
        raise ZeroDivisionError("no rows")

    monkeypatch.setattr(RULES, "_members", {"faulty": Rule(fail, "Never.", alone=True), **RULES})
    seen = snapshot({"nan_count": 3.0})
    for judged in (check(seen), Engine().judge(seen, History().remember(seen).past)):
        assert [one.rule for one in judged.begun] == ["nan"]
        assert [str(error) for error in judged.errors.values()] == ["no rows"]


@pytest.mark.parametrize("rule", FINDINGS)
def test_each_rule_finds_its_own_and_no_other(rule: str) -> None:
    statistics, message = FINDINGS[rule]
    (one,) = found(statistics)
    assert (one.rule, one.parameter, one.epoch, one.step) == (rule, "encoder.fc.weight", 2, 90)
    for part in (message, "encoder.fc.weight", "epoch 2", "step 90"):
        assert part in one.sentence


@pytest.mark.parametrize(
    "statistics",
    [{}, {"dead_units": 1.0}, {"dead_units": math.nan, "zero_fraction": math.nan}, {"zero_fraction": 0.999}],
)
def test_healthy_weights_raise_none(statistics: dict[str, float]) -> None:
    assert found(statistics) == ()


def test_broken_or_zero_weights_are_not_called_dead_units_too() -> None:
    for rule in ("nan", "inf", "zero"):
        (one,) = found({**FINDINGS[rule][0], "dead_units": 8.0})
        assert one.rule == rule


@pytest.mark.parametrize(
    ("shape", "fields", "units"),
    [
        ((8, 4), {}, 8),
        ((4, 8), {"units_axis": 1}, 8),
        ((64, 8), {"units_axis": 1}, 8),
        ((8, 16, 3, 3), {"layout": "kernels"}, 8),
        ((16, 8, 3, 3), {"layout": "kernels", "units_axis": 1}, 8),
        ((8, 3, 5, 5), {"layout": "filters"}, 8),
        ((16, 8, 5, 5), {"layout": "filters", "units_axis": 1}, 8),
        ((16, 8, 1, 1), {"units_axis": 1}, 8),
        ((8, 2, 3, 3), {"layout": "kernels", "units_axis": 1, "groups": 4}, 8),
        ((8, 1, 3, 3), {"layout": "filters", "units_axis": 1, "groups": 8}, 8),
        ((4, 16, 2), {"stacked": 4, "units_axis": 1}, 8),
        ((2, 4, 16), {"stacked": 2}, 8),
        ((2, 2, 16, 2), {"stacked": 4, "units_axis": 1}, 8),
    ],
)
def test_dead_units_are_a_share_of_the_units_wherever_they_lie(
    shape: tuple[int, ...], fields: dict[str, Any], units: int
) -> None:
    parameter = Parameter("w", "linear", "Linear", shape, "float32", **{"layout": "matrix", **fields})
    assert parameter.units == units
    assert found({"dead_units": 1.0}, parameter=parameter) == ()
    (one,) = found({"dead_units": 2.0}, parameter=parameter)
    assert one.message.startswith("w: 2 of 8 units have near-zero weights")


def test_zeros_are_a_usual_start_and_a_usual_bias() -> None:
    assert found({"zero_fraction": 1.0}, initial=True) == ()
    assert found({"zero_fraction": 1.0}, shape=(32,)) == ()


def test_zeros_among_what_is_broken_are_not_every_value() -> None:
    for broken in ("nan", "inf"):
        assert [one.rule for one in found({"zero_fraction": 1.0, f"{broken}_count": 4.0})] == [broken]


ZERO: dict[str, Any] = {
    **{"rms": 0.0, "std": 0.0, "absmax": 0.0, "zero_fraction": 1.0},
    **{"relative_change": 0.0, "update_ratio": 0.0},
}


def test_a_frozen_matrix_that_started_at_0_is_at_rest() -> None:
    frozen = [matrix("a"), matrix("b"), matrix("c", trainable=False)]
    assert Made(frozen).set("c", **ZERO).all_found() == []
    at_rate_0 = Made(3).set("c", **ZERO).train(c=group(0.0))
    assert at_rate_0.all_found() == []
    # It was something, and is not any more.
    pruned = Made(frozen).set("c", **{**ZERO, "rms": [0.07, 0.0], "zero_fraction": [0.0, 1.0]})
    assert [one.rule for one in pruned.all_found()] == ["zero"]


def test_a_matrix_of_zeros_is_told_of_once_a_step_was_taken_at_a_rate_above_0() -> None:
    # The rate is raised after a step, so that the step before the second snapshot was of rate 0.
    rates = [group(0.0), group(0.1)]
    waits = Made(3).set("c", **{**ZERO, "rms": [0.0, 0.0, 0.07], "zero_fraction": [1.0, 1.0, 0.0]})
    assert waits.train(a=rates, b=rates, c=rates).found("zero") == []
    stays = Made(3).set("c", **ZERO).train(a=rates, b=rates, c=rates)
    [one] = stays.found("zero")
    assert (one.parameter, one.epoch) == ("c", 2)
    [one] = Made(3).set("c", **ZERO).train().found("zero")
    assert (one.parameter, one.epoch) == ("c", 1)


def test_nan_counts_from_the_start() -> None:
    assert [one.rule for one in found({"nan_count": 1.0}, initial=True)] == ["nan"]


@pytest.mark.parametrize("rule", ["nan", "inf"])
def test_broken_rows_are_named_where_a_row_of_cells_is_one(rule: str) -> None:
    value = math.nan if rule == "nan" else -math.inf
    cells = np.ones((8, 4), np.float32)
    cells[[2, 5], 1] = value
    norms = np.ones((8, 2), np.float32)
    picture = Picture(cells, cells, (8, 4), norms, norms[:4])
    (one,) = found({f"{rule}_count": 2.0}, picture=picture)
    assert one.unit == "rows 2, 5" and one.message.endswith(", in rows 2, 5")
    (pooled,) = found({f"{rule}_count": 2.0}, picture=Picture(cells, cells, (16, 4), norms, norms[:4]))
    assert pooled.unit is None


def test_scalars_count_every_rule_zeros_included() -> None:
    seen = snapshot({"nan_count": 2.0})
    counts = {one.tag: one.value for one in scalars(Engine().judge(seen, History().remember(seen).past))}
    assert counts.keys() == {f"alerts/{name}" for name in RULES}
    assert {tag for tag, value in counts.items() if value} == {"alerts/nan"} and counts["alerts/nan"] == 1.0
