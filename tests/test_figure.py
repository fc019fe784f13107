"""visualize_weights: the pages of the views in one figure, of modules and of state dicts."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
import torch
import torchvision
from matplotlib import pyplot
from matplotlib.figure import Figure
from PIL import Image as PillowImage
from torch import nn

from lightning_weightviz import visualize_weights
from lightning_weightviz.figure import WeightFigure
from lightning_weightviz.model.selection import select
from lightning_weightviz.model.state_dict import module_of
from tests.support.training import Classifier, batches, trainer


def tags(figure: Figure) -> list[str]:
    return [str(axes.get_label()) for axes in figure.axes]


def mlp() -> nn.Module:
    torch.manual_seed(0)
    modules = {"fc1": nn.Linear(30, 20), "fc2": nn.Linear(20, 10)}
    return nn.ModuleDict(modules)


def pages(figure: Figure) -> list[np.ndarray[Any, Any]]:
    return [np.asarray(axes.images[0].get_array()) for axes in figure.axes]


OLD = tuple(map(int, matplotlib.__version__.split(".")[:2])) < (3, 11)


@pytest.mark.skipif(OLD, reason="matplotlib before 3.11 may draw a page between two pixels")
@pytest.mark.parametrize("layer", ["fc1", "fc2.bias", None, "*.weight"])
def test_a_saved_figure_holds_the_pages_pixel_by_pixel(layer: str | None) -> None:
    figure = visualize_weights(mlp(), layer)
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=figure.dpi)
    saved = np.asarray(PillowImage.open(buffer).convert("RGB"))
    seen = np.zeros(saved.shape[:2], bool)
    for axes, page in zip(figure.axes, pages(figure), strict=True):
        place = axes.get_position()
        left, top = round(place.x0 * saved.shape[1]), round((1 - place.y1) * saved.shape[0])
        np.testing.assert_array_equal(saved[top : top + len(page), left : left + 720], page)
        assert not seen[top : top + len(page), left : left + 720].any()
        seen[top : top + len(page), left : left + 720] = True
    assert (saved[~seen] == 255).all() and saved.shape[1] == (720 if len(figure.axes) == 1 else 1456)


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (None, ["fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"]),
        ("fc1", ["fc1.weight", "fc1.bias"]),
        ("fc2.weight", ["fc2.weight"]),
        ("*.bias", ["fc1.bias", "fc2.bias"]),
    ],
)
def test_a_layer_is_a_name_a_prefix_or_a_glob(layer: str | None, expected: list[str]) -> None:
    assert tags(visualize_weights(mlp(), layer)) == [f"weights.heatmap/{name}" for name in expected]


def test_an_unknown_layer_is_refused_with_the_names_that_exist() -> None:
    with pytest.raises(ValueError, match=r"'fc3'.*fc1\.weight, fc1\.bias, fc2\.weight, fc2\.bias.*Did you mean 'fc"):
        visualize_weights(mlp(), "fc3")
    with pytest.raises(ValueError, match=r"and 42 more"):
        visualize_weights(torchvision.models.resnet18(weights=None), "conv9")


@pytest.mark.parametrize(
    ("model", "arguments", "error", "words"),
    [
        (nn.ReLU(), {}, ValueError, "no parameters"),
        (nn.LazyLinear(3), {}, ValueError, "lazy"),
        (nn.Linear(2, 2, device="meta"), {}, ValueError, "meta"),
        (3, {}, TypeError, "state dict"),
        ("fc1", {}, FileNotFoundError, "no such file"),
        ({"fc1.weight": 3}, {}, TypeError, "fc1.weight"),
        (mlp(), {"layer": 3}, TypeError, "layer"),
        (mlp(), {"views": ["heatmaps"]}, ValueError, "Did you mean 'heatmap'"),
        (mlp(), {"views": ["histogram"]}, ValueError, "cannot be drawn"),
        (mlp(), {"colormap": "rainbows"}, ValueError, "colormap"),
        (mlp(), {"max_layers": -1}, ValueError, "max_layers"),
        (mlp(), {"views": ["classes"], "class_names": ["a"]}, ValueError, "10 rows of 'fc2.weight'"),
        (mlp(), {"exclude": ["*"]}, ValueError, "no parameter is left"),
    ],
)
def test_what_is_wrong_is_named(model: Any, arguments: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        visualize_weights(model, **arguments)


def test_what_is_left_out_is_told() -> None:
    with pytest.warns(UserWarning, match="12 of 62 parameters"):
        figure = visualize_weights(torchvision.models.resnet18(weights=None))
    assert len(figure.axes) == 12 and {"weights.heatmap/conv1.weight", "weights.heatmap/fc.weight"} <= set(tags(figure))


def test_no_picture_tells_a_time() -> None:
    views = ("heatmap", "distribution", "classes", "overview")
    figure = visualize_weights(mlp(), views=views, class_names=[f"class {index}" for index in range(10)])
    assert "classes/cosine" in tags(figure) and "overview/weights" in tags(figure)
    assert all(page.shape[1] == 720 for page in pages(figure))


class Everything(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(20, 8)
        self.conv = nn.Conv2d(3, 8, 3)
        self.deep = nn.Conv1d(8, 16, 3)
        self.norm = nn.BatchNorm2d(8)
        self.attention = nn.MultiheadAttention(8, 2)
        self.lstm, self.gru, self.rnn = nn.LSTM(8, 6, bidirectional=True), nn.GRU(8, 6), nn.RNN(8, 6)
        self.blocks = nn.Sequential(nn.Linear(8, 8), nn.LayerNorm(8))
        self.scale = nn.Parameter(torch.ones(3, 2, 2))
        self.head = nn.Linear(8, 5)


def test_a_state_dict_is_shown_like_its_module() -> None:
    model = Everything()
    expected = {site.parameter.name: site.parameter for site in select(model).sites}
    found = {site.parameter.name: site.parameter for site in select(module_of(model.state_dict())).sites}
    assert list(found) == list(expected)
    for name, parameter in expected.items():
        assert (found[name].kind, found[name].layout, found[name].blocks, found[name].shape) == (
            parameter.kind,
            parameter.layout,
            parameter.blocks,
            parameter.shape,
        ), name
    mine, theirs = visualize_weights(model, "conv"), visualize_weights(model.state_dict(), "conv")
    assert tags(mine) == tags(theirs)
    for page, other in zip(pages(mine), pages(theirs), strict=True):
        np.testing.assert_array_equal(page, other)


def test_a_lightning_checkpoint_and_a_lightning_module(tmp_path: Path) -> None:
    model = Classifier()
    run = trainer(tmp_path, max_epochs=1)
    run.fit(model, batches())
    run.save_checkpoint(tmp_path / "model.ckpt")
    checkpoint = torch.load(tmp_path / "model.ckpt", weights_only=True)
    mine, theirs = visualize_weights(model), visualize_weights(checkpoint)
    assert tags(mine) == tags(theirs) and len(pages(mine)) > 1
    for page, other in zip(pages(mine), pages(theirs), strict=True):
        # The module's class is in the header; all that shows weights is the same.
        np.testing.assert_array_equal(page[100:], other[100:])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64, torch.complex64])
def test_dtypes(dtype: torch.dtype) -> None:
    assert len(visualize_weights(nn.Linear(4, 3, dtype=dtype)).axes) == 2


def test_the_model_and_the_random_state_stay_as_they_are() -> None:
    model = Everything().train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    random, flags = torch.get_rng_state(), [parameter.requires_grad for parameter in model.parameters()]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        visualize_weights(model)
        visualize_weights(model.state_dict())
    assert torch.equal(random, torch.get_rng_state()) and model.training
    assert flags == [parameter.requires_grad for parameter in model.parameters()]
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


def test_pyplot_does_not_know_of_it_and_a_notebook_still_shows_it() -> None:
    figure = visualize_weights(nn.Linear(3, 2), "weight")
    assert isinstance(figure, WeightFigure) and figure._repr_png_()[:4] == b"\x89PNG"
    assert pyplot.get_fignums() == []
