"""Measuring while training goes on: the right moment, the right thread, nothing lost, nothing waited for in vain."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import nn
from torch.utils.data import DataLoader
from torch.utils.tensorboard import SummaryWriter

from lightning_weightviz import WeightVisualizationCallback, WeightVisualizer
from lightning_weightviz.measure import Measured, Meter
from lightning_weightviz.model.copies import Copies
from lightning_weightviz.run.deferred import Deferred
from lightning_weightviz.views.support.render import Rendered
from tests.support.training import Classifier, batches, events, trainer


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(40, 30), nn.ReLU(), nn.Linear(30, 5))


def first_weight(model: nn.Module) -> nn.Parameter:
    return next(model.parameters())


def logged(folder: Path, tag: str) -> list[float]:
    return [scalar.value for scalar in events(folder).Scalars(tag)]


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Measuring in the background waits for it."""
    event, result = threading.Event(), Deferred.result

    def wait(pending: Deferred[Any]) -> Any:
        assert event.wait(30)
        return result(pending)

    monkeypatch.setattr(Deferred, "result", wait)
    return event


def test_a_snapshot_holds_the_weights_of_its_moment(tmp_path: Path, gate: threading.Event) -> None:
    model, norms = network(), list[float]()
    weight = first_weight(model)
    visualizer = WeightVisualizer(model, SummaryWriter(str(tmp_path / "run")), statistics=["norm"])
    norms.append(float(np.linalg.norm(weight.detach().numpy().astype(np.float64))))
    visualizer.log(0)
    with torch.no_grad():
        weight.mul_(7)
    gate.set()
    norms.append(7 * norms[0])
    visualizer.log(1)
    with torch.no_grad():
        weight.zero_()
    visualizer.finish()
    visualizer.loggers[0].close()
    assert logged(tmp_path, "weights.norm/0.weight") == pytest.approx(norms, rel=2e-5)


@pytest.mark.parametrize("background", [True, False])
def test_log_does_not_wait_for_the_measurement_in_the_background(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, background: bool
) -> None:
    threads: list[str] = []
    begin = Meter._begin_measuring

    def noted(meter: Meter, *arguments: Any) -> Callable[[], Measured]:
        threads.append(threading.current_thread().name)
        return begin(meter, *arguments)

    monkeypatch.setattr(Meter, "_begin_measuring", noted)
    visualizer = WeightVisualizer(network(), folder=tmp_path, background=background)
    visualizer.log(0)
    visualizer.finish()
    own = threading.current_thread().name
    assert threads == [own] if not background else len(threads) == 1 and own not in threads


def test_more_than_is_copied_is_measured_in_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lightning_weightviz.model.targets.MOST_COPIED", 100)
    made: list[int] = []

    def noted(copies: Copies, tensor: torch.Tensor) -> torch.Tensor:
        made.append(tensor.numel())
        return tensor.clone()

    monkeypatch.setattr(Copies, "of", noted)
    model = network()
    visualizer = WeightVisualizer(model, SummaryWriter(str(tmp_path / "run")), statistics=["norm"])
    norm = float(first_weight(model).detach().double().norm())
    visualizer.log(0)
    with torch.no_grad():
        first_weight(model).zero_()
    visualizer.finish()
    visualizer.loggers[0].close()
    assert made == []
    assert logged(tmp_path, "weights.norm/0.weight") == pytest.approx([norm], rel=2e-5)


def test_a_checkpoint_waits_for_what_is_measured_not_for_what_is_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = threading.Event()

    waited = []

    def draw(visualizer: WeightVisualizer, seen: Any, pictures: bool) -> Rendered | None:
        waited.append(event.wait(30))
        return None

    monkeypatch.setattr(WeightVisualizer, "_draw", draw)
    visualizer = WeightVisualizer(network(), folder=tmp_path)
    visualizer.log(0)
    state = visualizer.state_dict()
    assert not event.is_set()
    event.set()
    visualizer.finish()
    assert waited == [True]
    assert not state["meters"]["weights"]["start"].isnan().any()


def test_an_error_while_measuring_is_told_once_and_training_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(meter: Meter, *arguments: Any) -> Callable[[], Measured]:
        raise RuntimeError("no weights here")

    monkeypatch.setattr(Meter, "_begin_measuring", fail)
    model = Classifier()
    with pytest.warns(UserWarning, match="measuring the weights failed .* no weights here") as told:
        trainer(tmp_path, WeightVisualizationCallback(), max_epochs=3).fit(model, batches())
    assert sum("no weights here" in str(one.message) for one in told) == 1
    assert model.trainer.current_epoch == 3


def test_update_ratio_belongs_to_its_own_snapshot(tmp_path: Path, gate: threading.Event) -> None:
    model = nn.Sequential(nn.Linear(8, 4))
    weight = first_weight(model)
    visualizer = WeightVisualizer(model, SummaryWriter(str(tmp_path / "run")), statistics=["update_ratio"])

    def step(share: float) -> None:
        which = visualizer.before_step(list(model.parameters()))
        with torch.no_grad():
            weight.mul_(1 + share)
        visualizer.after_step(which)

    for number, share in enumerate((0.5, 0.25, 0.125)):
        step(share)
        # The snapshot before is measured only now, after the step that is not its own.
        gate.set()
        visualizer.state_dict()
        gate.clear()
        visualizer.log(number)
    gate.set()
    visualizer.finish()
    visualizer.loggers[0].close()
    assert logged(tmp_path, "weights.update_ratio/0.weight") == pytest.approx([0.5, 0.25, 0.125], rel=2e-5)


def test_updates_are_the_same_with_and_without_a_background(tmp_path: Path) -> None:
    found: list[list[float]] = []
    for background in (True, False):
        model, folder = network(), tmp_path / str(background)
        visualizer = WeightVisualizer(
            model,
            SummaryWriter(str(folder / "run")),
            targets=("weights", "updates"),
            statistics=["norm"],
            background=background,
        )
        for step in range(5):
            visualizer.log(step)
            with torch.no_grad():
                first_weight(model).add_(0.01 * (step + 1))
        visualizer.finish()
        visualizer.loggers[0].close()
        found.append(logged(folder, "updates.norm/0.weight"))
    assert found[0] == found[1]
    assert found[0] == pytest.approx([0.01 * step * 1200**0.5 for step in range(1, 5)], rel=1e-3)


def test_data_may_be_loaded_by_forked_workers_meanwhile(tmp_path: Path) -> None:
    loader = DataLoader(batches().dataset, batch_size=8, num_workers=2, multiprocessing_context="fork")
    callback = WeightVisualizationCallback(max_overhead=None)
    trainer(tmp_path, callback, ModelCheckpoint(tmp_path), max_epochs=4, enable_checkpointing=True).fit(
        Classifier(), loader
    )
    assert len(logged(tmp_path, "weights.rms/total")) == 5


def test_it_works_with_deterministic_algorithms(tmp_path: Path) -> None:
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    try:
        model = network()
        visualizer = WeightVisualizer(
            model,
            SummaryWriter(str(tmp_path / "run")),
            targets=("weights", "updates"),
            views=("heatmap", "statistics", "classes", "drift"),
        )
        visualizer.log(0)
        visualizer.log(1)
        visualizer.finish()
    finally:
        torch.use_deterministic_algorithms(before)
    assert len(logged(tmp_path, "weights.rms/total")) == 2
