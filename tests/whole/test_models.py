"""Networks of many kinds, whole and broken: each is shown without a failure, and none is changed."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from lightning_weightviz import WeightVisualizer
from lightning_weightviz.artifacts import Batch, Image


class Kept:
    """A sink that keeps tags."""

    def __init__(self) -> None:
        self.tags: list[str] = []

    def write(self, batch: Batch) -> None:
        for artifact in batch.artifacts:
            if isinstance(artifact, Image):
                assert artifact.pixels.shape[1:] == (720, 3)
            self.tags.append(artifact.tag)

    def flush(self) -> None:
        pass


def with_parameter(values: torch.Tensor) -> nn.Module:
    module = nn.Module()
    module.register_parameter("w", nn.Parameter(values, requires_grad=values.is_floating_point()))
    return module


def broken() -> nn.Module:
    first, second = nn.Linear(8, 6), nn.Linear(6, 3)
    with torch.no_grad():
        first.weight.fill_(float("nan"))
        second.weight[0, 0] = float("inf")
    return nn.Sequential(first, second)


def huge() -> nn.Module:
    module = nn.Sequential(nn.Conv2d(16, 32, 3, dtype=torch.float64), nn.Linear(300, 300, dtype=torch.float64))
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.mul_(1e200)
    return module


def shared() -> nn.Module:
    layer = nn.Linear(5, 5)
    return nn.Sequential(layer, nn.ReLU(), layer)


MODELS: dict[str, Callable[[], nn.Module]] = {
    "nothing": nn.Identity,
    "one output": lambda: nn.Sequential(nn.Linear(16, 8), nn.Linear(8, 1)),
    "two classes": lambda: nn.Sequential(nn.Linear(16, 8), nn.Linear(8, 2)),
    "1000 classes": lambda: nn.Linear(20, 1000),
    "5000 classes": lambda: nn.Linear(4, 5000),
    "one input": lambda: nn.Linear(1, 1),
    "no bias": lambda: nn.Linear(784, 10, bias=False),
    "convolutions": lambda: nn.Sequential(
        nn.Conv2d(3, 64, 7), nn.Conv2d(64, 64, 3, groups=64), nn.ConvTranspose2d(64, 8, 2), nn.Conv1d(8, 4, 3)
    ),
    "3-D convolution": lambda: nn.Conv3d(1, 4, 3),
    "pointwise head": lambda: nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Conv2d(8, 5, 1)),
    "kernel larger than a tile": lambda: nn.Conv2d(2, 4, (5, 300)),
    "grouped convolution": lambda: nn.Conv3d(8, 4, 3, groups=4),
    "convolution in half": lambda: nn.Conv2d(16, 32, 3).bfloat16(),
    "complex convolution": lambda: nn.Conv2d(4, 8, 3, dtype=torch.complex64),
    "many channels": lambda: nn.Conv2d(600, 300, 3),
    "beyond float32": huge,
    "units on pictures": lambda: nn.Sequential(nn.Linear(784, 300), nn.Linear(300, 10)),
    "units on pictures in half": lambda: nn.Linear(3072, 60).bfloat16(),
    "bilinear": lambda: nn.Bilinear(5, 6, 7),
    "LSTM with projection": lambda: nn.LSTM(300, 400, proj_size=30),
    "attention of several widths": lambda: nn.MultiheadAttention(16, 4, kdim=8, vdim=12),
    "embedding of one": lambda: nn.Embedding(1, 4, padding_idx=0),
    "large embedding": lambda: nn.Embedding(70_000, 8, dtype=torch.bfloat16),
    "LSTM": lambda: nn.LSTM(6, 5, num_layers=2, bidirectional=True),
    "GRU cell": lambda: nn.GRUCell(6, 5),
    "transformer": lambda: nn.TransformerEncoderLayer(16, 4, 32),
    "embedding": lambda: nn.Sequential(nn.Embedding(50, 8, padding_idx=0), nn.Linear(8, 50)),
    "shared layer": shared,
    "weight norm": lambda: torch.nn.utils.parametrizations.weight_norm(nn.Linear(6, 4)),
    "spectral norm": lambda: torch.nn.utils.parametrizations.spectral_norm(nn.Linear(6, 4)),
    "bfloat16": lambda: nn.Linear(16, 8).to(torch.bfloat16),
    "float16": lambda: nn.Linear(16, 8).half(),
    "float64": lambda: nn.Linear(16, 8).double(),
    "fp8": lambda: with_parameter(torch.randn(8, 8).to(torch.float8_e4m3fn)),
    "complex": lambda: with_parameter(torch.randn(4, 4, dtype=torch.complex64)),
    "scalar": lambda: with_parameter(torch.tensor(2.0)),
    "empty": lambda: with_parameter(torch.zeros(0, 4)),
    "one value": lambda: with_parameter(torch.ones(1, 1)),
    "five dimensions": lambda: with_parameter(torch.randn(2, 3, 4, 5, 6)),
    "frozen": lambda: nn.Linear(4, 4).requires_grad_(False),
    "zeros": lambda: with_parameter(torch.zeros(7, 7)),
    "tiny values": lambda: with_parameter(1e-30 * torch.randn(7, 7)),
    "huge values": lambda: with_parameter(3e38 * torch.rand(7, 7)),
    "channels last": lambda: nn.Conv2d(4, 4, 3).to(memory_format=torch.channels_last),
    "transposed": lambda: with_parameter(torch.randn(5, 9).T),
    "broken": broken,
}


@pytest.mark.parametrize("name", MODELS)
def test_every_kind_is_shown_without_a_failure_and_unchanged(name: str) -> None:
    torch.manual_seed(0)
    model = MODELS[name]()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    kept, random_state = Kept(), torch.get_rng_state()
    pictured: dict[str, Any] = {"max_layers": 99, "sinks": [kept]}
    views = (
        "heatmap",
        "histogram",
        "statistics",
        "distribution",
        "evolution",
        "classes",
        "overview",
        "drift",
        "spectrum",
    )
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        visualizer = WeightVisualizer(model, views=views, targets=("weights", "gradients", "updates"), **pictured)
        for step in range(3):
            visualizer.observe_gradients()
            visualizer.log(step, epoch=step, initial=step == 0)
        resumed = WeightVisualizer(model, views=views, **pictured)
        resumed.load_state_dict(visualizer.state_dict())
        resumed.log(3, epoch=3)
        resumed.finish()
        visualizer.finish()
    failures = [str(warning.message) for warning in told if "failed with" in str(warning.message)]
    assert failures == []
    numeric = [str(warning.message) for warning in told if issubclass(warning.category, RuntimeWarning)]
    assert numeric == []
    assert torch.equal(torch.get_rng_state(), random_state)
    for key, value in model.state_dict().items():
        assert torch.equal(_comparable(value), _comparable(before[key])), key
    for key, value in model.named_parameters():
        assert (f"weights.heatmap/{key}" in kept.tags) == (value.numel() > 0)
        finite = value.to(torch.complex128 if value.is_complex() else torch.float64).isfinite().any()
        assert (f"weights.histogram/{key}" in kept.tags) == bool(finite)


def _comparable(value: torch.Tensor) -> torch.Tensor:
    """Without NaN, which equals nothing."""
    return value.double().nan_to_num() if value.is_floating_point() else value
