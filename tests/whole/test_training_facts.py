"""What a real Trainer tells of itself for the pictures: how many steps an epoch has."""

from __future__ import annotations

import weakref
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback
from torch import nn
from torch.utils.data import DataLoader, IterableDataset

from lightning_weightviz import WeightVisualizationCallback
from lightning_weightviz.callback import _training_of
from tests.support.training import Classifier, batches, events, steps_of, trainer


class TwoOptimizers(Classifier):
    """Two steps a batch."""

    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False

    def training_step(self, batch: Any, batch_idx: int) -> None:  # type: ignore[override]
        for optimizer in self.optimizers():  # type: ignore[union-attr]
            optimizer.zero_grad()
            self.manual_backward(nn.functional.cross_entropy(self(batch[0]), batch[1]))
            optimizer.step()

    def configure_optimizers(self) -> Any:
        return [torch.optim.SGD(one.parameters(), lr=0.1) for one in (self.fc1, self.fc2)]


class Asking(Callback):
    """Asks as a snapshot does."""

    def __init__(self) -> None:
        self.steps: set[int | None] = set()
        self.ends: set[tuple[int | None, int | None]] = set()

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        *_, last_epoch, steps, last_step = _training_of(weakref.ref(trainer))
        self.steps.add(steps)
        self.ends.add((last_epoch, last_step))


@pytest.mark.parametrize(
    ("arguments", "steps"), [({}, 5), ({"accumulate_grad_batches": 2}, 3), ({"limit_train_batches": 2}, 2)]
)
def test_steps_of_an_epoch_are_those_of_the_loggers(tmp_path: Path, arguments: dict[str, Any], steps: int) -> None:
    asking = Asking()
    callback = WeightVisualizationCallback(max_overhead=None)
    trainer(tmp_path, callback, asking, max_epochs=3, **arguments).fit(Classifier(), batches())
    assert asking.steps == {steps}
    logged = steps_of(events(tmp_path), "Scalars", "weights.rms/fc1.weight")
    assert callback._training is not None
    (name, *_) = callback._training.visualizer._history._kept.metrics
    assert name.startswith("loss")
    assert logged == [0, steps - 1, 2 * steps - 1, 3 * steps - 1]


@pytest.mark.parametrize(
    ("arguments", "ends"),
    [
        ({"max_epochs": 3}, (3, 14)),
        ({"max_epochs": 3, "accumulate_grad_batches": 2}, (3, 8)),
        ({"max_epochs": -1, "max_steps": 12}, (None, 11)),
        ({"max_epochs": 1000, "max_steps": 12}, (None, 11)),
        ({"max_epochs": 2, "max_steps": 10}, (None, 9)),
        ({"max_epochs": 2, "max_steps": 1000}, (2, 9)),
    ],
)
def test_the_end_is_told_in_epochs_where_epochs_end_the_training(
    tmp_path: Path, arguments: dict[str, Any], ends: tuple[int | None, int]
) -> None:
    asking = Asking()
    trainer(tmp_path, asking, **arguments).fit(Classifier(), batches())
    assert asking.ends == {ends}


class Endless(IterableDataset[Any]):
    """Of no known length: an epoch of it has five batches."""

    def __iter__(self) -> Any:
        return iter(batches().dataset)


@pytest.mark.parametrize(
    ("arguments", "ends"),
    [
        ({"max_epochs": 3}, {(3, None)}),
        ({"max_epochs": -1, "max_steps": 12}, {(None, 11)}),
        # Which of the two comes first is not known.
        ({"max_epochs": 2, "max_steps": 1000}, {(2, 999)}),
    ],
)
def test_the_end_of_a_training_whose_epochs_have_no_known_length(
    tmp_path: Path, arguments: dict[str, Any], ends: set[tuple[int | None, int | None]]
) -> None:
    asking = Asking()
    trainer(tmp_path, asking, **arguments).fit(Classifier(), DataLoader(Endless(), batch_size=8))
    assert asking.ends == ends


def test_with_two_optimizers_the_last_step_is_on_the_loggers_axis(tmp_path: Path) -> None:
    asking = Asking()
    running = trainer(tmp_path, asking, max_epochs=-1, max_steps=20)
    running.fit(TwoOptimizers(), batches())
    assert running.global_step == 20 and asking.ends == {(None, 9)}


@pytest.mark.parametrize(
    "arguments", [{"max_steps": 100, "max_epochs": -1}, {"max_steps": 100, "max_epochs": 99}, {"max_epochs": 1}]
)
@pytest.mark.parametrize("share", [0.5, 0.95])
def test_a_schedule_that_ends_with_the_training_is_no_standstill(
    tmp_path: Path, arguments: dict[str, Any], share: float
) -> None:
    class Ending(Classifier):
        def configure_optimizers(self) -> Any:
            optimizer = super().configure_optimizers()
            schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: float(step < 100 * share))
            return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    callback = WeightVisualizationCallback(
        views=("statistics",), max_overhead=None, every_n_train_steps=1, on_alert="ignore"
    )
    trainer(tmp_path, callback, **arguments).fit(Ending(), batches(count=100))
    found = [one.message for one in callback.findings if one.rule == "all_stopped"]
    said = ["no matrix has changed since step 49, 50 steps before the end; the learning rate is 0"]
    assert found == (said if share == 0.5 else [])
