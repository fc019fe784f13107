"""Trainings that change the model, the optimizer or the data under the callback's feet."""

from __future__ import annotations

import copy
import pickle
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.callbacks import ModelPruning
from lightning.pytorch.plugins import MixedPrecision
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from lightning_weightviz import WeightVisualizationCallback
from tests.support.training import Classifier, batches, trainer
from tests.test_callback import Chain, Collected, Recorder, StopAt, fit


def shown(kept: Collected, tag: str) -> list[float]:
    return kept.scalars(tag)


def test_a_parameter_that_is_pruned_goes_on_under_its_new_name(tmp_path: Path) -> None:
    kept = Collected()
    callback = WeightVisualizationCallback(sinks=[kept])
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        fit(tmp_path, callback, ModelPruning("l1_unstructured", amount=0.5), model=Chain())
    assert not [w for w in told if "failed with" in str(w.message)]
    assert any("fc1.weight_orig" in str(warning.message) for warning in told)
    assert len(shown(kept, "weights.rms/total")) == 4
    assert shown(kept, "weights.rms/fc1.weight_orig")


class Replacing(Chain):
    """Gets a new last layer at the second epoch."""

    def on_train_epoch_start(self) -> None:
        if self.current_epoch == 1:
            self.fc2 = nn.Linear(8, 4)
            nn.init.constant_(self.fc2.weight, 50.0)
            self.trainer.optimizers = [torch.optim.SGD(self.parameters(), lr=1e-9)]


def test_a_layer_that_is_replaced_is_looked_for_anew(tmp_path: Path) -> None:
    kept = Collected()
    fit(tmp_path, WeightVisualizationCallback(sinks=[kept]), model=Replacing())
    sizes = shown(kept, "weights.absmax/fc2.weight")
    assert max(sizes[:2]) < 2
    assert sizes[2:] == pytest.approx([50.0, 50.0], rel=1e-4)


class Wider(Chain):
    """The same names, other shapes."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(16, 12), nn.Linear(12, 4)


def test_state_of_other_shapes_starts_anew(tmp_path: Path) -> None:
    first, kept = WeightVisualizationCallback(sinks=[Collected()]), Collected()
    fit(tmp_path, first, model=Chain())
    second = WeightVisualizationCallback(sinks=[kept])
    second.load_state_dict(pickle.loads(pickle.dumps(first.state_dict())))
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        trainer(tmp_path, second, max_epochs=2).fit(Wider(), batches())
    assert not [w for w in told if "failed with" in str(w.message)]
    assert len(kept.steps("weights.heatmap/fc1.weight")) == 2
    assert len(kept.steps("weights.evolution/fc1.weight")) >= 1


class Adversarial(LightningModule):
    """Two optimizers in turns, each with the other's layer untouched and its own gradients cleared behind it."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.automatic_optimization = False
        self.first, self.second = nn.Linear(16, 4), nn.Linear(16, 4)
        self.seen: list[float] = []

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        for optimizer, layer in zip(self.optimizers(), (self.first, self.second), strict=True):
            self.toggle_optimizer(optimizer)
            self.manual_backward(nn.functional.cross_entropy(layer(batch[0]), batch[1]))
            if layer is self.first:
                gradient = layer.weight.grad
                assert gradient is not None
                self.seen.append(gradient.square().mean().sqrt().item())
            optimizer.step()
            optimizer.zero_grad()
            self.untoggle_optimizer(optimizer)

    def configure_optimizers(self) -> Any:
        return [torch.optim.SGD(self.first.parameters(), 0.1), torch.optim.SGD(self.second.parameters(), 0.1)]


def test_each_optimizers_gradients_are_those_before_its_own_step(tmp_path: Path) -> None:
    kept, model = Collected(), Adversarial()
    fit(tmp_path, WeightVisualizationCallback(sinks=[kept], targets=("weights", "gradients")), model=model)
    assert shown(kept, "gradients.rms/first.weight") == pytest.approx(model.seen[4::5], rel=1e-5)
    assert min(shown(kept, "gradients.rms/second.weight")) > 0


class SecondOrder(Chain):
    """LBFGS calls the closure several times a step."""

    def __init__(self) -> None:
        super().__init__()
        self.ratios: list[float] = []

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.LBFGS(self.parameters(), lr=0.5, max_iter=6)

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        self._before = self.fc1.weight.detach().clone()

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        change = (self.fc1.weight.detach() - self._before).norm() / self._before.norm()
        self.ratios.append(change.item())


def test_a_step_with_a_closure_is_one_step(tmp_path: Path) -> None:
    kept, model = Collected(), SecondOrder()
    fit(tmp_path, WeightVisualizationCallback(sinks=[kept]), model=model)
    assert shown(kept, "weights.update_ratio/fc1.weight") == pytest.approx(model.ratios[4::5], rel=1e-4)


class Overflowing(Chain):
    """The last gradient of the second epoch overflows."""

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        loss = super().training_step(batch, batch_idx)
        return loss * float("inf") if self.global_step == 9 else loss


def test_a_step_that_the_gradient_scaler_skips_has_no_ratio(tmp_path: Path) -> None:
    kept, recorder = Collected(), Recorder()
    callback = WeightVisualizationCallback(sinks=[kept], targets=("weights", "gradients"), on_alert="ignore")
    scaler = torch.amp.GradScaler("cpu", init_scale=256.0)
    fit(tmp_path, callback, recorder, model=Overflowing(), plugins=[MixedPrecision("16-mixed", "cpu", scaler)])
    assert recorder.ratio[9] == 0 < min(recorder.ratio[:9] + recorder.ratio[10:])
    assert kept.steps("weights.update_ratio/fc1.weight") == [4, 14]
    assert shown(kept, "weights.update_ratio/fc1.weight") == pytest.approx(recorder.ratio[4::10], rel=1e-4)
    assert shown(kept, "gradients.nan_count/fc1.weight") == [0, 128, 0]
    # Lightning unscales before the hook, so what is shown is free of the scale.
    assert shown(kept, "gradients.rms/fc1.weight") == pytest.approx(recorder.gradient_rms[4::10], rel=1e-5)


class Loop(TensorDataset):
    """Holds itself, and has no classes yet."""

    @property
    def dataset(self) -> Loop:
        return self

    @property
    def classes(self) -> list[str]:
        raise RuntimeError("not downloaded")


def test_a_data_set_that_cannot_tell_its_classes_is_left_alone(tmp_path: Path) -> None:
    kept, tensors = Collected(), batches().dataset.tensors  # type: ignore[attr-defined]
    loader = DataLoader(Loop(*tensors), batch_size=8)
    trainer(tmp_path, WeightVisualizationCallback(sinks=[kept]), max_epochs=1).fit(Chain(), loader)
    assert kept.steps("classes/weights") == [0, 4]


def test_no_hook_is_left_behind_by_an_exception(tmp_path: Path) -> None:
    callback, model = WeightVisualizationCallback(sinks=[Collected()]), Classifier()
    with pytest.raises(RuntimeError, match="stop"):
        fit(tmp_path, callback, StopAt(1, RuntimeError("stop")), model=model)
    (optimizer,) = model.trainer.optimizers
    assert not optimizer._optimizer_step_post_hooks


class Copying(StopAt):
    """Copies the callbacks in the middle of training, as tuners do."""

    def __init__(self) -> None:
        super().__init__(-1, RuntimeError())

    def on_train_epoch_end(self, trainer: Any, *_: Any) -> None:
        copy.deepcopy([callback for callback in trainer.callbacks if isinstance(callback, WeightVisualizationCallback)])


def test_it_can_be_copied_at_any_time(tmp_path: Path) -> None:
    callback = WeightVisualizationCallback()
    fit(tmp_path, callback, Copying())
    assert pickle.loads(pickle.dumps(callback)).state_key == callback.state_key


def test_instances_with_other_views_or_cadence_live_side_by_side(tmp_path: Path) -> None:
    pictures, numbers = Collected(), Collected()
    fit(
        tmp_path,
        WeightVisualizationCallback(views=("heatmap",), sinks=[pictures]),
        WeightVisualizationCallback(views=("statistics",), every_n_train_steps=2, sinks=[numbers]),
    )
    assert len(pictures.steps("weights.heatmap/fc1.weight")) == 4
    assert len(numbers.steps("weights.rms/fc1.weight")) > 4


def test_numbers_of_numpy_are_numbers() -> None:
    numbers: Any = {"every_n_epochs": np.int64(2), "color_range": np.float32(0.5), "bins": np.int32(8)}
    settings = WeightVisualizationCallback(**numbers)._settings
    assert (settings.every_n_epochs, settings.color_range, settings.bins) == (2, 0.5, 8)
    assert type(settings.every_n_epochs) is int
