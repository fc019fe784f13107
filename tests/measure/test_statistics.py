from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from lightning_weightviz.measure import STATISTICS, Measured, Meter
from lightning_weightviz.measure.device import abilities
from tests.support.oracles import CHANGES, ORACLES, change, hard_tensors, numbers, parameter, rotation

TENSORS = hard_tensors()
TOLERANCE = {"kurtosis": 1e-3, "spectral_norm": 1e-2, "stable_rank": 2e-2}
EXACT = {"min", "max", "absmax", "nan_count", "inf_count", "dead_units"}
CONTRACT = {
    *("mean", "std", "rms", "norm", "min", "max", "absmax", "median", "kurtosis"),
    *("zero_fraction", "nan_count", "inf_count", "dead_units", "stable_rank", "spectral_norm"),
    *("rotation", "relative_change", "update_ratio"),
}


@pytest.fixture(params=["host", "stream"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways through the code: with looks at values, and as on a device that must not be waited for."""
    if request.param == "stream":
        monkeypatch.setattr(abilities, "HOSTS", frozenset())
    return str(request.param)


def measure(*tensors: torch.Tensor) -> Measured:
    parameters = [
        parameter(tensor, str(index), pictured=tensor.numel() < 1 << 20) for index, tensor in enumerate(tensors)
    ]
    return Meter(parameters).measure(tensors).result()


def test_every_statistic_of_the_contract_exists_and_has_an_oracle() -> None:
    assert set(STATISTICS) == CONTRACT
    assert set(STATISTICS) == set(ORACLES) | set(CHANGES)


@pytest.mark.parametrize("name", TENSORS)
def test_statistics_are_those_of_numpy(name: str, way: str) -> None:
    tensor = TENSORS[name]
    found = measure(tensor).measurements["0"].statistics
    values = numbers(tensor)
    spread = np.nanstd(np.where(np.isfinite(values), values, np.nan))
    for statistic, oracle in ORACLES.items():
        with np.errstate(all="ignore"):
            expected = oracle(tensor)
        # A mean and a median have no size of their own: their error is compared with the spread as well.
        beside = spread if statistic in ("mean", "median") else 0.0
        tolerance = 0.0 if statistic in EXACT else TOLERANCE.get(statistic, 2e-5)
        near = math.isclose(found[statistic], expected, rel_tol=tolerance, abs_tol=tolerance * beside)
        assert near or (math.isnan(found[statistic]) and math.isnan(expected)), (statistic, found[statistic], expected)


@pytest.mark.parametrize("name", TENSORS)
def test_what_is_not_asked_for_changes_nothing_else(name: str) -> None:
    tensor = TENSORS[name]
    meter = Meter([parameter(tensor)], statistics=["rms"])
    found = meter.measure([tensor]).result().measurements["w"].statistics
    assert math.isnan(found["spectral_norm"])
    assert math.isnan(found["stable_rank"])
    values = numbers(tensor)
    spread = np.nanstd(np.where(np.isfinite(values), values, np.nan))
    for statistic in set(ORACLES) - {"spectral_norm", "stable_rank", "kurtosis", "median"}:
        with np.errstate(all="ignore"):
            expected = ORACLES[statistic](tensor)
        tolerance = 0.0 if statistic in EXACT else 2e-5
        beside = float(tolerance * spread) if statistic == "mean" else 0.0
        assert found[statistic] == pytest.approx(expected, rel=tolerance, abs=beside, nan_ok=True), statistic


@pytest.mark.parametrize("threads", [1, 3])
def test_any_number_of_threads_finds_the_same(threads: int) -> None:
    tensors = list(TENSORS.values())
    before = torch.get_num_threads()
    expected = measure(*tensors)
    torch.set_num_threads(threads)
    try:
        found = measure(*tensors)
    finally:
        torch.set_num_threads(before)
    for name, one in expected.measurements.items():
        np.testing.assert_array_equal(found.measurements[name].counts.counts, one.counts.counts)
        for statistic in ("mean", "std", "kurtosis", "dead_units"):
            other = found.measurements[name].statistics[statistic]
            assert other == pytest.approx(one.statistics[statistic], rel=1e-9, nan_ok=True), (name, statistic)


def test_totals_are_those_of_one_long_tensor(way: str) -> None:
    tensors = [tensor for name, tensor in TENSORS.items() if "1e" not in name and name != "float64 wide"]
    totals = measure(*tensors).totals
    together = torch.cat([tensor.reshape(-1).double() for tensor in tensors])
    for statistic in ("mean", "std", "rms", "norm", "min", "max", "absmax", "zero_fraction", "nan_count", "inf_count"):
        assert totals[statistic] == pytest.approx(ORACLES[statistic](together), rel=2e-5), statistic
    assert totals["kurtosis"] == pytest.approx(ORACLES["kurtosis"](together), rel=1e-3)
    assert totals["median"] == pytest.approx(ORACLES["median"](together), abs=5e-3)
    assert totals["dead_units"] == sum(ORACLES["dead_units"](tensor) for tensor in tensors if tensor.ndim > 1)
    assert math.isnan(totals["stable_rank"])
    assert math.isnan(totals["spectral_norm"])


def test_counts_go_beyond_what_float32_holds() -> None:
    count = (1 << 24) + 10
    equal = torch.full((count,), 0.1, dtype=torch.bfloat16)
    found = measure(equal).measurements["0"]
    value = float(equal[0])
    assert found.counts.counts.sum() == count
    assert found.statistics["norm"] == pytest.approx(value * math.sqrt(count), rel=1e-9)
    assert found.statistics["std"] == pytest.approx(0.0, abs=1e-9)
    zeros = measure(torch.zeros(count, dtype=torch.bfloat16)).measurements["0"]
    assert zeros.statistics["zero_fraction"] == 1.0
    assert zeros.counts.counts.sum() == count


@pytest.mark.parametrize("shape", [(0,), (0, 4), (4, 0)])
def test_empty_parameters_have_no_values(shape: tuple[int, ...]) -> None:
    beside = torch.ones(3)
    measured = measure(torch.empty(shape), beside)
    found = measured.measurements["0"]
    assert math.isnan(found.statistics["mean"])
    assert found.statistics["nan_count"] == 0
    assert found.counts.counts.tolist() == [0]
    assert np.isnan(found.percentiles).all()
    assert found.picture is None
    assert measured.totals["mean"] == 1.0


def test_nothing_finite_is_said_so(way: str) -> None:
    found = measure(torch.full((200, 100), torch.nan)).measurements["0"]
    assert found.statistics["nan_count"] == 20_000
    assert math.isnan(found.statistics["rms"])
    assert math.isnan(found.statistics["zero_fraction"])
    assert found.counts.counts.sum() == 0


def test_no_parameters_measure_to_nothing() -> None:
    measured = Meter([]).measure([]).result()
    assert measured.measurements == {}
    assert math.isnan(measured.totals["rms"])


def test_changes_are_those_of_numpy() -> None:
    random = torch.Generator().manual_seed(1)
    shapes = [(40, 30), (200,), (3, 8, 5, 5)]
    first = [torch.randn(shape, generator=random) for shape in shapes]
    second = [w + 1e-3 * torch.randn(w.shape, generator=random) for w in first]
    third = [w + 1e-2 * torch.randn(w.shape, generator=random) for w in second]
    stepped = [w + 1e-4 * torch.randn(w.shape, generator=random) for w in third]
    meter = Meter([parameter(tensor, str(index)) for index, tensor in enumerate(first)])
    start = meter.measure(first).result()
    assert start.totals["rotation"] == 0.0
    assert math.isnan(start.totals["relative_change"])
    meter.measure(second).result()
    meter.before_step([third[2], third[0]], [2, 0])
    meter.after_step([stepped[2], stepped[0]], [2, 0])
    measured = meter.measure(third).result()
    for index, (w0, w1, w2, after) in enumerate(zip(first, second, third, stepped, strict=True)):
        found = measured.measurements[str(index)]
        assert found.statistics["rotation"] == pytest.approx(rotation(numbers(w2), numbers(w0)), rel=2e-5)
        assert found.statistics["relative_change"] == pytest.approx(change(numbers(w2), numbers(w1)), rel=2e-5)
        assert found.moved == pytest.approx(change(numbers(w2), numbers(w0)), rel=2e-5)
        expected = math.nan if index == 1 else change(numbers(after), numbers(w2))
        assert found.statistics["update_ratio"] == pytest.approx(expected, rel=2e-5, nan_ok=True)
    whole = [np.concatenate([numbers(w).ravel() for w in ws]) for ws in (first, second, third)]
    assert measured.totals["rotation"] == pytest.approx(rotation(whole[2], whole[0]), rel=2e-5)
    assert measured.totals["relative_change"] == pytest.approx(change(whole[2], whole[1]), rel=2e-5)
    after_it = meter.measure(third).result()
    assert math.isnan(after_it.totals["update_ratio"])
    assert after_it.totals["relative_change"] == 0.0


def test_a_rotation_of_a_millionth_is_seen() -> None:
    random = torch.Generator().manual_seed(2)
    w = torch.randn(5000, generator=random)
    turned = w + 1e-6 * torch.randn(5000, generator=random)
    meter = Meter([parameter(w)])
    meter.measure([w])
    found = meter.measure([turned]).result().totals["rotation"]
    assert found == pytest.approx(rotation(numbers(turned), numbers(w)), rel=1e-4)
    assert 1e-13 < found < 1e-12


def test_a_step_from_zero_has_no_ratio_and_one_without_before_is_ignored() -> None:
    bias = torch.zeros(5)
    meter = Meter([parameter(bias)])
    meter.before_step([bias], [0])
    meter.after_step([bias + 1], [0])
    assert math.isnan(meter.measure([bias]).result().totals["update_ratio"])
    meter.after_step([bias + 1], [0])
    assert math.isnan(meter.measure([bias + 1]).result().totals["update_ratio"])


def test_subsets_tell_the_change_within_their_standard_error() -> None:
    random = torch.Generator().manual_seed(3)
    first = [torch.randn(600, 600, generator=random) for _ in range(4)]
    second = [w + 0.1 * torch.randn(w.shape, generator=random) for w in first]
    meter = Meter([parameter(tensor, str(index)) for index, tensor in enumerate(first)])
    meter.measure(first)
    measured = meter.measure(second).result()
    for index, (w0, w1) in enumerate(zip(first, second, strict=True)):
        found = measured.measurements[str(index)].statistics["relative_change"]
        assert found == pytest.approx(change(numbers(w1), numbers(w0)), rel=0.03)
