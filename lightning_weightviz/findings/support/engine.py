"""Applies every rule to each snapshot: says a finding once when it begins, and once when it ends."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from lightning_weightviz.artifacts import Scalar
from lightning_weightviz.findings.support.evidence import Evidence
from lightning_weightviz.findings.support.explaining import explained
from lightning_weightviz.findings.support.finding import Finding
from lightning_weightviz.findings.support.rule import RULES, Limits, Rule, Sign
from lightning_weightviz.findings.support.words import one_line
from lightning_weightviz.memory import Past, past_of
from lightning_weightviz.snapshot import ClassPairs, Snapshot

REARMED = 9
"""Snapshots for which a finding must not have held before it is said again. (nnscope)"""
MOST_KEPT = 500
"""Findings of a run that are listed: the first, of which those that come later are often the consequence."""

Key = tuple[str, str, str | None]
Chosen = Mapping[str, Limits | None]
"""What the user says of rules: thresholds by name, or None to leave the rule out."""


@dataclass(frozen=True)
class Case:
    """One thing that a rule sees, over time.

    Attributes:
        held: For how many snapshots it has held.
        clear: For how many it has not, since it did.
        epoch: Of the snapshot at which it began to hold.
        step: The same.
        finding: As it was said; None while it was not.
    """

    held: int
    clear: int
    epoch: int
    step: int
    finding: Finding | None = None


@dataclass(frozen=True)
class Judged:
    """What the rules say of a snapshot.

    Attributes:
        begun: Findings that begin here, the gravest first.
        ended: Findings that end here.
        open: All that hold now, the gravest first.
        counts: In how many parameters, units or models each rule holds now.
        errors: What each rule that failed raised, by its name.
        snapshots: How many were judged so far.
    """

    begun: tuple[Finding, ...] = ()
    ended: tuple[Finding, ...] = ()
    open: tuple[Finding, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    errors: Mapping[str, Exception] = field(default_factory=dict)
    snapshots: int = 0


class Engine:
    """Judges a run, snapshot by snapshot.

    Args:
        chosen: What the user says of rules.

    Attributes:
        found: Every finding of the run, in the order in which they began.
        snapshots: How many were judged.
    """

    def __init__(self, chosen: Chosen | None = None) -> None:
        self._chosen = chosen or {}
        self._cases: dict[Key, Case] = {}
        self.found: tuple[Finding, ...] = ()
        self.snapshots = 0

    def judge(self, snapshot: Snapshot, past: Past, pairs: tuple[ClassPairs | None, ...] = ()) -> Judged:
        """Applies every rule; give each snapshot once, in the order of time."""
        evidence = Evidence(snapshot, past, pairs)
        self.snapshots += 1
        begun: list[Finding] = []
        ended: list[Finding] = []
        errors: dict[str, Exception] = {}
        for name, rule in RULES.items():
            given = self._chosen.get(name, {})
            if given is None or (snapshot.initial and not rule.from_start):
                continue
            try:
                signs, holding = self._look(name, rule, given, evidence)
                begun += list(self._hold(name, rule, signs, evidence))
                ended += self._clear(name, rule, holding)
            except Exception as error:
                errors[name] = error
        open_ = [one.finding for one in self._cases.values() if one.finding is not None and one.clear == 0]
        self.found = (*self.found, *begun)[:MOST_KEPT]
        counts = {
            name: sum(one.rule == name for one in open_) for name in RULES if self._chosen.get(name, {}) is not None
        }
        return Judged(_sorted(begun), tuple(ended), _sorted(open_), counts, errors, self.snapshots)

    def _look(self, name: str, rule: Rule, given: Limits, evidence: Evidence) -> tuple[list[Sign], set[Key]]:
        """What fires, and the keys of what was said before and still holds where it would clear."""
        signs = list(rule.look(evidence, rule.limits(given)))
        holding: set[Key] = {(name, *rule.key(sign)) for sign in signs}
        said = {key for key, one in self._cases.items() if key[0] == name and one.finding is not None}
        if said - holding and rule.bounds:
            weaker = rule.look(evidence, rule.limits(given, clears=True))
            holding |= {(name, *rule.key(sign)) for sign in weaker} & said
        return signs, holding

    def _hold(self, name: str, rule: Rule, signs: Iterable[Sign], evidence: Evidence) -> Iterator[Finding]:
        """Takes in what fires; gives what is to be said."""
        snapshot = evidence.snapshot
        count = snapshot.ordinal - evidence.past.times[0].ordinal
        for sign in signs:
            key = (name, *rule.key(sign))
            case = self._cases.get(key, Case(0, 0, snapshot.epoch, snapshot.step))
            case = replace(case, held=case.held + 1, clear=0)
            if case.finding is None and case.held >= rule.patience and count >= rule.warmup:
                case = replace(case, finding=_finding(name, rule, sign, case, evidence))
                assert case.finding is not None
                yield case.finding
            self._cases[key] = case

    def _clear(self, name: str, rule: Rule, holding: set[Key]) -> Iterator[Finding]:
        """Counts where it does not hold; gives what has ended."""
        for key, case in list(self._cases.items()):
            if key[0] != name or (key in holding and case.clear == 0):
                continue
            if key in holding:
                self._cases[key] = replace(case, clear=0)
                continue
            case = replace(case, clear=case.clear + 1)
            self._cases[key] = case
            if case.finding is None or case.clear >= REARMED:
                del self._cases[key]
            if case.finding is not None and case.clear == rule.patience and rule.lasts:
                yield case.finding

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run needs, as primitives."""
        return {
            "snapshots": self.snapshots,
            "found": [vars(one).copy() for one in self.found],
            "cases": [
                {
                    "key": list(key),
                    **vars(case),
                    "finding": None if case.finding is None else vars(case.finding).copy(),
                }
                for key, case in self._cases.items()
            ],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on where `state_dict` was taken.

        Raises:
            ValueError: It cannot be read; nothing is changed then.
        """
        try:
            cases = {}
            for one in state["cases"]:
                rule, parameter, unit = one["key"]
                finding = None if one["finding"] is None else Finding(**one["finding"])
                cases[(str(rule), str(parameter), None if unit is None else str(unit))] = Case(
                    int(one["held"]), int(one["clear"]), int(one["epoch"]), int(one["step"]), finding
                )
            found = tuple(Finding(**one) for one in state["found"])
            snapshots = int(state["snapshots"])
        except (TypeError, KeyError, ValueError, AttributeError) as error:
            raise ValueError(f"these are no findings of this version: {type(error).__name__}: {error}") from None
        self._cases, self.found, self.snapshots = cases, found, snapshots


def check(snapshot: Snapshot, chosen: Chosen | None = None) -> Judged:
    """Applies the rules that need one snapshot alone, as that of a file."""
    evidence = Evidence(snapshot, past_of(snapshot))
    found: list[Finding] = []
    errors: dict[str, Exception] = {}
    for name, rule in RULES.items():
        given = (chosen or {}).get(name, {})
        if not rule.alone or given is None:
            continue
        try:
            for sign in rule.look(evidence, rule.limits(given)):
                found.append(_finding(name, rule, sign, Case(1, 0, snapshot.epoch, snapshot.step), evidence))
        except Exception as error:
            errors[name] = error
    return Judged(tuple(found), (), tuple(found), {}, errors, 1)


def scalars(judged: Judged) -> Iterator[Scalar]:
    """``alerts/<rule>``: how much each rule holds of, 0 included, so that the curve is there."""
    return (Scalar(f"alerts/{name}", float(count)) for name, count in judged.counts.items())


def _finding(name: str, rule: Rule, sign: Sign, case: Case, evidence: Evidence) -> Finding:
    epoch, step = case.epoch, case.step
    if sign.since is not None:
        epoch, step = evidence.past.times[sign.since].epoch, evidence.past.times[sign.since].step
    cause = rule.cause if sign.cause is None else sign.cause
    return Finding(
        rule=name,
        severity=sign.severity or rule.severity,
        parameter=sign.parameter,
        unit=sign.unit,
        epoch=epoch,
        step=step,
        message=one_line(sign.message),
        cause=explained(cause, evidence, sign.parameter),
        advice=rule.advice if sign.advice is None else sign.advice,
        source=rule.source,
        timeless=evidence.snapshot.timeless,
    )


def _sorted(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The gravest first, the earliest first among them; else as they came."""
    return tuple(sorted(findings, key=lambda one: (one.gravity, one.step)))
