"""The recipes of docs/architecture.md run as they stand there, from outside the package, and what they add arrives."""

from __future__ import annotations

import io
import math
import re
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch.loggers.logger import Logger
from PIL import Image

from lightning_weightviz import WeightVisualizationCallback, sinks
from lightning_weightviz.findings import RULES
from lightning_weightviz.measure.statistics import STATISTICS
from lightning_weightviz.registry import Registry
from lightning_weightviz.settings import DEFAULT_STATISTICS, DEFAULT_VIEWS
from lightning_weightviz.sinks import SINKS
from lightning_weightviz.views import VIEWS
from tests.support.training import Classifier, batches, events, steps_of, trainer

ROOT = Path(__file__).parent.parent.parent
SECTIONS = (ROOT / "docs" / "architecture.md").read_text().split("\n### Add a ")[1:]
# What is added, and the code that adds it.
RECIPES = {
    section.split("\n")[0]: code
    for section in SECTIONS
    for code in re.findall(r"^```python\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
}
REGISTRIES: tuple[Registry[Any], ...] = (VIEWS, STATISTICS, RULES, SINKS)


@pytest.fixture(autouse=True)
def _restored(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Takes out again what a recipe has registered."""
    for registry in REGISTRIES:
        # Reading it discovers the package's own members first.
        monkeypatch.setattr(registry, "_members", dict(registry))
        monkeypatch.setattr(registry, "_origins", dict(registry._origins))
    monkeypatch.setattr(sinks, "_THIRD_PARTY", dict(sinks._THIRD_PARTY))
    before = [set(registry) for registry in REGISTRIES]
    yield
    monkeypatch.undo()
    for registry, names in zip(REGISTRIES, before, strict=True):
        assert set(registry) == names


def follow(recipe: str) -> dict[str, Any]:
    """Runs the code of a recipe as a user's program would, and returns what it defines."""
    program: dict[str, Any] = {"__name__": "users_program"}
    exec(RECIPES[recipe], program)
    return program


def fit(folder: Path, model: Classifier | None = None, logger: Logger | None = None, **arguments: Any) -> Classifier:
    """Trains for three epochs of five batches, as a user who has followed a recipe."""
    model = Classifier() if model is None else model
    callback = WeightVisualizationCallback(**arguments)
    trainer(folder, callback, **({} if logger is None else {"logger": logger})).fit(model, batches())
    return model


class BoardLogger(Logger):
    """A third party's logger, which has a place for numbers and one for pictures."""

    def __init__(self) -> None:
        super().__init__()
        self.scalars: dict[tuple[str, int | None], float] = {}
        self.pictures: dict[tuple[str, int], bytes] = {}

    @property
    def name(self) -> str:
        return "board"

    @property
    def version(self) -> str:
        return "0"

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        self.scalars |= {(name, step): value for name, value in metrics.items()}

    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        pass

    def upload(self, name: str, png: bytes, *, step: int) -> None:
        self.pictures[name, step] = png


def test_there_is_a_recipe_for_each_registry() -> None:
    assert set(RECIPES) == {"view", "statistic", "rule", "sink"}


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_may_be_followed_twice(recipe: str) -> None:
    follow(recipe)
    follow(recipe)


def test_a_view_draws_its_image(tmp_path: Path) -> None:
    assert "gain" not in VIEWS
    follow("view")
    model = fit(tmp_path, views=[*DEFAULT_VIEWS, "gain"], background=False)
    logged = events(tmp_path)
    # The start, and the last step of each epoch.
    assert steps_of(logged, "Images", "overview/gain") == [0, 4, 9, 14]
    shown = logged.Images("overview/gain")[-1]
    with Image.open(io.BytesIO(shown.encoded_image_string)) as picture:
        assert picture.width == 720
        pixels = picture.convert("RGB").load()
        assert pixels is not None
        # The longest line of ink in one row of pixels is the longest bar, of which 688 pixels are a gain of 2.
        longest = max(_longest_run(pixels, picture.width, y) for y in range(picture.height))
    gains = [
        math.sqrt(layer.weight.detach().double().square().mean().item() * layer.in_features)
        for layer in (model.fc1, model.fc2)
    ]
    assert longest == pytest.approx(688 * max(gains) / 2, abs=2)


def _longest_run(pixels: Any, width: int, y: int) -> int:
    ink = "".join("x" if pixels[x, y] == (32, 33, 36) else " " for x in range(width))
    return max(map(len, ink.split()), default=0)


def test_a_statistic_logs_its_scalars(tmp_path: Path) -> None:
    assert "asymmetry" not in STATISTICS
    follow("statistic")
    model = fit(tmp_path, statistics=[*DEFAULT_STATISTICS, "asymmetry"], background=False)
    logged = events(tmp_path)
    for layer in ("fc1", "fc2"):
        tag = f"weights.asymmetry/{layer}.weight"
        assert steps_of(logged, "Scalars", tag) == [0, 4, 9, 14]
        weight = getattr(model, layer).weight.detach().double()
        expected = (weight.mean().abs() / weight.std(correction=0)).item()
        assert logged.Scalars(tag)[-1].value == pytest.approx(expected, rel=1e-4)
    values = torch.cat([parameter.detach().double().flatten() for parameter in model.parameters()])
    total = logged.Scalars("weights.asymmetry/total")[-1].value
    assert total == pytest.approx((values.mean().abs() / values.std(correction=0)).item(), rel=1e-4)


def test_a_rule_counts_and_warns(tmp_path: Path) -> None:
    assert "outlier" not in RULES
    follow("rule")
    model = Classifier()
    with torch.no_grad():
        model.fc1.weight[0, 0] = 50.0
    with pytest.warns(UserWarning) as caught:
        fit(tmp_path, model, background=False)
    found = [str(warning.message) for warning in caught if "alert 'outlier'" in str(warning.message)]
    # As the document quotes it.
    assert found == ["fc1.weight: its largest value is 11 times the usual one (alert 'outlier', epoch 1, step 4)"]
    assert found[0] in (ROOT / "docs" / "architecture.md").read_text()
    logged = events(tmp_path).Scalars("alerts/outlier")
    assert [(event.step, event.value) for event in logged] == [(0, 0.0), (4, 1.0), (9, 1.0), (14, 1.0)]


def test_a_sink_receives_every_batch(tmp_path: Path) -> None:
    follow("sink")
    logger = BoardLogger()
    fit(tmp_path, logger=logger, background=False)
    steps = [0, 4, 9, 14]
    assert [step for name, step in logger.scalars if name == "weights.rms/total"] == steps
    heatmaps = {step: png for (name, step), png in logger.pictures.items() if name == "weights.heatmap/fc1.weight"}
    assert list(heatmaps) == steps
    assert len(set(heatmaps.values())) == len(steps)
    for png in heatmaps.values():
        with Image.open(io.BytesIO(png)) as picture:
            assert picture.size[0] == 720
    # Nothing fell back to files.
    assert not (tmp_path / "weightviz").exists()
