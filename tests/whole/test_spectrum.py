"""Singular values over a whole training: when they are measured, that they are those of numpy, and what is kept."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.tensorboard import SummaryWriter

from lightning_weightviz import WeightVisualizationCallback, WeightVisualizer, visualize_weights
from lightning_weightviz.artifacts import Batch, Image
from lightning_weightviz.measure import Meter
from lightning_weightviz.settings import DEFAULT_VIEWS
from lightning_weightviz.snapshot import Spectrum
from lightning_weightviz.views import Scene
from lightning_weightviz.views.spectrum import draw_spectrum
from tests.support.oracles import effective_rank, numbers, outlier_directions
from tests.support.training import Classifier, batches, events, trainer


class Album:
    """A sink that keeps what it is given."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []

    def write(self, batch: Batch) -> None:
        self.batches.append(batch)

    def flush(self) -> None:
        """Has nothing to write."""

    def steps(self, tag: str) -> list[int]:
        return [batch.step for batch in self.batches for one in batch.artifacts if one.tag == tag]

    def captions(self, tag: str) -> list[str]:
        return [
            one.caption
            for batch in self.batches
            for one in batch.artifacts
            if one.tag == tag and isinstance(one, Image)
        ]


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(40, 30), nn.ReLU(), nn.Linear(30, 20))


def disturb(model: nn.Module) -> None:
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.1)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, Spectrum]]:
    """Step and singular values of each picture of the first layer."""
    seen: list[tuple[int, Spectrum]] = []

    def see(scene: Scene, target: Any, measurement: Any, found: Spectrum) -> Any:
        if target == "weights" and measurement.parameter.name in ("0.weight", "fc1.weight"):
            seen.append((scene.snapshot.step, found))
        return draw_spectrum(scene, target, measurement, found)

    monkeypatch.setattr("lightning_weightviz.views.spectrum.draw_spectrum", see)
    return seen


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether each measurement took the singular values."""
    seen: list[bool] = []
    measure = Meter.measure

    def see(meter: Meter, *args: Any, spectra: bool = False, **kwargs: Any) -> Any:
        seen.append(spectra)
        return measure(meter, *args, spectra=spectra, **kwargs)

    monkeypatch.setattr(Meter, "measure", see)
    return seen


@pytest.mark.parametrize("background", [True, False])
def test_they_are_measured_at_milestones_and_at_the_end(
    background: bool, drawn: list[tuple[int, Spectrum]], measured: list[bool]
) -> None:
    model, album = network(), Album()
    visualizer = WeightVisualizer(model, views=["spectrum"], sinks=[album], background=background, alerts={})
    expected = {}
    for step in range(7):
        expected[step] = np.linalg.svd(numbers(next(model.parameters())), compute_uv=False)
        visualizer.log(step, epoch=step)
        if step < 6:
            disturb(model)
    visualizer.finish()
    assert measured == [True, True, True, False, True, False, False]
    assert album.steps("weights.spectrum/0.weight") == [0, 1, 2, 4, 6]
    assert [step for step, _ in drawn] == [0, 1, 2, 4, 6]
    for step, found in drawn:
        assert found.complete and found.values[0] == pytest.approx(expected[step], rel=1e-5)
    assert album.captions("weights.spectrum/0.weight")[-1].startswith("0.weight, Linear 30×40, epoch 6 · step 6")


def test_weights_that_went_on_are_not_shown_as_the_last_snapshot() -> None:
    model, album = network(), Album()
    visualizer = WeightVisualizer(model, views=["spectrum"], sinks=[album])
    for step in range(4):
        visualizer.log(step)
        disturb(model)
    visualizer.finish()
    assert album.steps("weights.spectrum/0.weight") == [0, 1, 2]


def test_without_the_view_nothing_is_measured(measured: list[bool]) -> None:
    assert "spectrum" not in DEFAULT_VIEWS
    album = Album()
    visualizer = WeightVisualizer(network(), sinks=[album])
    visualizer.log(0)
    visualizer.finish()
    assert measured == [False]
    assert not [one.tag for batch in album.batches for one in batch.artifacts if "spectrum" in one.tag]


def test_all_targets_of_a_training_of_lightning_have_theirs(tmp_path: Path, drawn: list[tuple[int, Spectrum]]) -> None:
    callback = WeightVisualizationCallback(
        views=["spectrum", "statistics"],
        targets=["weights", "gradients", "updates"],
        statistics=["effective_rank", "outlier_directions", "unmoved_units"],
        max_overhead=None,
        on_alert="ignore",
    )
    model = Classifier()
    trainer(tmp_path, callback, max_epochs=5).fit(model, batches())
    written = events(tmp_path)
    images = written.Tags()["images"]
    assert {f"{target}.spectrum/fc1.weight" for target in ("weights", "gradients", "updates")} <= set(images)
    # The start, epochs 1, 2 and 4, and the end.
    assert len(written.Images("weights.spectrum/fc1.weight")) == 5
    ranks = written.Scalars("weights.effective_rank/fc1.weight")
    assert len(ranks) == 6
    assert ranks[-1].value == pytest.approx(effective_rank(model.fc1.weight.detach()), rel=1e-4)
    outliers = written.Scalars("weights.outlier_directions/fc2.weight")
    assert outliers[-1].value == outlier_directions(model.fc2.weight.detach())
    assert [one.value for one in written.Scalars("weights.unmoved_units/total")] == [0.0] * 6
    values = np.linalg.svd(numbers(model.fc1.weight), compute_uv=False)
    assert drawn[-1][1].values[0] == pytest.approx(values, rel=1e-5)


def test_units_that_never_fire_are_counted(tmp_path: Path) -> None:
    """A ReLU with a bias far below 0 passes no gradient on."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 16), nn.ReLU(), nn.Linear(16, 4))
    with torch.no_grad():
        dict(model.named_parameters())["0.bias"][:5] = -100.0
    writer = SummaryWriter(str(tmp_path / "run"))
    visualizer = WeightVisualizer(model, writer, statistics=["unmoved_units"], on_alert="ignore")
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, weight_decay=1e-2)
    visualizer.log(0)
    for _ in range(40):
        loss: torch.Tensor = model(torch.randn(32, 20)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    visualizer.log(40)
    visualizer.finish()
    assert [one.value for one in events(tmp_path).Scalars("weights.unmoved_units/0.weight")] == [0.0, 5.0]
    assert [one.value for one in events(tmp_path).Scalars("weights.unmoved_units/2.weight")] == [0.0, 0.0]


def test_a_resumed_run_goes_on_with_its_lines() -> None:
    model = network()
    visualizer = WeightVisualizer(model, views=["spectrum"], sinks=[Album()])
    for step in range(3):
        visualizer.log(step)
        disturb(model)
    buffer = io.BytesIO()
    torch.save(visualizer.state_dict(), buffer)
    visualizer.finish()
    buffer.seek(0)
    other = WeightVisualizer(model, views=["spectrum"], sinks=[Album()])
    other.load_state_dict(torch.load(buffer, weights_only=True))
    other.log(3)
    other.log(4)
    other.collect(wait=True)
    assert other._last is not None
    points = other._last.scene.memory.spectra["weights/0.weight"]
    assert [point.step for point in points] == [0, 1, 2, 4]


def test_a_figure_shows_it_at_one_moment() -> None:
    figure = visualize_weights(network(), views=["spectrum"])
    assert [axes.get_label() for axes in figure.axes] == ["weights.spectrum/0.weight", "weights.spectrum/2.weight"]
    with pytest.raises(ValueError, match="cannot be drawn"):
        visualize_weights({"bias": torch.ones(3)}, views=["spectrum"])
