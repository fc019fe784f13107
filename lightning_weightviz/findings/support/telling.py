"""Says findings: a warning when one begins, one when it ends, and a few lines at the end."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence

from lightning_weightviz.artifacts import Text
from lightning_weightviz.findings.support.engine import Judged
from lightning_weightviz.findings.support.finding import Finding

TAG = "findings/weights"
MOST_LINES = 12
"""Of the summary."""
MOST_AT_ONCE = 4
"""Warnings of one rule at one snapshot."""
MOST_LISTED = 50
"""Findings in the text."""


def tell(judged: Judged) -> None:
    """Warns of what begins and of what ends; notes are listed, and not warned of.

    Of what a rule finds in many places at once, the first few are told, and how many more there are.
    """
    for rule in dict.fromkeys(one.rule for one in (*judged.begun, *judged.ended)):
        begun, ended = (
            [one for one in some if one.rule == rule and one.severity != "note"]
            for some in (judged.begun, judged.ended)
        )
        for one in begun[:MOST_AT_ONCE]:
            warnings.warn(one.sentence, stacklevel=3)
        for one in ended[:MOST_AT_ONCE]:
            warnings.warn(f"now resolved: {one.sentence}", stacklevel=3)
        if (more := max(len(begun), len(ended)) - MOST_AT_ONCE) > 0:
            warnings.warn(f"the same holds for {more} more parameters or units (alert {rule!r})", stacklevel=3)


def summary(findings: Sequence[Finding], snapshots: int) -> str:
    """At most `MOST_LINES` lines: what was found in so many snapshots, the gravest first."""
    if not findings:
        return f"weightviz: nothing wrong was found in {_snapshots(snapshots)}"
    ordered = sorted(findings, key=lambda one: (one.gravity, one.step))
    shown = ordered if len(ordered) < MOST_LINES else ordered[: MOST_LINES - 2]
    lines = [f"weightviz: {_findings(len(ordered))} in {_snapshots(snapshots)}"]
    lines += [f"  {one.severity}: {one.sentence}" for one in shown]
    if len(shown) < len(ordered):
        lines.append(f"  and {len(ordered) - len(shown)} more, in the findings of the callback")
    return "\n".join(lines)


def text(judged: Judged, findings: Sequence[Finding]) -> Text:
    """All findings of the run in Markdown, what holds now first; what begins here is its news."""
    if not findings:
        return Text(TAG, f"Nothing wrong was found in {_snapshots(judged.snapshots)}.")
    now = set(judged.open)
    ordered = sorted(findings, key=lambda one: (one not in now, one.gravity, one.step))
    parts = [f"{_findings(len(ordered))} in {_snapshots(judged.snapshots)}."]
    parts += [_paragraph(one, one in now) for one in ordered[:MOST_LISTED]]
    if len(ordered) > MOST_LISTED:
        parts.append(f"And {len(ordered) - MOST_LISTED} more.")
    news = "\n".join(one.sentence for one in judged.begun if one.severity != "note")
    return Text(TAG, "\n\n".join(parts), news)


def _paragraph(one: Finding, now: bool) -> str:
    over = "" if now else " (no longer)"
    since = "" if one.timeless else f" Since epoch {one.epoch}, step {one.step}."
    reasons = [
        f"*{what}:* {said}"
        for what, said in (("Likely cause", one.cause), ("What to try", one.advice), ("Threshold", one.source))
        if said
    ]
    return " ".join([f"**{one.severity}{over}:** {_escaped(one.headline)}.{since}", *reasons, f"(`{one.rule}`)"])


def _escaped(text: str) -> str:
    """Names are no markup."""
    return re.sub(r"([\\`*<])", r"\\\1", text)


def _findings(count: int) -> str:
    return f"{count} finding{'s' if count != 1 else ''}"


def _snapshots(count: int) -> str:
    return f"{count} snapshot{'s' if count != 1 else ''}"
