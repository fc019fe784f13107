"""How large PyTorch starts weights: against PyTorch's own modules."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from lightning_weightviz.model.selection import Choice, select
from lightning_weightviz.snapshot import Parameter
from lightning_weightviz.views.overview.view import draw_overview
from lightning_weightviz.views.support.default_start import default_rms
from tests.support.scenes import scene
from tests.support.written import listening

KNOWN = [
    (nn.Linear(300, 200), 1), (nn.Conv1d(30, 40, 5), 1), (nn.Conv2d(16, 32, 3), 1), (nn.Conv2d(32, 64, 3, groups=4), 1),
    (nn.Conv3d(4, 16, 3), 1), (nn.ConvTranspose2d(16, 32, 3), 1), (nn.Embedding(300, 40), 1),
    (nn.LSTM(40, 50), 2), (nn.GRU(40, 50, 2, bidirectional=True), 8), (nn.RNN(90, 80), 2), (nn.LSTMCell(40, 50), 2),
    (nn.MultiheadAttention(64, 4), 2), (nn.LayerNorm(5), 0), (nn.Bilinear(9, 9, 9), 0), (nn.PReLU(), 0),
]  # fmt: skip


@pytest.mark.parametrize(("module", "count"), KNOWN, ids=lambda one: type(one).__name__)
def test_it_is_what_pytorch_does(module: nn.Module, count: int) -> None:
    torch.manual_seed(0)
    for one in module.modules():
        reset: Any = getattr(one, "reset_parameters", None)
        if reset is not None:
            reset()
    sites = select(nn.ModuleDict({"m": module}), Choice()).sites
    known = [(site.tensor, rms) for site in sites if (rms := default_rms(site.parameter)) is not None]
    assert len(known) == count
    for tensor, rms in known:
        assert float(tensor.detach().double().square().mean().sqrt()) == pytest.approx(rms, rel=0.03)


@pytest.mark.parametrize(
    "parameter",
    [
        Parameter("dense.kernel", "linear", "Dense", (4, 8), "float32", "matrix", kept_shape=(8, 4)),
        Parameter("e.embeddings", "embedding", "Embedding", (4, 8), "float32", "matrix"),
        Parameter("c.weight", "linear", "Conv1D", (4, 8), "float32", "matrix"),
        Parameter("fc.weight", "linear", "Linear", (0, 8), "float32", "matrix"),
        Parameter("fc.weight", "linear", "Linear", (8, 0), "float32", "matrix"),
        Parameter("fc.bias", "bias", "Linear", (8,), "float32", "vector"),
    ],
)
def test_nothing_is_said_where_it_is_not_known(parameter: Parameter) -> None:
    assert default_rms(parameter) is None


def test_it_stands_beside_the_size_with_a_word_on_other_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    weights = {"fc.weight": torch.zeros(5, 3).numpy(), "fc.bias": torch.zeros(5).numpy()}
    lines = listening(monkeypatch)
    draw_overview(scene(weights), "weights")
    assert "5×3 · default 0.33" in lines and "5" in lines
    assert "He's and Xavier's are just as common" in " ".join(lines)
    lines.clear()
    draw_overview(scene(weights, target="gradients"), "gradients")
    draw_overview(scene({"b": weights["fc.bias"]}), "weights")
    many = {f"{index}.weight": weights["fc.weight"] for index in range(13)}
    draw_overview(scene(many, unpictured=list(many)), "weights")
    assert not any("default" in line for line in lines)
