"""Strips of a loss and an accuracy in the overview."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest

from lightning_weightviz.draw.color import NO_VALUE
from lightning_weightviz.views import Scene
from lightning_weightviz.views.overview.metric_strips import shown
from lightning_weightviz.views.overview.view import draw_overview
from tests.support.pixels import BLACK, normal
from tests.support.scenes import scene
from tests.support.written import listening


def with_metrics(metrics: Mapping[str, Sequence[float]], target: str = "weights") -> Scene:
    sight = scene({"w": normal(3, 3)}, epochs=4, target=target)  # type: ignore[arg-type]
    found = {name: np.array(values, np.float32) for name, values in metrics.items()}
    return replace(sight, memory=replace(sight.memory, metrics=found))


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (["val_loss", "train_loss", "lr", "val_acc", "train_acc"], ["train_loss", "val_acc"]),
        (["loss_step", "loss_epoch"], ["loss_epoch"]),
        (["loss_step"], ["loss_step"]),
        (["val/Loss"], ["val/Loss"]),
        (["MulticlassAccuracy"], ["MulticlassAccuracy"]),
        (["f1", "lr"], []),
    ],
)
def test_the_loss_of_training_and_the_accuracy_of_validation_are_chosen(names: list[str], chosen: list[str]) -> None:
    assert shown({name: np.ones(3, np.float32) for name in names}) == chosen
    assert shown({name: np.full(3, np.nan, np.float32) for name in names}) == []


def test_colours_go_from_its_smallest_to_its_largest_value(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = listening(monkeypatch)
    pixels = draw_overview(with_metrics({"acc": [math.nan, 0.25, 0.5, 1.0, math.inf]}), "weights").raster.pixels
    assert "acc" in lines and "∞" in lines and "dark 0.25 to bright 1" in lines
    dark, bright = (0, 34, 78), (254, 232, 56)
    (row,) = [y for y in range(len(pixels)) if (pixels[y, 700] == BLACK).all() and (pixels[y + 1, 700] != BLACK).any()]
    strip = pixels[row]
    left = next(x for x in range(16, 720) if tuple(strip[x]) == NO_VALUE)
    colors = [tuple(strip[left + (704 - left) * (2 * time + 1) // 10].tolist()) for time in range(5)]
    assert colors[0] == NO_VALUE and colors[1] == dark and colors[3] == bright and colors[4] == BLACK
    assert colors[2] not in (dark, bright)


def test_losses_are_on_a_logarithmic_scale(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = listening(monkeypatch)
    draw_overview(with_metrics({"loss": [10.0, 1.0, 0.1, 0.1, 0.1]}), "weights")
    assert "dark 0.1 to bright 10, log" in lines
    lines.clear()
    draw_overview(with_metrics({"loss": [10.0, 1.0, -0.1, 0.1, 0.1]}), "weights")
    assert "dark −0.1 to bright 10" in lines


@pytest.mark.parametrize(
    "values", [[1.0] * 5, [0.0] * 5, [1e-40, 3e38, 1.0, -3e38, 0.0], [math.inf, 1.0, 1.0, 1.0, 1.0]]
)
@pytest.mark.parametrize("name", ["loss", "acc" * 500, "my\nloss\x07"])
def test_any_value_and_name_is_drawn(values: list[float], name: str) -> None:
    pixels = draw_overview(with_metrics({name: values}), "weights").raster.pixels
    assert (pixels[:, :8] == 255).all() and (pixels[:, 714:] == 255).all()


def test_gradients_have_none(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = listening(monkeypatch)
    draw_overview(with_metrics({"loss": [1.0] * 5}, target="gradients"), "gradients")
    assert "loss" not in lines
