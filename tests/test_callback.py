"""The callback in real trainings: what is written, when, and that nothing else changes."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer, seed_everything
from lightning.pytorch.callbacks import LearningRateFinder, ModelCheckpoint
from torch import Tensor, nn

from lightning_weightviz import WeightAlert, WeightVisualizationCallback
from lightning_weightviz.artifacts import Batch, Image, Scalar
from lightning_weightviz.memory import History
from lightning_weightviz.training import Training
from lightning_weightviz.visualizer import WeightVisualizer
from tests.support.pages import names_on
from tests.support.training import Classifier, batches, events, quiet_threads, steps_of, trainer


class Collected:
    """A sink that keeps what it is given."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []
        self.flushed = 0

    def write(self, batch: Batch) -> None:
        self.batches.append(batch)

    def flush(self) -> None:
        self.flushed += 1

    def steps(self, tag: str) -> list[int]:
        return [batch.step for batch in self.batches for artifact in batch.artifacts if artifact.tag == tag]

    def scalars(self, tag: str) -> list[float]:
        return [
            artifact.value
            for batch in self.batches
            for artifact in batch.artifacts
            if isinstance(artifact, Scalar) and artifact.tag == tag
        ]


class Broken:
    """A sink that fails in every call."""

    def write(self, batch: Batch) -> None:
        raise OSError("disk full")

    def flush(self) -> None:
        raise OSError("disk full")


class StopAt(Callback):
    """Raises in the middle of an epoch."""

    def __init__(self, epoch: int, error: BaseException) -> None:
        self._epoch = epoch
        self._error = error

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        if trainer.current_epoch == self._epoch:
            raise self._error


def fit(folder: Path, *callbacks: Callback, model: LightningModule | None = None, **arguments: Any) -> LightningModule:
    seed_everything(7, verbose=False)
    model = model or Classifier()
    trainer(folder, *callbacks, **arguments).fit(model, batches())
    return model


def test_every_snapshot_has_its_pictures_histograms_and_scalars(tmp_path: Path) -> None:
    fit(tmp_path, WeightVisualizationCallback(input_shape=(4, 4)), model=Chain())
    written = events(tmp_path)
    at_each = [0, 4, 9, 14]
    for tag in ("weights.heatmap/fc1.weight", "weights.heatmap/fc2.bias", "classes/weights", "classes/cosine"):
        assert steps_of(written, "Images", tag) == at_each
    for tag in ("classes/norms", "classes/templates"):
        assert steps_of(written, "Images", tag) == at_each
    assert steps_of(written, "Histograms", "weights.histogram/fc1.weight") == at_each
    assert steps_of(written, "Histograms", "weights.histogram/fc1.bias") == at_each
    for tag in ("weights.rms/fc1.weight", "weights.rms/total", "alerts/nan"):
        assert steps_of(written, "Scalars", tag) == at_each
    # Drawn at the snapshots 0, 1 and 2, and at the last.
    for tag in ("weights.evolution/fc1.weight", "weights.distribution/fc1.weight", "overview/weights"):
        assert steps_of(written, "Images", tag) == at_each
    assert "weights.rms/fc1.bias" not in written.Tags()["scalars"]


def test_steps_are_those_of_what_the_module_logs_itself(tmp_path: Path) -> None:
    fit(tmp_path, WeightVisualizationCallback(log_initial=False), max_epochs=4, accumulate_grad_batches=2)
    written = events(tmp_path)
    own = steps_of(written, "Scalars", "loss_epoch")
    assert len(own) == 4
    assert steps_of(written, "Images", "weights.heatmap/fc1.weight") == own
    assert steps_of(written, "Histograms", "weights.histogram/fc1.weight") == own
    assert steps_of(written, "Scalars", "weights.rms/fc1.weight") == own


def test_steps_inside_an_epoch_are_those_of_what_the_module_logs_itself(tmp_path: Path) -> None:
    callback = WeightVisualizationCallback(log_initial=False, every_n_epochs=None, every_n_train_steps=3)
    fit(tmp_path, callback)
    written = events(tmp_path)
    own = steps_of(written, "Scalars", "loss_step")
    assert steps_of(written, "Scalars", "weights.rms/fc1.weight") == own[2::3]


class Large(Classifier):
    """Wide enough for the ways that large parameters are measured."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.norm, self.fc2 = nn.Linear(16, 4096), nn.BatchNorm1d(4096), nn.Linear(4096, 4)


@pytest.mark.parametrize(("background", "kind"), [(True, Classifier), (False, Classifier), (True, Large)])
def test_training_is_bit_identical_with_and_without(
    tmp_path: Path, background: bool, kind: type[LightningModule]
) -> None:
    everything = WeightVisualizationCallback(
        targets=("weights", "gradients", "updates"), every_n_train_steps=2, background=background
    )
    with quiet_threads():
        plain = fit(tmp_path / "plain", model=kind())
        plain_random = torch.rand(3)
        shown = fit(tmp_path / "shown", everything, model=kind())
        shown_random = torch.rand(3)
    assert torch.equal(plain_random, shown_random)
    for (name, expected), found in zip(plain.state_dict().items(), shown.state_dict().values(), strict=True):
        assert torch.equal(expected, found), name
    momenta = [model.trainer.optimizers[0].state_dict()["state"] for model in (plain, shown)]
    for index, state in momenta[0].items():
        assert torch.equal(state["momentum_buffer"], momenta[1][index]["momentum_buffer"])
    for model in (plain, shown):
        assert all(not parameter._backward_hooks for parameter in model.parameters())


def checkpointed(folder: Path, *, epochs: int, resume: str | None = None) -> tuple[WeightVisualizationCallback, str]:
    seed_everything(7, verbose=False)
    callback = WeightVisualizationCallback(views=("heatmap", "evolution", "drift"))
    saving = ModelCheckpoint(folder / "checkpoints", save_last=True)
    running = trainer(folder, callback, saving, max_epochs=epochs, enable_checkpointing=True)
    running.fit(Classifier(), batches(), ckpt_path=resume)
    return callback, str(folder / "checkpoints" / "last.ckpt")


def history_of(callback: WeightVisualizationCallback) -> History:
    assert callback._visualizer is not None
    return callback._visualizer._history


def test_a_resumed_run_goes_on_with_its_ranges_and_film_and_repeats_nothing(tmp_path: Path) -> None:
    first, path = checkpointed(tmp_path / "first", epochs=3)
    second, _ = checkpointed(tmp_path / "second", epochs=5, resume=path)
    written = events(tmp_path / "second")
    assert steps_of(written, "Images", "weights.heatmap/fc1.weight") == [19, 24]

    before, after = history_of(first)._memory({}), history_of(second)._memory({})
    assert list(after.epochs) == [0, 1, 2, 3, 4, 5]
    assert [frame.epoch for frame in after.frames["weights/fc1.weight"]] == [0, 1, 2, 4]
    for old, new in zip(before.frames["weights/fc1.weight"][:3], after.frames["weights/fc1.weight"], strict=False):
        assert (old.cells == new.cells).all()
    for key, value in before.ranges.items():
        assert after.ranges[key] >= value
    assert (before.start["weights/fc1.weight"] == after.start["weights/fc1.weight"]).all()


def test_the_state_is_small_and_loads_as_weights_only(tmp_path: Path) -> None:
    callback, path = checkpointed(tmp_path, epochs=2)
    state = torch.load(path, weights_only=True)["callbacks"][callback.state_key]
    assert state["last_step"] == 9
    assert state["visualizer"]["history"]["ranges"]["weights/fc1.weight"] > 0


def test_a_resumed_run_without_earlier_state_starts_where_it_is(tmp_path: Path) -> None:
    saving = ModelCheckpoint(tmp_path / "checkpoints", save_last=True)
    fit(tmp_path, saving, enable_checkpointing=True, max_epochs=1)
    kept = Collected()
    running = trainer(tmp_path, WeightVisualizationCallback(sinks=[kept]), max_epochs=3)
    running.fit(Classifier(), batches(), ckpt_path=str(tmp_path / "checkpoints" / "last.ckpt"))
    assert kept.steps("weights.heatmap/fc1.weight") == [9, 14]


def test_a_second_fit_of_the_same_trainer_goes_on(tmp_path: Path) -> None:
    kept = Collected()
    callback, model = WeightVisualizationCallback(sinks=[kept]), Classifier()
    running = trainer(tmp_path, callback, max_epochs=2)
    running.fit(model, batches())
    running.fit_loop.max_epochs = 4
    running.fit(model, batches())
    assert kept.steps("weights.heatmap/fc1.weight") == [0, 4, 9, 14, 19]
    assert list(history_of(callback)._memory({}).epochs) == [0, 1, 2, 3, 4]


class Tried(Classifier):
    """Can be validated, tested, and tried with other learning rates."""

    def __init__(self) -> None:
        super().__init__()
        self.lr = 0.05

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self(batch[0])

    test_step = validation_step

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=self.lr, momentum=0.9)


def test_a_checkpoint_that_is_validated_is_no_training_to_continue(tmp_path: Path) -> None:
    _, path = checkpointed(tmp_path / "first", epochs=3)
    kept, model = Collected(), Tried()
    callback = WeightVisualizationCallback(views=("heatmap", "evolution", "drift"), sinks=[kept])
    running = trainer(tmp_path / "second", callback, max_epochs=3)
    running.validate(model, batches(), ckpt_path=path, verbose=False)
    running.fit(model, batches())
    assert list(history_of(callback)._memory({}).steps) == kept.steps("weights.heatmap/fc1.weight") == [0, 4, 9, 14]


def test_a_checkpoint_that_is_tested_takes_nothing_from_what_is_known(tmp_path: Path) -> None:
    callback, model = WeightVisualizationCallback(), Tried()
    saving = ModelCheckpoint(tmp_path / "checkpoints", save_top_k=-1, filename="{epoch}")
    running = trainer(tmp_path, callback, saving, max_epochs=3, enable_checkpointing=True)
    running.fit(model, batches())
    running.test(model, batches(), ckpt_path=str(tmp_path / "checkpoints" / "epoch=0.ckpt"), verbose=False)
    running.fit_loop.max_epochs = 5
    running.fit(model, batches())
    assert list(history_of(callback)._memory({}).steps) == [0, 4, 9, 14, 19, 24]


class Searches(LearningRateFinder):
    """In the midst of a training, which goes on from a checkpoint then."""

    def on_fit_start(self, *_: Any) -> None:
        pass

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.current_epoch == 1:
            self.lr_find(trainer, pl_module)


def test_a_search_for_a_learning_rate_takes_nothing_from_what_is_known(tmp_path: Path) -> None:
    callback, model = WeightVisualizationCallback(), Tried()
    running = trainer(tmp_path, callback, Searches(num_training_steps=3), max_epochs=3)
    running.fit(model, batches())
    running.fit_loop.max_epochs = 4
    running.fit(model, batches())
    assert list(history_of(callback)._memory({}).steps) == [0, 4, 9, 14, 19]


class Hesitant(Classifier):
    """Has no loss for its first batch."""

    def training_step(self, batch: tuple[torch.Tensor, torch.Tensor], batch_idx: int) -> Any:
        return super().training_step(batch, batch_idx) if self.global_step else None


def test_a_first_batch_without_a_loss_takes_neither_start_nor_classes(tmp_path: Path) -> None:
    kept = Collected()
    fit(tmp_path, WeightVisualizationCallback(sinks=[kept]), model=Hesitant())
    assert kept.steps("weights.heatmap/fc1.weight") == kept.steps("classes/weights") == [0, 4, 9, 14]


def test_the_same_callback_in_a_new_trainer_starts_anew(tmp_path: Path) -> None:
    kept = Collected()
    callback = WeightVisualizationCallback(sinks=[kept])
    fit(tmp_path / "a", callback, max_epochs=1)
    fit(tmp_path / "b", callback, max_epochs=1)
    assert kept.steps("weights.heatmap/fc1.weight") == [0, 4, 0, 4]
    assert list(history_of(callback)._memory({}).epochs) == [0, 1]


@pytest.mark.parametrize("error", [RuntimeError("out of memory"), KeyboardInterrupt()])
def test_what_was_measured_is_written_when_training_breaks(tmp_path: Path, error: BaseException) -> None:
    # Lightning turns Ctrl-C into SystemExit.
    with pytest.raises((RuntimeError, SystemExit)):
        fit(tmp_path, WeightVisualizationCallback(), StopAt(3, error), max_epochs=9)
    written = events(tmp_path)
    assert steps_of(written, "Images", "weights.heatmap/fc1.weight") == [0, 4, 9, 14]
    assert steps_of(written, "Images", "weights.evolution/fc1.weight") == [0, 4, 9, 14]
    assert steps_of(written, "Histograms", "weights.histogram/fc1.weight") == [0, 4, 9, 14]


def test_the_last_picture_over_time_is_drawn_at_the_end(tmp_path: Path) -> None:
    kept = Collected()
    fit(tmp_path, WeightVisualizationCallback(sinks=[kept]), max_epochs=6)
    assert kept.steps("weights.heatmap/fc1.weight") == [0, 4, 9, 14, 19, 24, 29]
    assert kept.steps("weights.evolution/fc1.weight") == [0, 4, 9, 19, 29]
    assert kept.flushed == 1


def test_a_logger_that_fails_stops_neither_training_nor_the_others(tmp_path: Path) -> None:
    kept = Collected()
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        model = fit(tmp_path, WeightVisualizationCallback(sinks=[Broken(), kept]))
    assert model.trainer.current_epoch == 3
    assert len(kept.steps("weights.heatmap/fc1.weight")) == 4
    about = [str(warning.message) for warning in told if "disk full" in str(warning.message)]
    assert len(about) == 2  # once for writing, once for flushing
    assert all("Broken" in message for message in about)


def test_a_view_that_fails_leaves_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from lightning_weightviz.views import VIEWS, View

    def fail(scene: object) -> list[Image]:
        raise ZeroDivisionError("no width")

    monkeypatch.setattr(VIEWS, "_members", {**VIEWS, "heatmap": View(fail)})
    kept = Collected()
    with pytest.warns(UserWarning, match="the view 'heatmap' failed with ZeroDivisionError: no width"):
        fit(tmp_path, WeightVisualizationCallback(sinks=[kept]))
    assert len(kept.steps("weights.histogram/fc1.weight")) == 4
    assert kept.steps("weights.heatmap/fc1.weight") == []


class Breaking(Classifier):
    """Its first layer gets a NaN in the second epoch."""

    def on_train_epoch_start(self) -> None:
        if self.current_epoch == 1:
            with torch.no_grad():
                self.fc1.weight[2, 3] = float("nan")


def test_alerts_name_the_layer_once_and_count_each_time(tmp_path: Path) -> None:
    kept = Collected()
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        fit(tmp_path, WeightVisualizationCallback(sinks=[kept]), model=Breaking())
    about = [str(warning.message) for warning in told if "fc1.weight" in str(warning.message)]
    assert len(about) == 1
    assert "NaN" in about[0]
    counts = kept.scalars("alerts/nan")
    assert counts[:2] == [0.0, 0.0]
    assert min(counts[2:]) >= 1.0


def test_an_alert_stops_training_where_asked_and_after_all_is_written(tmp_path: Path) -> None:
    with pytest.raises(WeightAlert, match=r"fc1\.weight: .*NaN"):
        fit(tmp_path, WeightVisualizationCallback(on_alert="raise"), model=Breaking())
    assert steps_of(events(tmp_path), "Images", "weights.heatmap/fc1.weight") == [0, 4, 9]


class Chain(LightningModule):
    """Linear layers alone, on 4×4 inputs."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.fc1 = nn.Linear(16, 8)
        self.fc2 = nn.Linear(8, 4)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        return nn.functional.cross_entropy(self.fc2(torch.relu(self.fc1(batch[0]))), batch[1])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


class Named(LightningDataModule):
    class_names = ("cat", "dog", "owl", "fox")

    def train_dataloader(self) -> Any:
        return batches()


def test_class_names_come_from_the_data_module(tmp_path: Path) -> None:
    kept = Collected()
    trainer(tmp_path, WeightVisualizationCallback(sinks=[kept])).fit(Chain(), Named())
    assert len(kept.scalars("classes.norm/owl")) == 4


def test_class_names_come_from_the_data_set(tmp_path: Path) -> None:
    loader = batches()
    loader.dataset.classes = ["a", "b", "c", "d"]  # type: ignore[attr-defined]
    subset = torch.utils.data.Subset(loader.dataset, range(16))
    kept = Collected()
    trainer(tmp_path, WeightVisualizationCallback(sinks=[kept])).fit(
        Chain(), torch.utils.data.DataLoader(subset, batch_size=8)
    )
    assert len(kept.scalars("classes.norm/d")) == 4


def test_a_wrong_number_of_class_names_is_refused_with_both_numbers(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"4 rows of 'fc2\.weight', got 3 names"):
        fit(tmp_path, WeightVisualizationCallback(class_names=["a", "b", "c"]))


def test_gradients_and_updates_have_tags_of_their_own(tmp_path: Path) -> None:
    kept = Collected()
    fit(tmp_path, WeightVisualizationCallback(targets=("weights", "gradients", "updates"), sinks=[kept]))
    for target in ("gradients", "updates"):
        for tag in (f"{target}.heatmap/fc1.weight", f"{target}.histogram/fc1.bias", f"{target}.rms/fc1.weight"):
            assert kept.steps(tag) == [4, 9, 14], tag


class Recorder(Callback):
    """Watches one layer with plain means: gradients before each step, weights before and after it."""

    def __init__(self) -> None:
        self.gradient_rms: list[float] = []
        self.ratio: list[float] = []
        self._before: Tensor | None = None

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Any) -> None:
        weight = pl_module.get_parameter("fc1.weight")
        assert weight.grad is not None
        self.gradient_rms.append(weight.grad.double().square().mean().sqrt().item())
        self._before = weight.detach().double().clone()

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        assert self._before is not None
        after = pl_module.get_parameter("fc1.weight").detach().double()
        self.ratio.append(((after - self._before).norm() / self._before.norm()).item())


def test_gradients_and_update_ratio_are_those_of_the_last_step(tmp_path: Path) -> None:
    kept, recorder = Collected(), Recorder()
    callback = WeightVisualizationCallback(targets=("weights", "gradients"), sinks=[kept], every_n_train_steps=2)
    fit(tmp_path, callback, recorder)
    steps = kept.steps("gradients.rms/fc1.weight")
    assert steps == [1, 3, 4, 5, 7, 9, 11, 13, 14]
    for step, found in zip(steps, kept.scalars("gradients.rms/fc1.weight"), strict=True):
        assert found == pytest.approx(recorder.gradient_rms[step], rel=1e-5)
    assert kept.steps("weights.update_ratio/fc1.weight") == steps
    for step, found in zip(steps, kept.scalars("weights.update_ratio/fc1.weight"), strict=True):
        assert found == pytest.approx(recorder.ratio[step], rel=1e-4)


class TwoOptimizers(Classifier):
    """Manual optimization: each batch steps twice, one layer each."""

    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:  # type: ignore[override]
        for optimizer in self.optimizers():  # type: ignore[union-attr]
            optimizer.zero_grad()
            self.manual_backward(nn.functional.cross_entropy(self(batch[0]), batch[1]))
            optimizer.step()

    def configure_optimizers(self) -> Any:
        return [torch.optim.SGD(self.fc1.parameters(), lr=0.1), torch.optim.Adam(self.fc2.parameters())]


def test_two_optimizers_in_manual_optimization(tmp_path: Path) -> None:
    kept = Collected()
    callback = WeightVisualizationCallback(sinks=[kept], every_n_epochs=None, every_n_train_steps=6)
    fit(tmp_path, callback, model=TwoOptimizers())
    assert kept.steps("weights.rms/fc1.weight") == [0, 2, 5, 8, 11, 14]
    for layer in ("fc1", "fc2"):
        assert kept.steps(f"weights.update_ratio/{layer}.weight") == [2, 5, 8, 11, 14]


def test_cadence(tmp_path: Path) -> None:
    kept = Collected()
    fit(tmp_path, WeightVisualizationCallback(sinks=[kept], every_n_epochs=2, log_initial=False), max_epochs=5)
    assert kept.steps("weights.rms/fc1.weight") == [9, 19]


def test_the_prefix_is_in_front_of_every_tag(tmp_path: Path) -> None:
    kept = Collected()
    fit(tmp_path, WeightVisualizationCallback(sinks=[kept], prefix="student/"))
    assert all(artifact.tag.startswith("student/") for batch in kept.batches for artifact in batch.artifacts)


def test_a_run_without_loggers_writes_files(tmp_path: Path) -> None:
    fit(tmp_path, WeightVisualizationCallback(report=True, animation=True), logger=False)
    folder = tmp_path / "weightviz"
    assert len(list(folder.glob("weights.heatmap/fc1.weight*/*.png"))) == 4
    assert len(list(folder.glob("weights.animation/fc1.weight*/*.gif"))) == 1
    assert "fc1.weight" in names_on(folder / "report.html")


@pytest.mark.parametrize("logger", [True, False])
def test_fast_dev_run_leaves_no_files(logger: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    fit(tmp_path, WeightVisualizationCallback(report=True), fast_dev_run=True, logger=logger)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_barebones_shows_nothing_and_says_so(tmp_path: Path) -> None:
    bare = Trainer(
        barebones=True, max_epochs=1, accelerator="cpu", callbacks=[WeightVisualizationCallback()], devices=1
    )
    with pytest.warns(UserWarning, match="barebones"):
        bare.fit(Chain(), batches())


def test_two_instances_keep_their_state_apart(tmp_path: Path) -> None:
    encoder, head = WeightVisualizationCallback("fc1"), WeightVisualizationCallback("fc2", prefix="head/")
    assert encoder.state_key != head.state_key
    saving = ModelCheckpoint(tmp_path / "checkpoints", save_last=True)
    fit(tmp_path, encoder, head, saving, enable_checkpointing=True)
    states = torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=True)["callbacks"]
    assert "weights/fc1.weight" in states[encoder.state_key]["visualizer"]["history"]["ranges"]
    assert "weights/fc1.weight" not in states[head.state_key]["visualizer"]["history"]["ranges"]


def test_it_is_a_callback_of_both_namespaces() -> None:
    import pytorch_lightning

    assert issubclass(WeightVisualizationCallback, Callback)
    assert issubclass(WeightVisualizationCallback, pytorch_lightning.Callback)


def test_snapshots_past_the_overhead_are_left_out_but_for_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lightning_weightviz.run import schedule

    monkeypatch.setattr(schedule, "FREE_SECONDS", 0.0)
    kept = Collected()
    with pytest.warns(UserWarning, match="snapshots were skipped.*max_overhead"):
        fit(tmp_path, WeightVisualizationCallback(sinks=[kept], max_overhead=1e-9), max_epochs=5)
    steps = kept.steps("weights.rms/fc1.weight")
    assert steps[0] == 0
    assert steps[-1] == 24
    assert len(steps) < 6


def test_steps_before_snapshots_that_are_left_out_do_not_pile_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lightning_weightviz.measure.parcels import Parcels
    from lightning_weightviz.run import schedule

    monkeypatch.setattr(schedule, "FREE_SECONDS", 0.0)
    packed: list[int] = []
    add_steps = Parcels.add_steps

    def counted(parcels: Parcels, steps: Any) -> None:
        packed.append(sum(len(seen) for seen in steps.values()))
        add_steps(parcels, steps)

    monkeypatch.setattr(Parcels, "add_steps", counted)
    with pytest.warns(UserWarning, match="snapshots were skipped"):
        fit(tmp_path, WeightVisualizationCallback(sinks=[Collected()], every_n_train_steps=1, max_overhead=1e-9))
    # The start has seen none, and each of the others its own step at most.
    assert len(packed) < 10 and packed[0] == 0 and max(packed) <= 1


def test_a_step_before_a_snapshot_that_is_left_out_is_not_taken_for_a_later_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kept, model = Collected(), Classifier()
    visualizer = WeightVisualizer(model, sinks=[kept])
    training = Training(visualizer, initial=True)
    training.take_initial()
    parameters = list(model.parameters())
    for number in (1, 2, 3):
        if number != 2:
            which = visualizer.before_step(parameters)
            visualizer.after_step(which)
        monkeypatch.setattr(training.schedule, "affords", lambda agreed, number=number: number != 1)
        training.take(number, number)
    visualizer.finish()
    # The first was left out, and the second saw no step: a scaler had skipped it.
    assert kept.steps("weights.rms/fc1.weight") == [0, 2, 3]
    assert kept.steps("weights.update_ratio/fc1.weight") == [3]


def test_a_snapshot_without_pictures_has_all_numbers_and_the_last_one_is_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lightning_weightviz.run import schedule

    monkeypatch.setattr(schedule, "NO_PICTURES", -0.5)
    monkeypatch.setattr(schedule, "ALL_PICTURES", -1.0)
    kept, full = Collected(), Collected()
    with pytest.warns(UserWarning, match="0 snapshots were skipped and 5 taken with fewer pictures or none"):
        fit(tmp_path / "numbers", WeightVisualizationCallback(sinks=[kept], max_overhead=1.0), max_epochs=5)
    fit(tmp_path / "all", WeightVisualizationCallback(sinks=[full], max_overhead=None), max_epochs=5)
    assert kept.steps("weights.rms/fc1.weight") == full.steps("weights.rms/fc1.weight")
    assert kept.steps("weights.histogram/fc1.weight") == full.steps("weights.histogram/fc1.weight")
    assert kept.steps("classes.norm/0") == full.steps("classes.norm/0")
    # The start was free; the last one is drawn at the end, with every view.
    assert kept.steps("weights.heatmap/fc1.weight") == [0, 24]
    for tag in ("weights.evolution/fc1.weight", "overview/weights", "classes/weights"):
        assert kept.steps(tag)[-1] == full.steps(tag)[-1] == 24
    seconds = kept.scalars("weightviz/seconds")
    assert seconds == sorted(seconds) and seconds[-1] > 0


def test_a_layer_that_does_not_move_is_drawn_at_the_start_and_at_the_end(tmp_path: Path) -> None:
    kept, model = Collected(), Classifier()
    model.fc1.requires_grad_(False)
    fit(
        tmp_path, WeightVisualizationCallback(sinks=[kept], max_overhead=None, prefix="net/"), model=model, max_epochs=5
    )
    assert kept.steps("net/weights.heatmap/fc1.weight") == [0, 24]
    assert kept.steps("net/weights.heatmap/fc2.weight") == kept.steps("net/classes/weights") == [0, 4, 9, 14, 19, 24]
    assert kept.steps("net/overview/weights") == [0, 4, 9, 19, 24]
    assert kept.steps("net/weights.histogram/fc1.weight") == [0, 4, 9, 14, 19, 24]
    assert kept.steps("net/weights.evolution/fc1.weight") == [0, 4, 9, 19, 24]


def test_with_little_left_of_the_budget_the_overview_is_drawn_and_what_changed_most(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lightning_weightviz.run.schedule import Schedule

    monkeypatch.setattr(Schedule, "affordable_pictures", lambda self: 0.01)
    kept = Collected()
    fit(tmp_path, WeightVisualizationCallback(sinks=[kept], max_overhead=1.0), max_epochs=4)
    drawn = [
        {one.tag for one in batch.artifacts if isinstance(one, Image) and not one.tag.startswith("overview")}
        for batch in kept.batches
    ]
    assert kept.steps("overview/weights") == [0, 4, 9, 19]
    # One parameter or the classes at each but the first, which is free, and at the end all that is left.
    assert [len({tag.split("/")[-1] for tag in tags if not tag.startswith("classes")}) <= 1 for tags in drawn] == [
        False,
        *[True] * 4,
        False,
    ]
    assert drawn[0] == (drawn[4] | drawn[5]) - {"classes/over_time"} and not drawn[4] & drawn[5]
