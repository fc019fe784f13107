"""Reads what explains findings: the settings of each parameter in its optimizer, and the last logged metrics."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from lightning_weightviz.model.sites import Site
from lightning_weightviz.snapshot import OptimizerFacts, TrainingFacts


def training_facts(
    sites: Sequence[Site],
    optimizers: Sequence[Any],
    metrics: Mapping[str, Any],
    last_epoch: int | None = None,
    steps_per_epoch: int | None = None,
    last_step: int | None = None,
) -> TrainingFacts:
    """What is known at this moment; nothing of the training is changed.

    Args:
        sites: The parameters shown.
        optimizers: All of the training.
        metrics: By name; those that are no single number are left out.
        last_epoch: As of `TrainingFacts`.
        steps_per_epoch: As of `TrainingFacts`.
        last_step: As of `TrainingFacts`.
    """
    groups: dict[int, OptimizerFacts] = {}
    stepped: list[Any] = []
    for optimizer in optimizers:
        if not isinstance(found := getattr(optimizer, "param_groups", None), list):
            # What stands in for an optimizer and shows no groups may train anything.
            return TrainingFacts(None, _numbers(metrics), last_epoch, steps_per_epoch, last_step)
        for group in found:
            facts = _facts(optimizer, group)
            parameters = group.get("params", ())
            groups.update((id(parameter), facts) for parameter in parameters)
            stepped += parameters
    known = {site.parameter.name: groups[id(site.tensor)] for site in sites if id(site.tensor) in groups}
    copies = not known and any(getattr(one, "dtype", None) is torch.float32 for one in stepped)
    return TrainingFacts(known or None, _numbers(metrics), last_epoch, steps_per_epoch, last_step, copies)


def _facts(optimizer: Any, group: Mapping[str, Any]) -> OptimizerFacts:
    betas = group.get("betas")
    first, second = betas if isinstance(betas, (tuple, list)) and len(betas) == 2 else (group.get("momentum"), None)
    return OptimizerFacts(
        optimizer=type(optimizer).__name__.removeprefix("Lightning"),
        lr=_number(group.get("lr")),
        weight_decay=_number(group.get("weight_decay")),
        momentum=_number(first),
        second_beta=_number(second),
    )


def metrics_on_device(metrics: Mapping[str, Any]) -> dict[str, Tensor]:
    """Metrics of one value that lie on a device with a stream: copies there, to be read where nobody waits."""
    return {
        str(name): value.detach().clone()
        for name, value in metrics.items()
        if type(value) is Tensor and value.numel() == 1 and value.device.type not in ("cpu", "meta")
    }


def with_metrics(facts: TrainingFacts, waiting: Mapping[str, Tensor]) -> TrainingFacts:
    """The same with these metrics; waits for their device."""
    return replace(facts, metrics={**facts.metrics, **_numbers({name: value.cpu() for name, value in waiting.items()})})


def _numbers(metrics: Mapping[str, Any]) -> dict[str, float]:
    found = {str(name): _number(value) for name, value in metrics.items()}
    return {name: value for name, value in found.items() if not math.isnan(value)}


def _number(value: Any) -> float:
    """A number, or a tensor of one on the host; NaN for all else, as what lies on a device would be waited for."""
    if getattr(getattr(value, "device", None), "type", "cpu") == "cpu":
        with suppress(TypeError, ValueError, RuntimeError):
            return float(value)
    return math.nan
