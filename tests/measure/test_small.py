"""What is done otherwise on the host than where each operation is a launch, part by part, against plain loops."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor, nn

from lightning_weightviz.measure import Meter
from lightning_weightviz.measure.device import abilities
from lightning_weightviz.measure.device.cells import Blocks
from lightning_weightviz.measure.device.scaling import power_above
from lightning_weightviz.measure.device.slots import bucket_counts, count_slots, fold, slots
from lightning_weightviz.measure.device.small_rows import measure_small
from lightning_weightviz.measure.device.subset import Subset
from lightning_weightviz.measure.enqueued import NUMBERS
from lightning_weightviz.settings import DEFAULT_STATISTICS
from lightning_weightviz.snapshot import PERCENTILES
from tests.measure.test_meter import NoLook
from tests.support.oracles import numbers, parameter

HOST = torch.device("cpu")
Floats = npt.NDArray[np.float64]


def random(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


def with_broken(values: Tensor) -> Tensor:
    """A NaN in one cell, both infinities in one other, and one alone."""
    values[0, 0], values[1, 0], values[1, 1], values[2, -1] = math.nan, math.inf, -math.inf, -math.inf
    return values


@pytest.mark.parametrize(
    ("length", "limit", "unit"), [(784, 256, 1), (7, 2, 1), (8, 8, 1), (12, 4, 1), (29, 2, 1), (301 * 3, 256, 3)]
)
def test_cells_of_an_axis_are_reduced_as_by_a_loop(length: int, limit: int, unit: int) -> None:
    values, blocks = with_broken(random(5, length)), Blocks(length, limit, HOST, unit)
    owner = np.arange(length // unit) * blocks.cells // (length // unit)
    members = [numbers(values)[:, np.repeat(owner, unit) == cell] for cell in range(blocks.cells)]
    assert [part.shape[1] for part in members] == np.broadcast_to(blocks.sizes.numpy(), blocks.cells).tolist()
    high, low = blocks.extremes(values, values)
    np.testing.assert_array_equal(high.numpy(), np.stack([part.max(1) for part in members], 1))
    np.testing.assert_array_equal(low.numpy(), np.stack([part.min(1) for part in members], 1))
    other, _ = blocks.extremes(values * 2, values)
    np.testing.assert_array_equal(other.numpy(), 2 * high.numpy())
    with np.errstate(invalid="ignore"):
        expected = np.stack([part.sum(1) for part in members], 1)
    np.testing.assert_allclose(blocks.sum(values).numpy(), expected, rtol=1e-5, atol=1e-5)
    whole = torch.arange(5 * length, dtype=torch.int32).view(5, length)
    sums = blocks.sum(whole)
    assert sums.dtype == torch.int32
    parts = [whole.numpy()[:, np.repeat(owner, unit) == cell].sum(1) for cell in range(blocks.cells)]
    np.testing.assert_array_equal(sums.numpy(), np.stack(parts, 1))


SMALL = {
    "several sizes": [random(640), random(128) + 3, random(10) * 1e-20],
    "one element": [torch.tensor([-2.5])],
    "broken": [torch.tensor([1.0, math.nan, -math.inf, 4.0, 0.0]), torch.tensor([math.inf, 2.0])],
    "nothing finite": [torch.tensor([math.nan, math.inf]), torch.tensor([1.0, 2.0, 3.0])],
    "zeros": [torch.zeros(5), torch.tensor([0.0, -0.0, 1.0])],
    "float64": [random(50).double() * 1e200, random(50).double()],
    "bfloat16": [random(33).bfloat16(), random(40).bfloat16()],
    "columns first": [random(6, 5).T, random(5, 6)],
}


@pytest.mark.parametrize("name", SMALL)
def test_small_tensors_side_by_side_are_each_as_numpy_says(name: str) -> None:
    tensors = SMALL[name]
    found = measure_small(tensors)
    for place, tensor in enumerate(tensors):
        values = numbers(tensor).ravel()
        finite = values[np.isfinite(values)]
        of_row = dict(zip(NUMBERS, found.numbers[place].tolist(), strict=True))
        assert found.finite[place] == of_row["finite"] == len(finite)
        assert of_row["nan"] - found.padding[place] == np.isnan(values).sum()
        assert len(values) + found.padding[place] == max(one.numel() for one in tensors)
        assert int(found.counts[place].sum()) == max(one.numel() for one in tensors)
        if not len(finite):
            assert (of_row["low"], of_row["high"]) == (math.inf, -math.inf)
            assert found.fan[place].isnan().all() and float(found.magnitude[place]) == 0
            continue
        assert (of_row["low"], of_row["high"]) == (finite.min(), finite.max())
        assert float(found.magnitude[place]) == np.abs(finite).max()
        np.testing.assert_allclose(found.fan[place], np.percentile(finite, PERCENTILES), rtol=1e-12)
        scaled = finite * of_row["scale"] - of_row["shift"]
        scale = np.abs(scaled).max()
        for power in (1, 2, 3, 4):
            expected = (scaled**power).sum()
            assert of_row[f"s{power}"] == pytest.approx(expected, rel=1e-5, abs=1e-6 * len(finite) * scale**power)


def test_small_tensors_are_counted_as_large_ones_are() -> None:
    tensor = torch.cat([random(3000), torch.tensor([0.0, math.nan, math.inf])])
    scale = power_above(tensor[tensor.isfinite()].abs().amax())
    expected = count_slots(slots((tensor * scale).unsqueeze(0)))
    assert torch.equal(measure_small([tensor]).counts, expected)


def test_buckets_are_folded_to_the_slots_that_values_are_counted_in() -> None:
    rows = torch.stack([random(5000), 1e-3 * random(5000) + 1, torch.cat([torch.zeros(4999), torch.tensor([-3.0])])])
    buckets = torch.stack([bucket_counts(row.numpy(), np.empty(5000, np.float32)) for row in rows])
    counts, scale = fold(buckets, rows.abs().amax(1))
    assert torch.equal(counts, count_slots(slots(rows * scale.unsqueeze(1))))


@pytest.mark.parametrize("way", ["host", "stream"])
def test_distances_leave_out_what_is_not_finite(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if way == "stream":
        monkeypatch.setattr(abilities, "HOSTS", frozenset())
    sizes = [300, 0, 70]
    subset = Subset(sizes, sizes, HOST)
    now, then, unknown = ([random(size) + shift for size in sizes] for shift in (0.0, 0.5, 1.0))
    now[0][3], now[0][4], then[0][4], then[2][0] = math.inf, math.inf, math.inf, math.nan
    unknown[0][:] = math.nan
    rows = [subset.join(parts) for parts in (now, then, unknown)]
    found = subset.distances(rows[0], rows[1:])
    plain = subset.distances(subset.join([part.nan_to_num(0, 0, 0) for part in now]), [rows[0].nan_to_num(0, 0, 0)])
    np.testing.assert_array_equal(plain[0][:, 0], np.zeros(3))
    for one, before in zip(found, (then, unknown), strict=True):
        for place in range(3):
            here, there = numbers(now[place]), numbers(before[place])
            known = np.isfinite(here) & np.isfinite(there)
            here, there = here[known], there[known]
            expected = [((here - there) ** 2).sum(), (here**2).sum(), (there**2).sum()]
            np.testing.assert_allclose(one[place], expected, rtol=1e-12)


def test_results_share_no_memory_with_the_weights() -> None:
    weight, bias = random(20, 30), random(20)
    before = numbers(weight).copy(), numbers(bias).copy()
    pending = Meter([parameter(weight, "w"), parameter(bias, "b")]).measure([weight, bias])
    weight.fill_(7.0)
    bias.fill_(7.0)
    pictures = [one.picture for one in pending.result().measurements.values()]
    for picture, values in zip(pictures, before, strict=True):
        assert picture is not None
        np.testing.assert_array_equal(picture.extreme, np.float32(values).reshape(picture.extreme.shape))
        for array in (picture.extreme, picture.rms, picture.row_norms):
            # A view would keep all that came with it.
            assert array.base is None


class _Counted(NoLook):
    """Counts, and refuses nothing."""

    REFUSED = ()


def test_a_snapshot_of_a_small_network_takes_few_operations_of_torch() -> None:
    layers = [nn.Linear(784, 128), nn.Linear(128, 64), nn.Linear(64, 10)]
    values = [one.detach() for layer in layers for one in (layer.weight, layer.bias)]
    parameters = [parameter(one, str(place)) for place, one in enumerate(values)]
    meter = Meter(parameters, statistics=DEFAULT_STATISTICS)
    for _ in range(2):
        meter.measure(values).result()
    with _Counted() as seen:
        meter.measure(values).result()
    assert seen.launches <= 200
