"""Rules name the layer and what is wrong with it, and nothing else."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from lightning_weightviz import alerts
from lightning_weightviz.snapshot import Counts, Measurement, Parameter, Snapshot

HEALTHY = {"nan_count": 0.0, "inf_count": 0.0, "zero_fraction": 0.1, "dead_units": 0.0}
FINDINGS: dict[str, tuple[dict[str, float], str]] = {
    "nan": ({"nan_count": 3.0}, "3 of 32 values are NaN"),
    "inf": ({"inf_count": 1.0}, "1 of 32 values are infinite"),
    "zero": ({"zero_fraction": 1.0}, "every value is exactly 0"),
    "dead_units": ({"dead_units": 5.0}, "5 of 8 units"),
}


def snapshot(statistics: dict[str, float], *, initial: bool = False, shape: tuple[int, ...] = (8, 4)) -> Snapshot:
    parameter = Parameter("encoder.fc.weight", "linear", "Linear", shape, "float32", "matrix")
    counts = Counts(np.zeros(2), np.zeros(1, np.int64), 0.0, 0.0, 0.0, 0.0)
    measurement = Measurement(parameter, {**HEALTHY, **statistics}, counts, np.zeros(9))
    return Snapshot(90, 2, 1, initial, {"weights": {parameter.name: measurement}}, {"weights": {}})


def test_every_rule_is_tested() -> None:
    assert set(FINDINGS) == set(alerts.RULES)


@pytest.mark.parametrize("rule", FINDINGS)
def test_each_rule_finds_its_own_and_no_other(rule: str) -> None:
    statistics, message = FINDINGS[rule]
    (alert,) = alerts.check(snapshot(statistics))
    assert (alert.rule, alert.parameter) == (rule, "encoder.fc.weight")
    for part in (message, "encoder.fc.weight", "epoch 2", "step 90"):
        assert part in alert.message


@pytest.mark.parametrize(
    "statistics",
    [{}, {"dead_units": 1.0}, {"dead_units": math.nan, "zero_fraction": math.nan}, {"zero_fraction": 0.999}],
)
def test_healthy_weights_raise_none(statistics: dict[str, float]) -> None:
    assert alerts.check(snapshot(statistics)) == []


def test_broken_or_zero_weights_are_not_called_dead_units_too() -> None:
    for rule in ("nan", "inf", "zero"):
        (alert,) = alerts.check(snapshot({**FINDINGS[rule][0], "dead_units": 8.0}))
        assert alert.rule == rule


def test_zeros_are_a_usual_start_and_a_usual_bias() -> None:
    assert alerts.check(snapshot({"zero_fraction": 1.0}, initial=True)) == []
    assert alerts.check(snapshot({"zero_fraction": 1.0}, shape=(32,))) == []


def test_nan_counts_from_the_start() -> None:
    assert [alert.rule for alert in alerts.check(snapshot({"nan_count": 1.0}, initial=True))] == ["nan"]


def test_scalars_count_every_rule_zeros_included() -> None:
    found: Any = {scalar.tag: scalar.value for scalar in alerts.scalars(alerts.check(snapshot({"nan_count": 2.0})))}
    assert found == {"alerts/nan": 1.0, "alerts/inf": 0.0, "alerts/zero": 0.0, "alerts/dead_units": 0.0}
