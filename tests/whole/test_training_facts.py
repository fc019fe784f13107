"""What a real Trainer tells of itself for the pictures: how many steps an epoch has."""

from __future__ import annotations

import weakref
from pathlib import Path
from typing import Any

import pytest
from lightning.pytorch import Callback

from lightning_weightviz import WeightVisualizationCallback
from lightning_weightviz.callback import _training_of
from tests.support.training import Classifier, batches, events, steps_of, trainer


class Asking(Callback):
    """Asks as a snapshot does."""

    def __init__(self) -> None:
        self.steps: set[int | None] = set()

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        self.steps.add(_training_of(weakref.ref(trainer))[3])


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
