"""A cause names the optimizer's settings and the loss, where they are known, and what else is broken."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from lightning_weightviz.findings.support.evidence import Evidence
from lightning_weightviz.findings.support.explaining import explained
from lightning_weightviz.memory import past_of
from lightning_weightviz.model.selection import Choice, select
from lightning_weightviz.model.training_facts import metrics_on_device, training_facts, with_metrics
from lightning_weightviz.snapshot import OptimizerFacts, TrainingFacts
from tests.findings.runs import Made, picture


def cause(training: TrainingFacts, parameter: str = "a") -> str:
    snapshot = replace(Made(2).snapshot(1), training=training)
    return explained("Why.", Evidence(snapshot, past_of(snapshot)), parameter)


SGD = OptimizerFacts("SGD", 0.1, 0.3, 0.9, math.nan)
ADAM = OptimizerFacts("AdamW", 0.001, 0.0, 0.9, 0.999)


@pytest.mark.parametrize(
    ("training", "parameter", "said"),
    [
        (TrainingFacts(), "a", "Why."),
        (TrainingFacts({"a": SGD}), "a", "Why. Here: SGD with learning rate 0.1, momentum 0.9, weight decay 0.3."),
        (TrainingFacts({"a": ADAM}), "a", "Why. Here: AdamW with learning rate 0.001, betas 0.9 and 0.999."),
        (TrainingFacts({"a": SGD}), "b", "Why."),
        (TrainingFacts({"a": ADAM, "b": replace(SGD, momentum=0.0)}), "",
         "Why. Here: SGD with learning rate 0.1, weight decay 0.3."),
        (TrainingFacts({"a": replace(SGD, lr=0.0, momentum=0.0, weight_decay=0.0)}), "a",
         "Why. Here: SGD with learning rate 0."),
        (TrainingFacts(None, {"val_loss": 1.0, "train_loss": 2.302, "accuracy": 0.1}), "a",
         "Why. Here: train_loss 2.3."),
    ],
)  # fmt: skip
def test_what_is_known_is_said(training: TrainingFacts, parameter: str, said: str) -> None:
    assert cause(training, parameter) == said


def test_the_settings_are_those_of_the_parameters_group() -> None:
    model = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2))
    slow: dict[str, Any] = {"params": model[0].parameters(), "lr": 1e-4, "betas": (0.8, 0.99)}
    optimizer = torch.optim.AdamW([slow, {"params": [model[1].weight]}], lr=0.01, weight_decay=0.2)
    metrics: dict[str, Any] = {"loss": torch.tensor(2.5), "many": torch.ones(3), "name": "x", "nan": math.nan}
    facts = training_facts(select(model, Choice()).sites, [optimizer], metrics, 7, 45)
    assert facts.optimizers is not None
    assert facts.optimizers.keys() == {"0.weight", "0.bias", "1.weight"}
    assert facts.optimizers["0.bias"] == OptimizerFacts("AdamW", 1e-4, 0.2, 0.8, 0.99)
    assert facts.optimizers["1.weight"] == OptimizerFacts("AdamW", 0.01, 0.2, 0.9, 0.999)
    assert facts.metrics == {"loss": 2.5} and (facts.last_epoch, facts.steps_per_epoch) == (7, 45)


def test_metrics_on_the_host_wait_for_nothing_and_others_are_read_later() -> None:
    metrics = {"loss": torch.tensor(1.0), "meta": torch.empty(1, device="meta"), "many": torch.ones(3), "name": "x"}
    assert metrics_on_device(metrics) == {}
    later = with_metrics(TrainingFacts(metrics={"loss": 1.0, "acc": 0.5}), {"acc": torch.tensor([0.75])})
    assert later.metrics == {"loss": 1.0, "acc": 0.75}


class Other:
    """What stands in for an optimizer, and does not show what it trains."""


@pytest.mark.parametrize("optimizers", [[], [Other()]])
def test_where_no_optimizer_shows_itself_nothing_is_said_to_be_in_none(optimizers: list[Any]) -> None:
    sites = select(nn.Linear(4, 3), Choice()).sites
    assert training_facts(sites, optimizers, {}).optimizers is None


def test_copies_in_float32_that_an_optimizer_steps_are_known_where_it_shows_them() -> None:
    model = nn.Linear(4, 3, dtype=torch.bfloat16)
    sites = select(model, Choice()).sites
    copies = [one.detach().float().requires_grad_() for one in model.parameters()]
    for parameters, known in ((copies, True), (model.parameters(), False), ([copies[0].detach().bfloat16()], False)):
        assert training_facts(sites, [torch.optim.SGD(parameters, lr=0.1)], {}).steps_copies is known
    # Float32 beside weights that the optimizer has is a layer that is not shown.
    both = torch.optim.SGD([*model.parameters(), *copies], lr=0.1)
    assert training_facts(sites, [both], {}).steps_copies is False
    assert training_facts(sites, [], {}).steps_copies is False


def test_what_a_nan_has_broken_is_said() -> None:
    broken = Made(3).set("a", nan_count=2.0).set("b", relative_change=0.0)
    [one] = [one for one in broken.all_found() if one.rule == "nan"]
    assert (
        one.cause == "A step was taken with a broken gradient. In all 1 of 3 parameters are not finite, 1 stand still."
    )


def test_dead_units_are_named_where_each_has_a_row_of_cells() -> None:
    cells = np.ones((8, 4))
    cells[[1, 5]] = 0.0
    made = Made(2).set("a", dead_units=20.0)
    made.pictures["a"] = [picture(cells)]
    [one] = made.found("dead_units")
    assert one.unit == "rows 1, 5"
