"""Stacked matrices, and units that are columns, against numpy."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from lightning_weightviz.measure import Meter
from lightning_weightviz.measure.device import abilities
from lightning_weightviz.model.selection import Choice, select
from lightning_weightviz.snapshot import Measurement, Parameter
from tests.support.oracles import ORACLES, numbers, parameter


@pytest.fixture(params=["host", "stream"], autouse=True)
def _way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways through the code: with looks at values, and as on a device that must not be waited for."""
    if request.param == "stream":
        monkeypatch.setattr(abilities, "HOSTS", frozenset())


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def experts(*shape: int) -> torch.Tensor:
    """Matrices of different sizes, of which one has two dead units where most would be dead beside the others."""
    stacked = normal(*shape) * torch.tensor([1.0, 1e-7, 3.0, 1e-3])[:, None, None]
    stacked[1, 3], stacked[2, 5], stacked[1, :, 7], stacked[3, :, 2:4] = 0.0, 0.0, 0.0, 0.0
    return stacked


def measured(
    tensor: torch.Tensor, stacked: int = 1, units_axis: int = 0, pictured: bool = True, snapshots: int = 1
) -> Measurement:
    described = replace(parameter(tensor, pictured=pictured), stacked=stacked, units_axis=units_axis)
    meter = Meter([described], image_size=64)
    for _ in range(snapshots):
        found = meter.measure([tensor]).result().measurements["w"]
    return found


@pytest.mark.parametrize("pictured", [True, False])
@pytest.mark.parametrize("shape", [(4, 24, 10), (4, 10, 24), (4, 80, 110), (4, 110, 80)])
@pytest.mark.parametrize("snapshots", [1, 3])
def test_each_matrix_is_measured_by_itself(shape: tuple[int, ...], pictured: bool, snapshots: int) -> None:
    tensor = experts(*shape)
    matrices = tensor.unbind()
    found = measured(tensor, stacked=4, pictured=pictured, snapshots=snapshots).statistics
    assert found["dead_units"] == sum(ORACLES["dead_units"](one) for one in matrices) == 2.0
    assert found["spectral_norm"] == pytest.approx(max(ORACLES["spectral_norm"](one) for one in matrices), rel=1e-2)
    assert found["stable_rank"] == pytest.approx(ORACLES["stable_rank"](matrices[2]), rel=2e-2)
    assert found["rms"] == pytest.approx(ORACLES["rms"](tensor), rel=2e-5)
    columns = measured(tensor, stacked=4, units_axis=1, pictured=pictured).statistics
    assert columns["dead_units"] == sum(ORACLES["dead_units"](one.T) for one in matrices) == 3.0
    assert columns["stable_rank"] == pytest.approx(found["stable_rank"], rel=2e-2)


@pytest.mark.parametrize("scale", [1.0, 1e-30])
def test_a_broken_matrix_leaves_the_others(scale: float) -> None:
    tensor = scale * experts(4, 24, 10)
    tensor[0] = torch.nan
    tensor[2, 1, 1] = torch.inf
    found = measured(tensor, stacked=4).statistics
    assert found["dead_units"] == sum(ORACLES["dead_units"](one) for one in tensor.unbind()) == 2.0
    assert found["stable_rank"] == pytest.approx(ORACLES["stable_rank"](tensor[2]), rel=2e-2)
    assert found["spectral_norm"] == pytest.approx(ORACLES["spectral_norm"](tensor[2]), rel=1e-2)


def test_layouts_in_memory_and_several_axes_of_matrices() -> None:
    tensor = experts(4, 24, 10)
    expected = measured(tensor, stacked=4).statistics
    turned = tensor.transpose(1, 2).contiguous().transpose(1, 2)
    several = tensor.view(2, 2, 24, 10)
    for other in (turned, several, several.unsqueeze(0)):
        found = measured(other, stacked=4)
        assert found.picture is not None and found.picture.shape == (96, 10)
        for name in ("dead_units", "stable_rank", "spectral_norm"):
            assert found.statistics[name] == pytest.approx(expected[name], rel=1e-2)


def test_the_picture_holds_one_matrix_below_the_other() -> None:
    tensor = torch.arange(4.0)[:, None, None] + torch.ones(4, 24, 10)
    picture = measured(tensor, stacked=4).picture
    assert picture is not None
    # No cell is of two matrices.
    assert picture.extreme[:, 0].tolist() == np.repeat([1.0, 2.0, 3.0, 4.0], 16).tolist()
    whole = measured(tensor[:, :8], stacked=4).picture
    assert whole is not None
    np.testing.assert_array_equal(whole.extreme, tensor[:, :8].reshape(32, 10))
    many = Parameter("w", "linear", "", (300, 2, 3), "float32", "matrix", stacked=300)
    assert many.cells(256, 256) == (256, 3)


@pytest.mark.parametrize("pictured", [True, False])
@pytest.mark.parametrize("shape", [(30, 12), (500, 60), (30, 12, 3, 3), (300, 20, 4, 4)])
@pytest.mark.parametrize("scale", [1.0, 1e-30])
def test_units_are_columns(shape: tuple[int, ...], pictured: bool, scale: float) -> None:
    tensor = scale * normal(*shape)
    tensor[:, [2, 7]] = 0.0
    tensor[:, 9] *= 1e-8
    assert measured(tensor, units_axis=1, pictured=pictured).statistics["dead_units"] == 3.0
    assert measured(tensor, pictured=pictured).statistics["dead_units"] == 0.0
    tensor[4, 2], tensor[:, 7] = torch.nan, torch.inf
    found = measured(tensor, units_axis=1, pictured=pictured).statistics["dead_units"]
    assert found == ORACLES["dead_units"](tensor.transpose(0, 1)) == 1.0


@pytest.mark.parametrize("layout", ["kernels", "filters"])
def test_units_of_a_transposed_convolution(layout: str) -> None:
    tensor = normal(30, 3, 3, 3).to(memory_format=torch.channels_last)
    tensor[:, 1] = 0.0
    described = Parameter("w", "conv", "", (30, 3, 3, 3), "float32", layout, units_axis=1)  # type: ignore[arg-type]
    assert Meter([described]).measure([tensor]).result().measurements["w"].statistics["dead_units"] == 1.0
    assert described.units == 3


GROUPED = [(nn.ConvTranspose2d, 8, 8, 4), (nn.ConvTranspose2d, 12, 6, 2), (nn.ConvTranspose1d, 6, 6, 6)]


@pytest.mark.parametrize("pictured", [True, False])
@pytest.mark.parametrize(("kind", "inputs", "outputs", "groups"), GROUPED)
def test_units_of_a_grouped_transposed_convolution_are_its_outputs(
    kind: Any, inputs: int, outputs: int, groups: int, pictured: bool
) -> None:
    torch.manual_seed(0)
    layer = kind(inputs, outputs, 3, groups=groups, bias=False)
    kernels = layer.weight.detach()
    # Output 2 is the one that its group's inputs make: nothing of it comes out.
    of_each = outputs // groups
    group, column = divmod(2, of_each)
    height = inputs // groups
    kernels[group * height : (group + 1) * height, column] = 0.0
    ones = torch.ones(1, inputs, *(5 for _ in layer.kernel_size))
    assert layer(ones)[0].flatten(1).norm(dim=1).eq(0).tolist() == [index == 2 for index in range(outputs)]
    (site,) = select(layer, Choice(max_layers=int(pictured)), guess=False).sites
    assert (site.parameter.units, site.parameter.pictured) == (outputs, pictured)
    found = Meter([site.parameter]).measure([kernels]).result().measurements["weight"]
    assert found.statistics["dead_units"] == 1.0


def test_the_state_of_stacked_matrices_goes_on() -> None:
    tensor = experts(4, 110, 80)
    described = replace(parameter(tensor), stacked=4)
    first = Meter([described])
    first.measure([tensor]).result()
    state = first.state_dict()
    assert state["vector_sizes"] == [4 * 80]
    second = Meter([described])
    second.load_state_dict(state)
    found = second.measure([tensor]).result().measurements["w"].statistics
    assert found["spectral_norm"] == pytest.approx(ORACLES["spectral_norm"](tensor[2]), rel=1e-2)
    other = Meter([parameter(tensor.reshape(440, 80))])
    other.load_state_dict(state)
    found = other.measure([tensor.reshape(440, 80)]).result().measurements["w"].statistics
    assert found["spectral_norm"] == pytest.approx(float(np.linalg.norm(numbers(tensor).reshape(440, 80), 2)), rel=1e-2)
