"""What is known of the training where something was found: the optimizer's settings and the loss, as words."""

from __future__ import annotations

import math

from lightning_weightviz.findings.support.evidence import Evidence
from lightning_weightviz.findings.support.words import short
from lightning_weightviz.snapshot import OptimizerFacts


def explained(cause: str, evidence: Evidence, parameter: str) -> str:
    """A cause with what is known of this parameter's training, or for the whole model of the fastest one's."""
    groups = evidence.snapshot.training.optimizers or {}
    group = groups.get(parameter)
    if group is None and not parameter and groups:
        group = max(groups.values(), key=lambda one: one.lr)
    known = ([] if group is None else [_settings(group)]) + _loss(evidence)
    return f"{cause} Here: {', '.join(known)}." if cause and known else cause


def _settings(group: OptimizerFacts) -> str:
    """For instance ``SGD with learning rate 0.1, momentum 0.9, weight decay 0.3``."""
    adaptive = math.isfinite(group.second_beta)
    numbers = (
        ("learning rate", group.lr),
        ("betas" if adaptive else "momentum", group.momentum),
        ("weight decay", group.weight_decay),
    )
    said = [f"{name} {short(value)}" for name, value in numbers if math.isfinite(value) and value != 0]
    if adaptive:
        said = [one + f" and {group.second_beta:g}" if one.startswith("betas") else one for one in said]
    return f"{group.optimizer} with {', '.join(said)}" if said else f"{group.optimizer} with learning rate 0"


def _loss(evidence: Evidence) -> list[str]:
    """The training's loss, if the module logs one that is called so."""
    metrics = evidence.snapshot.training.metrics
    names = sorted((name for name in metrics if "loss" in name.lower()), key=lambda name: ("val" in name.lower(), name))
    return [f"{names[0]} {short(metrics[names[0]])}"] if names else []
