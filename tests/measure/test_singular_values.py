"""All singular values, against numpy's in float64."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
import torch

from lightning_weightviz.measure import Meter
from lightning_weightviz.measure.device import abilities, group, singular_values
from lightning_weightviz.measure.spread_meter import SpreadMeter
from lightning_weightviz.snapshot import Spectrum
from tests.measure.test_meter import NoLook
from tests.support.oracles import effective_rank, numbers, outlier_directions, parameter
from tests.support.spread import cut, measure


@pytest.fixture(params=["host", "stream"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways through the code: with looks at values, and as on a device that must not be waited for."""
    if request.param == "stream":
        monkeypatch.setattr(abilities, "HOSTS", frozenset())
    return str(request.param)


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def planted(rows: int, columns: int, *strengths: float) -> torch.Tensor:
    """Noise of std 1 and directions of these multiples of its edge."""
    left, _ = torch.linalg.qr(normal(rows, len(strengths), seed=1))
    right, _ = torch.linalg.qr(normal(columns, len(strengths), seed=2))
    edge = math.sqrt(rows) + math.sqrt(columns)
    learned: torch.Tensor = left @ torch.diag(edge * torch.tensor(strengths)) @ right.T
    return normal(rows, columns) + learned


def spectrum(tensor: torch.Tensor, stacked: int = 1) -> Spectrum:
    meter = Meter([replace(parameter(tensor), stacked=stacked)], statistics=[])
    found = meter.measure([tensor], spectra=True).result().measurements["w"].spectrum
    assert found is not None
    return found


def expected(tensor: torch.Tensor) -> npt.NDArray[np.float64]:
    return np.linalg.svd(numbers(tensor).reshape(len(tensor), -1), compute_uv=False).astype(np.float64)


TENSORS = {
    "square": normal(120, 120),
    "wide": normal(50, 400),
    "tall": normal(400, 50),
    "one row": normal(1, 70),
    "one column": normal(70, 1),
    "one value": torch.tensor([[-2.5]]),
    "convolution": normal(24, 16, 3, 3),
    "channels last": normal(24, 16, 3, 3).to(memory_format=torch.channels_last),
    "strided": normal(200, 100)[::2, 1::3],
    "half": normal(60, 40).half(),
    "bfloat16": normal(60, 40).bfloat16(),
    "float64": normal(60, 40).double() * 1e60,
    "tiny": 1e-35 * normal(60, 40),
    "huge": 1e35 * normal(60, 40),
    "far from 0": 100 + normal(60, 40),
    "rank 1": normal(150, 1) @ normal(1, 90, seed=1),
    "zeros": torch.zeros(30, 20),
}


@pytest.mark.parametrize("name", TENSORS)
def test_all_values_are_those_of_numpy(name: str, way: str) -> None:
    tensor = TENSORS[name]
    found, values = spectrum(tensor), expected(tensor)
    assert found.complete and found.values.shape == (1, len(values))
    assert found.values[0] == pytest.approx(values, rel=1e-6, abs=1e-6 * values[0])
    rows, columns = len(tensor), tensor[0].numel()
    assert found.shape == (rows, columns)
    edge = numbers(tensor).std() * (math.sqrt(rows) + math.sqrt(columns))
    assert found.edges[0] == pytest.approx(edge, rel=1e-6)


def test_values_of_next_to_nothing_are_0(way: str) -> None:
    """Else rounding errors of a thousand values would be counted among the directions."""
    found = spectrum(TENSORS["rank 1"])
    assert (found.values[0, 1:] < 1e-6 * found.values[0, 0]).all()
    assert found.effective_rank == pytest.approx(1.0, abs=1e-3)


def test_planted_directions_are_counted(way: str) -> None:
    tensor = planted(200, 300, 3.0, 2.5, 2.0, 1.8)
    found = Meter([parameter(tensor)]).measure([tensor]).result()
    statistics = found.measurements["w"].statistics
    assert statistics["outlier_directions"] == outlier_directions(tensor) == 4
    assert statistics["effective_rank"] == pytest.approx(effective_rank(tensor), rel=1e-6)
    assert found.totals["outlier_directions"] == 4
    assert math.isnan(found.totals["effective_rank"])


@pytest.mark.parametrize("broken", [math.nan, math.inf, -math.inf])
def test_a_matrix_that_is_not_finite_has_none(broken: float, way: str) -> None:
    tensor = normal(40, 30)
    tensor[3, 4] = broken
    found = spectrum(tensor)
    assert np.isnan(found.values).all() and not found.known.any()
    statistics = Meter([parameter(tensor)]).measure([tensor]).result().measurements["w"].statistics
    assert math.isnan(statistics["outlier_directions"]) and math.isnan(statistics["effective_rank"])


def test_of_stacked_matrices_each_has_its_own(way: str) -> None:
    stacked = torch.stack([planted(40, 60, 4.0), 1e-3 * normal(40, 60), normal(40, 60), planted(40, 60, 3.0, 2.0)])
    stacked[2, 1, 1] = math.nan
    found = spectrum(stacked, stacked=4)
    assert found.known.tolist() == [True, True, False, True]
    for index in (0, 1, 3):
        assert found.values[index] == pytest.approx(expected(stacked[index]), rel=1e-6)
        assert found.outliers[index] == outlier_directions(stacked[index])
    described = replace(parameter(stacked), stacked=4)
    statistics = Meter([described]).measure([stacked]).result().measurements["w"].statistics
    assert statistics["outlier_directions"] == sum(outlier_directions(stacked[index]) for index in (0, 1, 3))
    ranks = [effective_rank(stacked[index]) for index in (0, 1, 3)]
    assert statistics["effective_rank"] == pytest.approx(np.mean(ranks), rel=1e-6)


def test_of_large_matrices_the_largest_are_found(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(singular_values, "EXACT", 100)
    tensor = planted(300, 400, 5.0, 4.0, 3.0, 2.0, 1.5)
    found, values = spectrum(tensor), expected(tensor)
    assert not found.complete and found.values.shape == (1, singular_values.STEPS)
    assert found.values[0, :5] == pytest.approx(values[:5], rel=1e-4)
    assert (found.values[0] <= values[: singular_values.STEPS] * (1 + 1e-5)).all()
    assert found.outliers[0] == outlier_directions(tensor)
    assert math.isnan(found.effective_rank)
    broken = tensor.clone()
    broken[0, 0] = math.nan
    assert not spectrum(broken).known.any()


def test_what_a_device_would_send_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group, "MOST_SENT", 50 * 50 + 60 * 60)
    tensors = [normal(50, 80), normal(60, 80), normal(40, 80)]

    def complete() -> list[bool]:
        meter = Meter([parameter(tensor, str(index)) for index, tensor in enumerate(tensors)], statistics=[])
        found = meter.measure(tensors, spectra=True).result().measurements.values()
        return [one.spectrum is not None and one.spectrum.complete for one in found]

    assert complete() == [True, True, True]
    monkeypatch.setattr(abilities, "HOSTS", frozenset())
    assert complete() == [True, True, False]


def test_nothing_waits_for_a_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(abilities, "HOSTS", frozenset())
    monkeypatch.setattr(singular_values, "EXACT", 100)
    tensors = [normal(300, 40), normal(8, 3, 5, 5), normal(200, 150), normal(30, 20).half(), normal(9)]
    meter = Meter([parameter(tensor, str(index)) for index, tensor in enumerate(tensors)], statistics=["unmoved_units"])
    meter.measure(tensors, spectra=True).result()
    with NoLook():
        pending = meter.measure(tensors, spectra=True)
    found = [one.spectrum for one in pending.result().measurements.values()]
    assert [one is not None and one.complete for one in found] == [True, True, False, True, False]


def test_they_are_measured_only_when_asked_for(way: str) -> None:
    tensors = [normal(40, 30), normal(30), torch.empty(0, 5), normal(20, 10)]
    parameters = [parameter(tensor, str(index), pictured=index < 3) for index, tensor in enumerate(tensors)]

    def seen(meter: Meter, *, spectra: bool) -> list[bool]:
        found = meter.measure(tensors, spectra=spectra).result().measurements.values()
        return [one.spectrum is not None for one in found]

    meter = Meter(parameters, statistics=["rms"])
    assert seen(meter, spectra=False) == [False, False, False, False]
    assert seen(meter, spectra=True) == [True, False, False, False]
    assert seen(Meter(parameters, statistics=["outlier_directions"]), spectra=False) == [True, False, False, True]


def test_those_of_the_last_values_may_be_asked_for_later(way: str) -> None:
    tensors = [planted(40, 30, 4.0), normal(30), normal(20, 10)]
    tensors[2][0, 0] = math.nan
    meter = Meter([parameter(tensor, str(index)) for index, tensor in enumerate(tensors)], statistics=[])
    meter.measure(tensors).result()
    found = meter.spectra_of_last(tensors)
    assert found.keys() == {"0", "2"}
    assert found["0"].values[0] == pytest.approx(expected(tensors[0]), rel=1e-6)
    assert not found["2"].known.any()
    changed = [tensors[0] + 0.01, *tensors[1:]]
    assert meter.spectra_of_last(changed) == {}
    assert meter.measure(tensors).result().measurements["0"].statistics["relative_change"] == 0.0


def test_small_parameters_that_are_spread_have_theirs() -> None:
    """Large ones that go by parts have none."""
    small, large = planted(30, 20, 4.0), normal(400, 300)
    parameters = [parameter(small, "small"), parameter(large, "large")]
    of_each = [cut(w, one, 2, "rows") for w, one in zip((small, large), parameters, strict=True)]
    meters = [SpreadMeter(parameters, statistics=[]) for _ in range(2)]
    found = measure(meters, list(zip(*of_each, strict=True)), spectra=True)
    assert [one.measurements["large"].spectrum for one in found] == [None, None]
    for one in found:
        known = one.measurements["small"].spectrum
        assert known is not None and known.values[0] == pytest.approx(expected(small), rel=1e-6)


def test_chance_is_what_random_matrices_reach() -> None:
    """One of a thousand is beyond it: of 300 at most two."""
    random = np.random.default_rng(0)
    for shape in ((64, 128), (16, 16), (10, 300)):
        beyond = 0
        for _ in range(300):
            values = random.standard_normal(shape)
            edge = values.std() * (math.sqrt(shape[0]) + math.sqrt(shape[1]))
            factor = Spectrum(np.zeros((1, min(shape))), np.ones(1), shape, complete=True).chance
            beyond += np.linalg.svd(values, compute_uv=False)[0] > edge * factor
        assert beyond <= 2
