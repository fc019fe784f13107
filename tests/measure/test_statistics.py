from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
import pytest
import torch

from lightning_weightviz.measure import STATISTICS, Measured, Meter
from lightning_weightviz.measure import statistics as package
from lightning_weightviz.measure.device import abilities
from lightning_weightviz.measure.statistics import Compute, Need, Reductions
from tests.support.oracles import CHANGES, ORACLES, change, hard_tensors, numbers, parameter, rotation

TENSORS = hard_tensors()
TOLERANCE = {"kurtosis": 1e-3, "spectral_norm": 1e-2, "stable_rank": 2e-2}
EXACT = {"min", "max", "absmax", "nan_count", "inf_count", "dead_units", "outlier_directions"}
COSTLY = {"spectral_norm", "stable_rank", "effective_rank", "outlier_directions", "kurtosis", "median"}
CONTRACT = {
    *("mean", "std", "rms", "norm", "min", "max", "absmax", "median", "kurtosis"),
    *("zero_fraction", "nan_count", "inf_count", "dead_units", "stable_rank", "spectral_norm"),
    *("rotation", "relative_change", "update_ratio"),
    *("effective_rank", "outlier_directions", "unmoved_units"),
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
    assert set(STATISTICS) >= CONTRACT
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
    for statistic in COSTLY - {"kurtosis", "median"}:
        assert math.isnan(found[statistic])
    values = numbers(tensor)
    spread = np.nanstd(np.where(np.isfinite(values), values, np.nan))
    for statistic in set(ORACLES) - COSTLY:
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


@pytest.fixture
def _registry() -> Iterator[None]:
    """Forgets what a test registers."""
    members, origins = dict(STATISTICS._members), dict(STATISTICS._origins)
    yield
    STATISTICS._members, STATISTICS._origins = members, origins


@pytest.mark.usefixtures("_registry")
def test_a_statistic_that_raises_costs_itself_alone() -> None:
    @package.statistic("faulty")
    def faulty(r: Reductions) -> npt.NDArray[np.float64]:
        raise ZeroDivisionError("of its own")

    @package.statistic("short")
    def short(r: Reductions) -> npt.NDArray[np.float64]:
        return np.zeros(7)

    tensors = [torch.randn(4, 3), torch.randn(5)]
    found = measure(*tensors)
    assert found.errors.keys() == {"faulty", "short"}
    assert isinstance(found.errors["faulty"], ZeroDivisionError)
    for index, tensor in enumerate(tensors):
        values = found.measurements[str(index)].statistics
        assert values.keys() == CONTRACT | {"faulty", "short"}
        assert math.isnan(values["faulty"]) and math.isnan(values["short"])
        assert values["rms"] == pytest.approx(ORACLES["rms"](tensor), rel=1e-5)
    assert math.isnan(found.totals["faulty"])
    assert found.totals["absmax"] == max(float(tensor.abs().max()) for tensor in tensors)


@pytest.mark.usefixtures("_registry")
@pytest.mark.parametrize(
    ("need", "compute", "expected"),
    [
        ("spectrum", lambda r: 2 * r.sigma, lambda w: 2 * ORACLES["spectral_norm"](w)),
        ("fourth", lambda r: r.moments.fourth, lambda w: float(((numbers(w) - numbers(w).mean()) ** 4).sum())),
        ("sort", lambda r: 2 * r.median, lambda w: 2 * float(np.median(numbers(w)))),
    ],
)
def test_a_statistic_from_elsewhere_gets_what_it_needs(
    need: Need, compute: Compute, expected: Callable[[torch.Tensor], float], way: str
) -> None:
    package.statistic("doubled", need)(compute)
    tensor = torch.randn(200, 150, generator=torch.Generator().manual_seed(2))
    found = Meter([parameter(tensor)], statistics=["doubled"]).measure([tensor]).result()
    assert found.errors == {}
    assert found.measurements["w"].statistics["doubled"] == pytest.approx(expected(tensor), rel=1e-2)
    without = Meter([parameter(tensor)], statistics=["rms"]).measure([tensor]).result().measurements["w"].statistics
    if need == "spectrum":
        assert math.isnan(without["doubled"])


def test_a_row_without_a_finite_value_is_not_dead(way: str) -> None:
    tensor = torch.randn(40, 30)
    tensor[3], tensor[4], tensor[5, 1:], tensor[5, 0] = torch.nan, 0.0, 0.0, -torch.inf
    found = measure(tensor).measurements["0"]
    assert found.statistics["dead_units"] == 1.0
    assert found.picture is not None
    assert np.isnan(found.picture.row_norms[[3, 5]]).all() and (found.picture.row_norms[4] == 0).all()
    assert measure(torch.full((40, 30), torch.nan)).measurements["0"].statistics["dead_units"] == 0.0
