"""Findings: what is wrong with the weights, where, since when, what to try. Every file here is a family of rules."""

from __future__ import annotations

from lightning_weightviz.findings.support.evidence import Evidence
from lightning_weightviz.findings.support.finding import SEVERITIES, Finding, Severity, WeightAlert
from lightning_weightviz.findings.support.rule import RULES, Bound, Limits, Rule, Sign, rule

__all__ = [
    "RULES",
    "SEVERITIES",
    "Bound",
    "Evidence",
    "Finding",
    "Limits",
    "Rule",
    "Severity",
    "Sign",
    "WeightAlert",
    "rule",
]
