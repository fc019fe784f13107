"""Rules name the layer and what is wrong with it, and nothing else."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from lightning_weightviz import alerts
from lightning_weightviz.measure import STATISTICS
from lightning_weightviz.snapshot import Counts, Measurement, Parameter, Snapshot

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
) -> Snapshot:
    parameter = parameter or Parameter("encoder.fc.weight", "linear", "Linear", shape, "float32", "matrix")
    counts = Counts(np.zeros(2), np.zeros(1, np.int64), 0.0, 0.0, 0.0, 0.0)
    measurement = Measurement(parameter, {**HEALTHY, **statistics}, counts, np.zeros(9))
    return Snapshot(90, 2, 1, initial, {"weights": {parameter.name: measurement}}, {"weights": {}})


def found(statistics: dict[str, float], **options: Any) -> list[alerts.Alert]:
    checked = alerts.check(snapshot(statistics, **options))
    assert checked.errors == {}
    return checked.alerts


def test_a_rule_that_fails_leaves_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(measurement: Measurement) -> str | None:
        raise ZeroDivisionError("no rows")

    monkeypatch.setattr(alerts.RULES, "_members", {"faulty": alerts.Rule(fail), **alerts.RULES})
    checked = alerts.check(snapshot({"nan_count": 3.0}))
    assert [alert.rule for alert in checked.alerts] == ["nan"]
    assert [str(error) for error in checked.errors.values()] == ["no rows"]


def test_every_rule_is_tested() -> None:
    assert set(FINDINGS) == set(alerts.RULES)


@pytest.mark.parametrize("rule", FINDINGS)
def test_each_rule_finds_its_own_and_no_other(rule: str) -> None:
    statistics, message = FINDINGS[rule]
    (alert,) = found(statistics)
    assert (alert.rule, alert.parameter) == (rule, "encoder.fc.weight")
    for part in (message, "encoder.fc.weight", "epoch 2", "step 90"):
        assert part in alert.message


@pytest.mark.parametrize(
    "statistics",
    [{}, {"dead_units": 1.0}, {"dead_units": math.nan, "zero_fraction": math.nan}, {"zero_fraction": 0.999}],
)
def test_healthy_weights_raise_none(statistics: dict[str, float]) -> None:
    assert found(statistics) == []


def test_broken_or_zero_weights_are_not_called_dead_units_too() -> None:
    for rule in ("nan", "inf", "zero"):
        (alert,) = found({**FINDINGS[rule][0], "dead_units": 8.0})
        assert alert.rule == rule


@pytest.mark.parametrize(
    ("shape", "fields", "units"),
    [
        ((8, 4), {}, 8),
        ((4, 8), {"units_axis": 1}, 8),
        ((64, 8), {"units_axis": 1}, 8),
        ((8, 16, 3, 3), {"layout": "kernels"}, 8),
        ((16, 8, 3, 3), {"layout": "kernels", "units_axis": 1}, 8),
        ((8, 3, 5, 5), {"layout": "filters"}, 8),
    ],
)
def test_dead_units_are_a_share_of_the_units_wherever_they_lie(
    shape: tuple[int, ...], fields: dict[str, Any], units: int
) -> None:
    parameter = Parameter("w", "linear", "Linear", shape, "float32", **{"layout": "matrix", **fields})
    assert parameter.units == units
    assert found({"dead_units": 1.0}, parameter=parameter) == []
    (alert,) = found({"dead_units": 2.0}, parameter=parameter)
    assert alert.message.startswith("w: 2 of 8 units have near-zero weights")


def test_zeros_are_a_usual_start_and_a_usual_bias() -> None:
    assert found({"zero_fraction": 1.0}, initial=True) == []
    assert found({"zero_fraction": 1.0}, shape=(32,)) == []


def test_nan_counts_from_the_start() -> None:
    assert [alert.rule for alert in found({"nan_count": 1.0}, initial=True)] == ["nan"]


def test_scalars_count_every_rule_zeros_included() -> None:
    counts = {scalar.tag: scalar.value for scalar in alerts.scalars(found({"nan_count": 2.0}))}
    assert counts == {"alerts/nan": 1.0, "alerts/inf": 0.0, "alerts/zero": 0.0, "alerts/dead_units": 0.0}
