"""The argument ``alerts=``: which rules are left out, and their thresholds."""

from __future__ import annotations

import difflib
import math
from collections.abc import Collection, Mapping
from numbers import Real

from lightning_weightviz.findings.support.rule import RULES

_DESCRIBED = "a dict from the names of rules to None, to leave one out, or to its thresholds"


def chosen_alerts(value: object) -> dict[str, dict[str, float] | None]:
    """What the user says of rules, in one normal form.

    Raises:
        TypeError: It is of the wrong type.
        ValueError: A rule or a threshold is not known, or is no number that can be one.

    >>> chosen_alerts({"growth": {"factor": 50}, "not_moving": None})
    {'growth': {'factor': 50.0}, 'not_moving': None}
    """
    if not isinstance(value, Mapping):
        raise TypeError(f"alerts must be {_DESCRIBED}, got {value!r}")
    return {_known("rules", name, RULES): _thresholds(name, given) for name, given in value.items()}


def _thresholds(rule: str, given: object) -> dict[str, float] | None:
    if given is None:
        return None
    if not isinstance(given, Mapping):
        raise TypeError(f"alerts must be {_DESCRIBED}, got {given!r} for {rule!r}")
    thresholds = {}
    for name, number in given.items():
        _known(f"thresholds of {rule!r}", name, RULES[rule].bounds)
        if isinstance(number, bool) or not isinstance(number, Real):
            raise TypeError(f"alerts must hold numbers above 0 as thresholds, got {number!r} for {name!r} of {rule!r}")
        if not (float(number) > 0 and math.isfinite(number)):
            raise ValueError(f"alerts must hold numbers above 0 as thresholds, got {number!r} for {name!r} of {rule!r}")
        thresholds[name] = float(number)
    return thresholds


def _known(what: str, name: object, allowed: Collection[str]) -> str:
    if isinstance(name, str) and name in allowed:
        return name
    near = difflib.get_close_matches(name, allowed, n=1, cutoff=0.5) if isinstance(name, str) else []
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise ValueError(
        f"alerts must name {what}: {', '.join(map(repr, allowed)) or 'there are none'}, got {name!r}.{hint}"
    )
