"""Sizes and values at which counts, places or squares leave the range of a narrow dtype."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lightning_weightviz.measure import HeadSource, Meter
from lightning_weightviz.measure.device import abilities, row_sums
from lightning_weightviz.measure.device.cells import Blocks
from lightning_weightviz.measure.device.embedding_rows import rank
from lightning_weightviz.measure.device.subset import Moved, positions
from lightning_weightviz.measure.device.units import row_norms
from lightning_weightviz.snapshot import PERCENTILES, Parameter
from tests.support.oracles import numbers, parameter

MAX = torch.finfo(torch.float32).max


@pytest.fixture(params=["host", "stream"])
def _way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways through the code: with looks at values, and as on a device that must not be waited for."""
    if request.param == "stream":
        monkeypatch.setattr(abilities, "HOSTS", frozenset())


def test_an_embedding_of_twenty_million_rows() -> None:
    rows = 20_000_000
    tensor = torch.ones(rows, 2, dtype=torch.float16)
    tensor[7] = 3.0
    tensor[-1] = 0.0
    described = Parameter("w", "embedding", "Embedding", (rows, 2), "float16", "matrix")
    found = Meter([described], statistics=["dead_units"]).measure([tensor]).result().measurements["w"]
    assert found.statistics["dead_units"] == 1.0
    assert found.counts.counts.sum() == 2 * rows
    assert found.picture is not None and found.picture.rank is not None
    norms = found.picture.rank.norms
    assert (norms[0], norms[-1]) == (pytest.approx(18**0.5), 0.0)
    np.testing.assert_allclose(norms[1:-1], 2**0.5, rtol=1e-6)


@pytest.mark.parametrize("rows", [1, 2, 255, 256, 257, 5000])
def test_ranks_are_those_of_evenly_spread_places(rows: int) -> None:
    values = torch.randperm(rows, generator=torch.Generator().manual_seed(0)).float().unsqueeze(1)
    moved = Moved(torch.zeros(rows), None)
    found = rank(values, None, None, moved)["ordered_norms"].numpy()
    places = np.rint(np.linspace(0, rows - 1, min(rows, 256)))
    np.testing.assert_array_equal(found, (rows - 1 - places).astype(np.float32))


def test_broken_rows_have_no_rank(_way: None) -> None:
    tensor = torch.arange(1.0, 401.0).unsqueeze(1) * torch.ones(400, 2)
    tensor[::2, 1] = torch.nan
    meter = Meter([Parameter("w", "embedding", "Embedding", (400, 2), "float32", "matrix")])
    picture = meter.measure([tensor]).result().measurements["w"].picture
    assert picture is not None and picture.rank is not None
    norms = picture.rank.norms
    assert (norms[0], norms[-1]) == (pytest.approx(400 * 2**0.5), pytest.approx(2 * 2**0.5))
    assert (np.diff(norms) <= 0).all() and len(norms) == 256
    picture = meter.measure([torch.full((400, 2), torch.nan)]).result().measurements["w"].picture
    assert picture is not None and picture.rank is not None and np.isnan(picture.rank.norms).all()


def test_the_norm_of_a_very_long_row_goes_on_growing() -> None:
    columns = (1 << 28) + 3
    norms, whole = row_norms(torch.ones(1).expand(1, columns), None)
    assert whole is None
    assert float(norms[0]) == pytest.approx(columns**0.5, rel=1e-6)


def test_places_of_percentiles_that_float32_rounds_up_are_within_the_values() -> None:
    """As on a device without float64."""
    count = (1 << 24) + 4
    assert float(np.float32(count - 1)) > count - 1
    values = torch.zeros(1, count)
    values[0, 5] = 1.0
    found = row_sums.fan(values, torch.float32)
    assert found[0].tolist() == [0.0] * (len(PERCENTILES) - 1) + [1.0]


@pytest.mark.parametrize("length", [1 << 40, (1 << 40) + 12_345])
def test_cells_of_an_axis_beyond_32_bits(length: int) -> None:
    blocks = Blocks(length, 256, torch.device("meta"))
    assert blocks.most * blocks.cells >= length > (blocks.most - 1) * blocks.cells
    assert blocks._bounds[-1] == length and (np.diff(blocks._bounds) > 0).all()
    assert Blocks(1000, 7, torch.device("meta")).index.dtype == torch.int64
    kept = positions(length, 1 << 16)
    assert kept.max() < length and (np.diff(kept) > 0).all()


@pytest.mark.parametrize("shape", [(6, 4), (300, 4), (8, 300)])
def test_pictures_of_the_largest_floats_stay_finite(shape: tuple[int, int], _way: None) -> None:
    tensor = torch.full(shape, MAX)
    tensor[:, ::2] *= -1
    picture = Meter([parameter(tensor)], image_size=8, means=True).measure([tensor]).result().measurements["w"].picture
    assert picture is not None
    for name in ("extreme", "rms", "row_norms", "column_norms"):
        assert np.isfinite(getattr(picture, name)).all(), name


def test_kernels_and_changes_of_the_largest_floats_stay_finite(_way: None) -> None:
    kernels = torch.full((4, 4, 3, 3), MAX)
    described = Parameter("w", "conv", "Conv2d", (4, 4, 3, 3), "float32", "kernels")
    picture = Meter([described]).measure([kernels]).result().measurements["w"].picture
    assert picture is not None and picture.sums is not None
    assert (picture.sums == MAX).all()
    meter = Meter([Parameter("w", "embedding", "Embedding", (4, 4), "float32", "matrix")])
    meter.measure([torch.full((4, 4), MAX)]).result()
    picture = meter.measure([torch.full((4, 4), -MAX)]).result().measurements["w"].picture
    assert picture is not None and picture.rank is not None
    assert picture.rank.changes.tolist() == [MAX] * 4


@pytest.mark.parametrize(
    ("scale", "dtype"), [(1e37, "float32"), (1e-30, "float32"), (1e200, "float64"), (1e-200, "float64")]
)
def test_a_head_of_any_size(scale: float, dtype: str, _way: None) -> None:
    weight = torch.randn(10, 16, generator=torch.Generator().manual_seed(0)).to(getattr(torch, dtype)) * scale
    source = HeadSource("fc", tuple("abcdefghij"), weight, chain=(("fc", weight),), input_shape=(1, 4, 4))
    found = Meter([]).measure([], [source]).result()
    (rows,), (pending,) = found.heads, found.pairs
    centred = numbers(weight) - numbers(weight).mean(0)
    norms = np.linalg.norm(centred / scale, axis=1)
    np.testing.assert_allclose(rows.norms, norms * scale, rtol=1e-5)
    assert rows.templates is not None
    with np.errstate(over="ignore"):
        expected = np.clip(centred, -MAX, MAX).astype(np.float32)
    np.testing.assert_allclose(rows.templates.reshape(10, 16), expected, rtol=1e-3, atol=1e-5 * min(scale, MAX))
    pairs = pending.result()
    assert pairs is not None
    cosine = (centred / scale) @ (centred / scale).T / np.outer(norms, norms)
    apart = ~np.eye(10, dtype=bool)
    np.testing.assert_allclose(pairs.cosine[apart], cosine[apart], atol=1e-5)
    assert pairs.cosine_spread == pytest.approx(cosine[apart].std(), rel=1e-5)


def test_infinities_of_both_signs_in_one_cell_warn_of_nothing() -> None:
    tensor = torch.randn(40, 33)
    tensor[3, :2] = torch.tensor([torch.inf, -torch.inf])
    picture = Meter([parameter(tensor)], image_size=8, means=True).measure([tensor]).result().measurements["w"].picture
    assert picture is not None and picture.mean is not None
    assert np.isnan(picture.mean[0, 0]) and np.isfinite(picture.mean[1:]).all()
