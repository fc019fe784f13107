"""Numbers mean what they say, also where weights are masked, stacked, transposed, frozen or left alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.utils.prune
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from lightning_weightviz import WeightVisualizationCallback
from lightning_weightviz.artifacts import Histogram, Image, Scalar
from lightning_weightviz.model.selection import Choice, select
from lightning_weightviz.visualizer import WeightVisualizer
from tests.test_callback import Chain, Collected, fit
from tests.whole.test_never_stops import told


def shown(model: nn.Module, **arguments: Any) -> Collected:
    kept = Collected()
    visualizer = WeightVisualizer(model, sinks=[kept], **arguments)
    visualizer.log(0)
    visualizer.finish()
    return kept


def values(kept: Collected) -> Mapping[str, float]:
    return {
        artifact.tag: artifact.value
        for batch in kept.batches
        for artifact in batch.artifacts
        if isinstance(artifact, Scalar)
    }


def test_a_pruned_layer_is_shown_as_it_is_used() -> None:
    torch.manual_seed(0)
    layer = nn.Linear(16, 8)
    model = nn.Sequential(layer)
    nn.utils.prune.l1_unstructured(layer, "weight", amount=0.75)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    kept = shown(model)
    used = layer.weight.detach().double().numpy()
    assert values(kept)["weights.zero_fraction/0.weight_orig"] == 0.75
    assert values(kept)["weights.rms/0.weight_orig"] == pytest.approx(np.sqrt((used**2).mean()), rel=1e-6)
    (histogram,) = (
        one
        for one in kept.batches[0].artifacts
        if isinstance(one, Histogram) and one.tag == "weights.histogram/0.weight_orig"
    )
    holding_zero = np.searchsorted(histogram.edges, 0.0, side="right") - 1
    assert histogram.counts[holding_zero] >= 96 and histogram.counts.sum() == 128
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


class Experts(nn.Module):
    """Three experts of 8 inputs and 6 outputs each, one of whose outputs is dead, and one input of which is unused."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.gate_proj = nn.Parameter(torch.randn(3, 8, 6))
        with torch.no_grad():
            self.gate_proj[1, :, 2] = 0
            self.gate_proj[2, 5, :] = 0


def test_experts_are_measured_one_by_one() -> None:
    model = Experts()
    (site,) = select(model).sites
    assert (site.parameter.stacked, site.parameter.units_axis) == (3, 1)
    found = values(shown(model))
    assert found["weights.dead_units/gate_proj"] == 1
    spectra = [np.linalg.svd(one, compute_uv=False) for one in model.gate_proj.detach().double().numpy()]
    largest = max(spectra, key=lambda sigmas: sigmas[0])
    assert found["weights.stable_rank/gate_proj"] == pytest.approx((largest**2).sum() / largest[0] ** 2, rel=0.03)
    (picture,) = (
        one
        for one in shown(model).batches[0].artifacts
        if isinstance(one, Image) and one.tag == "weights.heatmap/gate_proj"
    )
    assert picture.pixels.shape[1] == 720


@pytest.mark.parametrize(
    ("dead", "told"), [(1, []), (2, ["gate_proj: 7 of 18 units have near-zero weights"])], ids=["4 of 18", "7 of 18"]
)
def test_dead_outputs_of_experts_are_a_share_of_those_of_all(dead: int, told: list[str]) -> None:
    model = Experts()
    with torch.no_grad():
        model.gate_proj[:, :, :dead] = 0
    visualizer = WeightVisualizer(model, sinks=[Collected()], on_alert="ignore")
    visualizer.log(0)
    visualizer.log(1)
    visualizer.finish()
    assert [one.message for one in visualizer.findings if one.rule == "dead_units"] == told


class Conv1D(nn.Module):
    """As Hugging Face keeps a Linear: (inputs, outputs)."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(8, 6))


class Keras(nn.Module):
    """The same under the name that Keras gives."""

    def __init__(self) -> None:
        super().__init__()
        self.kernel = nn.Parameter(torch.randn(8, 6))


@pytest.mark.parametrize(
    ("module", "name"),
    [(Conv1D(), "0.weight"), (Keras(), "0.kernel"), (nn.ConvTranspose2d(8, 6, 3, bias=False), "0.weight")],
    ids=["Conv1D", "kernel", "ConvTranspose2d"],
)
def test_dead_units_are_outputs_also_where_these_are_columns(module: nn.Module, name: str) -> None:
    weight = next(module.parameters())
    with torch.no_grad():
        weight[:, 2] = 0
        weight[3] = 0
    assert values(shown(nn.Sequential(module)))[f"weights.dead_units/{name}"] == 1


class Idle(Chain):
    """One layer is in no optimizer, one has no gradient, one is frozen."""

    def __init__(self) -> None:
        super().__init__()
        self.outside, self.unused, self.frozen = nn.Linear(16, 16), nn.Linear(4, 4), nn.Linear(16, 16)
        self.frozen.requires_grad_(False)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        inputs = self.frozen(self.outside(batch[0]))
        return cross_entropy(self.fc2(torch.relu(self.fc1(inputs))), batch[1])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        moved = [*self.fc1.parameters(), *self.fc2.parameters(), *self.unused.parameters()]
        return torch.optim.SGD(moved, lr=0.1)


def test_what_no_optimizer_moves_has_a_ratio_of_0_and_what_has_no_gradient_no_picture(tmp_path: Path) -> None:
    kept = Collected()
    callback = WeightVisualizationCallback(sinks=[kept], targets=("weights", "gradients"), max_layers=99)
    fit(tmp_path, callback, model=Idle())
    assert kept.scalars("weights.update_ratio/outside.weight") == [0.0] * 3
    assert kept.scalars("weights.update_ratio/frozen.weight") == [0.0] * 3
    assert min(kept.scalars("weights.update_ratio/fc1.weight")) > 0
    tags = {artifact.tag for batch in kept.batches for artifact in batch.artifacts}
    for name in ("frozen.weight", "unused.weight"):
        assert f"weights.heatmap/{name}" in tags
        assert not [tag for tag in tags if tag.startswith("gradients") and tag.endswith(name)]
    # Nothing clears the gradient of what is in no optimizer, so it is of no step.
    assert "gradients.heatmap/outside.weight" not in tags
    assert "gradients.heatmap/fc1.weight" in tags and "gradients.zero_fraction/total" in tags
    assert max(kept.scalars("gradients.zero_fraction/total")) < 1


def test_frozen_parameters_are_marked_and_pictured_last() -> None:
    frozen = [nn.Linear(4, 4).requires_grad_(False) for _ in range(20)]
    model = nn.Sequential(*frozen, nn.Linear(4, 4), nn.Linear(4, 3))
    parameters = [site.parameter for site in select(model, Choice(max_layers=3)).sites]
    assert [one.name for one in parameters if one.pictured] == ["0.weight", "20.weight", "21.weight"]
    assert [one.trainable for one in parameters] == [False] * 40 + [True] * 4
    kept = shown(model, max_layers=3)
    captions = {one.tag: one.caption for one in kept.batches[0].artifacts if isinstance(one, Image)}
    assert "frozen" in captions["weights.heatmap/0.weight"]
    assert "frozen" not in captions["weights.heatmap/20.weight"]


def test_large_models_get_few_names_and_say_so_once() -> None:
    model = nn.Sequential(*(nn.Linear(4, 4) for _ in range(40)))
    with told() as texts:
        kept = shown(model, max_layers=5)
    about = [text for text in texts if "more than 24 matrices" in text]
    assert len(about) == 1 and "layers=" in about[0]
    logged = {tag.partition("/")[2] for tag in values(kept) if tag.startswith("weights.rms")}
    assert len(logged) == 6 and "total" in logged
    with told() as texts:
        everything = shown(model, max_layers=5, layers="*")
    assert not [text for text in texts if "matrices" in text]
    assert len([tag for tag in values(everything) if tag.startswith("weights.rms")]) == 81


def test_one_output_takes_two_names(tmp_path: Path) -> None:
    from lightning_weightviz import visualize_weights

    model = nn.Sequential(nn.Linear(8, 4), nn.Linear(4, 1))
    figure = visualize_weights(model, views=["classes"], class_names=["no", "yes"])
    assert [axes.get_label() for axes in figure.axes] == ["classes/weights", "classes/norms"]
    assert visualize_weights(model, views=["heatmap"], class_names=["a", "b", "c"]).axes
