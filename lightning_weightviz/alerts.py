"""Rules over snapshots that name a layer and what is wrong with it. A function under `rule` is a rule."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from lightning_weightviz.artifacts import Scalar
from lightning_weightviz.registry import Registry
from lightning_weightviz.snapshot import Measurement, Snapshot


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


Find = Callable[[Measurement], "str | None"]


@dataclass(frozen=True)
class Rule:
    """What may be wrong with a parameter.

    Attributes:
        find: Says what is wrong, or None; may raise, which costs no other rule anything.
        from_start: Whether it holds before the first step too. A zero matrix is a usual start (the second factor of a
            low-rank adapter, the last layer of a residual branch); a NaN is none.
    """

    find: Find
    from_start: bool = False


RULES = Registry[Rule]("rule")
"""Every rule by its name in ``alerts/<rule>``."""


def rule(name: str, *, from_start: bool = False) -> Callable[[Find], Find]:
    """Makes a function a rule under `name`; the flag is that of `Rule`.

    Raises:
        ValueError: There is a rule of that name already.
    """

    def register(find: Find) -> Find:
        RULES.add(name, Rule(find, from_start), find)
        return find

    return register


@rule("nan", from_start=True)
def nan(measurement: Measurement) -> str | None:
    """Values that are not a number: a step was taken with a broken gradient."""
    count = measurement.statistics["nan_count"]
    return f"{count:.0f} of {measurement.parameter.size} values are NaN" if count else None


@rule("inf", from_start=True)
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
    """At least a quarter of the units next to zero, beside units that are not: they pass nothing on."""
    statistics = measurement.statistics
    # A row of NaN has no finite norm, and a matrix of zeros no row to compare with: other rules tell of them.
    if statistics["nan_count"] or statistics["inf_count"] or statistics["zero_fraction"] == 1.0:
        return None
    units, dead = measurement.parameter.units, statistics["dead_units"]
    # NaN, where the statistic is not defined, is not above anything.
    return f"{dead:.0f} of {units} units have near-zero weights" if dead >= units / 4 else None


@dataclass(frozen=True)
class Checked:
    """What the rules say of a snapshot.

    Attributes:
        alerts: What they found, rule by rule.
        errors: What each rule that failed raised, by its name.
    """

    alerts: list[Alert]
    errors: dict[str, Exception]


def check(snapshot: Snapshot) -> Checked:
    """Applies every rule to the weights of a snapshot."""
    alerts: list[Alert] = []
    errors: dict[str, Exception] = {}
    for name, rule in RULES.items():
        if snapshot.initial and not rule.from_start:
            continue
        try:
            for measurement in snapshot.targets.get("weights", {}).values():
                if (wrong := rule.find(measurement)) is not None:
                    parameter = measurement.parameter.name
                    alerts.append(Alert(name, parameter, _sentence(name, parameter, wrong, snapshot)))
        except Exception as error:
            errors[name] = error
    return Checked(alerts, errors)


def _sentence(name: str, parameter: str, wrong: str, snapshot: Snapshot) -> str:
    when = "" if snapshot.timeless else f", epoch {snapshot.epoch}, step {snapshot.step}"
    return f"{parameter}: {wrong} (alert {name!r}{when})"


def scalars(alerts: list[Alert]) -> Iterator[Scalar]:
    """``alerts/<rule>``: in how many parameters each rule found something, 0 included, so that the curve is there."""
    return (Scalar(f"alerts/{name}", float(sum(alert.rule == name for alert in alerts))) for name in RULES)
