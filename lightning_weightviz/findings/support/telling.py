"""Says findings: a warning when one begins, one when it ends, and a few lines at the end."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

from lightning_weightviz.findings.support.engine import Judged
from lightning_weightviz.findings.support.finding import Finding

MOST_LINES = 12
"""Of the summary."""


def tell(judged: Judged) -> None:
    """Warns of what begins and of what ends; notes are listed, and not warned of."""
    for one in judged.begun:
        if one.severity != "note":
            warnings.warn(one.sentence, stacklevel=3)
    for one in judged.ended:
        if one.severity != "note":
            warnings.warn(f"no longer so: {one.sentence}", stacklevel=3)


def summary(findings: Sequence[Finding], snapshots: int) -> str:
    """At most `MOST_LINES` lines: what was found in so many snapshots, the gravest first."""
    counted = f"{snapshots} snapshot{'s' if snapshots != 1 else ''}"
    if not findings:
        return f"weightviz: nothing wrong was found in {counted}"
    ordered = sorted(findings, key=lambda one: (one.gravity, one.step))
    shown = ordered if len(ordered) < MOST_LINES else ordered[: MOST_LINES - 2]
    lines = [f"weightviz: {len(ordered)} finding{'s' if len(ordered) > 1 else ''} in {counted}"]
    lines += [f"  {one.severity}: {one.sentence}" for one in shown]
    if len(shown) < len(ordered):
        lines.append(f"  and {len(ordered) - len(shown)} more, in the findings of the callback")
    return "\n".join(lines)
