"""Rules over snapshots that name a layer and what is wrong with it. A function under `rule` is a rule."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from lightning_weightviz.artifacts import Scalar
from lightning_weightviz.snapshot import Measurement, Snapshot

Rule = Callable[[Measurement], "str | None"]
RULES: dict[str, Rule] = {}


class WeightAlert(RuntimeError):  # noqa: N818  # what is wrong is the weights, not the program
    """Raised with ``on_alert="raise"``: something is wrong with the weights."""


@dataclass(frozen=True)
class Alert:
    """One finding.

    Attributes:
        rule: Name of the rule.
        parameter: Name of the parameter.
        message: What is wrong, as a sentence that names both and when it was seen.
    """

    rule: str
    parameter: str
    message: str


def rule(name: str) -> Callable[[Rule], Rule]:
    """Makes a function a rule: it takes a measurement and returns what is wrong, or None."""

    def register(function: Rule) -> Rule:
        RULES[name] = function
        return function

    return register


@rule("nan")
def nan(measurement: Measurement) -> str | None:
    """Values that are not a number: a step was taken with a broken gradient."""
    count = measurement.statistics["nan_count"]
    return f"{count:.0f} of {measurement.parameter.size} values are NaN" if count else None


@rule("inf")
def inf(measurement: Measurement) -> str | None:
    """Infinite values: the weights ran away, or half precision overflowed."""
    count = measurement.statistics["inf_count"]
    return f"{count:.0f} of {measurement.parameter.size} values are infinite" if count else None


@rule("zero")
def zero(measurement: Measurement) -> str | None:
    """A matrix of zeros passes nothing on, and where the one behind it is zero too, learns nothing."""
    whole = len(measurement.parameter.shape) > 1 and measurement.statistics["zero_fraction"] == 1.0
    return "every value is exactly 0" if whole else None


@rule("dead_units")
def dead_units(measurement: Measurement) -> str | None:
    """At least a quarter of the rows next to zero, beside rows that are not: units that pass nothing on."""
    statistics = measurement.statistics
    # A row of NaN has no finite norm, and a matrix of zeros no row to compare with: other rules tell of them.
    if statistics["nan_count"] or statistics["inf_count"] or statistics["zero_fraction"] == 1.0:
        return None
    rows = measurement.parameter.shape[0] if measurement.parameter.shape else 0
    dead = statistics["dead_units"]
    # NaN, where the statistic is not defined, is not above anything.
    return f"{dead:.0f} of {rows} units have weights next to 0" if dead >= rows / 4 else None


def check(snapshot: Snapshot) -> list[Alert]:
    """All findings in the weights of a snapshot. Before the first step only NaN and infinities count.

    A zero matrix is a usual start (the second factor of a low-rank adapter, the last layer of a residual branch).
    """
    return [
        Alert(name, measurement.parameter.name, _sentence(name, measurement.parameter.name, wrong, snapshot))
        for name, find in RULES.items()
        if not snapshot.initial or name in ("nan", "inf")
        for measurement in snapshot.targets.get("weights", {}).values()
        if (wrong := find(measurement)) is not None
    ]


def _sentence(name: str, parameter: str, wrong: str, snapshot: Snapshot) -> str:
    return f"{parameter}: {wrong} (alert {name!r}, epoch {snapshot.epoch}, step {snapshot.step})"


def scalars(alerts: list[Alert]) -> Iterator[Scalar]:
    """``alerts/<rule>``: in how many parameters each rule found something, 0 included, so that the curve is there."""
    counts: Mapping[str, int] = {name: sum(alert.rule == name for alert in alerts) for name in RULES}
    return (Scalar(f"alerts/{name}", float(count)) for name, count in counts.items())
