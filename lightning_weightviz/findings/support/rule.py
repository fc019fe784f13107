"""What a rule is, and how a function becomes one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from lightning_weightviz.findings.support.evidence import Evidence
from lightning_weightviz.findings.support.finding import Severity
from lightning_weightviz.registry import Registry

Limits = Mapping[str, float]
"""The thresholds in force, by name."""


@dataclass(frozen=True)
class Bound:
    """A threshold.

    Attributes:
        fires: Where the rule fires.
        clears: Where it no longer holds, once it has fired: farther off, so that it does not flicker.
        what: What the number is.
    """

    fires: float
    clears: float
    what: str

    def at(self, fires: float) -> Bound:
        """The same with another number; what clears it keeps its proportion."""
        return Bound(fires, self.clears * fires / self.fires if self.fires else fires, self.what)


@dataclass(frozen=True)
class Sign:
    """What a rule sees at one snapshot.

    Attributes:
        parameter: Which; empty for the whole model.
        message: One sentence with numbers.
        unit: As of `Finding`.
        since: Place in `Evidence.times` since when; None: since the rule first saw it.
        severity: Another one than the rule's.
        cause: Another one than the rule's.
        advice: Another one than the rule's.
    """

    parameter: str
    message: str
    unit: str | None = None
    since: int | None = None
    severity: Severity | None = None
    cause: str | None = None
    advice: str | None = None


Look = Callable[[Evidence, Limits], Iterable[Sign]]


@dataclass(frozen=True)
class Rule:
    """What may be wrong; its words are those of ``docs/findings.md``.

    Attributes:
        look: Says what it sees; may raise, which costs no other rule anything.
        what: When it fires, in one sentence.
        severity: Of its findings, unless a sign says another one.
        bounds: Its thresholds by name.
        source: Where they come from.
        cause: What it likely comes from.
        advice: What to try.
        false_alarms: What looks alike and is no fault, or would be told of wrongly.
        patience: For how many snapshots it must hold.
        warmup: How many snapshots there must be.
        from_start: Whether it holds before the first step too.
        alone: Whether one snapshot is enough, as that in a file of weights.
        lasts: Whether it is something that goes on, so that its end is told.
        per_unit: Whether units of one parameter are findings each; else the first one names its unit.
    """

    look: Look
    what: str
    severity: Severity = "warning"
    bounds: Mapping[str, Bound] = field(default_factory=dict)
    source: str = ""
    cause: str = ""
    advice: str = ""
    false_alarms: tuple[str, ...] = ()
    patience: int = 3
    warmup: int = 5
    from_start: bool = False
    alone: bool = False
    lasts: bool = True
    per_unit: bool = False

    def key(self, sign: Sign) -> tuple[str, str | None]:
        """Parameter and unit, by which two signs are the same."""
        return sign.parameter, sign.unit if self.per_unit else None

    def limits(self, given: Limits, *, clears: bool = False) -> Limits:
        """The thresholds, with those that the user gave; those where it no longer holds."""
        bounds = {name: bound.at(given[name]) if name in given else bound for name, bound in self.bounds.items()}
        return MappingProxyType({name: one.clears if clears else one.fires for name, one in bounds.items()})


RULES = Registry[Rule]("rule", "lightning_weightviz.findings")
"""Every rule by its name in ``alerts/<rule>``."""


def rule(name: str, *, what: str, **fields: Any) -> Callable[[Look], Look]:
    """Makes a function a rule under `name`; `what` and `fields` are those of `Rule`.

    Raises:
        ValueError: There is a rule of that name already.
    """

    def register(look: Look) -> Look:
        RULES.add(name, Rule(look, what, **fields), look)
        return look

    return register
