from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
import torch

from lightning_weightviz.measure import Meter
from lightning_weightviz.measure.device import abilities, sent_picture
from lightning_weightviz.measure.device.pooling import pool
from lightning_weightviz.snapshot import Layout, Parameter, Picture
from tests.support import scenes
from tests.support.oracles import numbers, parameter

SHAPES = [(1, 1), (3, 5), (8, 8), (16, 24), (17, 29), (9, 8), (100, 7), (7, 100), (1, 50), (31, 1)]


@pytest.fixture(params=["host", "values", "sums", "picture"], autouse=True)
def _way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """All ways through the code: with looks at values, and by what a device sends that must not be waited for."""
    if request.param != "host":
        _sends(request.param, monkeypatch)


def _sends(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(abilities, "HOSTS", frozenset())
    monkeypatch.setattr(sent_picture, "VALUES_SENT", 1 << 40 if what == "values" else 0)
    monkeypatch.setattr(sent_picture, "SUMS_SENT", 1 << 40 if what == "sums" else 0 if what == "picture" else 1 << 19)


def pooled(tensor: torch.Tensor, limit: int = 8) -> Picture:
    layout: Layout = "matrix" if tensor.ndim > 1 else "vector"
    described = Parameter("w", "linear", "Linear", tuple(tensor.shape), "float32", layout)
    picture = Meter([described], image_size=limit).measure([tensor]).result().measurements["w"].picture
    assert picture is not None
    return picture


def extreme_of(block: npt.NDArray[np.float64]) -> float:
    if np.isnan(block).any():
        return float("nan")
    return float(block.max() if block.max() >= -block.min() else block.min())


def assert_pooled(picture: Picture, values: npt.NDArray[np.float64], limit: int = 8) -> None:
    """Compares with a loop over the blocks as the docstring of `Picture` tells them."""
    rows, columns = values.shape
    height, width = min(limit, rows), min(limit, columns)
    assert picture.extreme.shape == picture.rms.shape == (height, width)
    assert picture.shape == (rows, columns)
    of_row, of_column = np.arange(rows) * height // rows, np.arange(columns) * width // columns
    # The norm of what holds a NaN or an infinity is NaN, and left out beside others.
    row_norms, column_norms = (_norms_of_whole(values, axis) for axis in (1, 0))
    for i in range(height):
        norms = row_norms[of_row == i]
        np.testing.assert_allclose(picture.row_norms[i], [np.fmin.reduce(norms), np.fmax.reduce(norms)], rtol=1e-5)
        for j in range(width):
            block = values[of_row == i][:, of_column == j]
            with np.errstate(all="ignore"):
                finite = block[np.isfinite(block)]
                rms = np.sqrt((finite**2).sum() / np.float64(finite.size))
            np.testing.assert_allclose(picture.extreme[i, j], np.float32(extreme_of(block)), rtol=0)
            np.testing.assert_allclose(picture.rms[i, j], rms, rtol=1e-5)
    for j in range(width):
        norms = column_norms[of_column == j]
        np.testing.assert_allclose(picture.column_norms[j], [np.fmin.reduce(norms), np.fmax.reduce(norms)], rtol=1e-5)


def _norms_of_whole(values: npt.NDArray[np.float64], axis: int) -> npt.NDArray[np.float64]:
    finite = np.where(np.isfinite(values), values, 0.0)
    norms: npt.NDArray[np.float64] = np.linalg.norm(finite, axis=axis)
    return np.where(np.isfinite(values).all(axis), norms, np.nan)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("repeat", [1, 40])
def test_blocks_even_and_uneven(shape: tuple[int, int], repeat: int) -> None:
    tensor = torch.randn(shape, generator=torch.Generator().manual_seed(1)).repeat(repeat, 1)
    assert_pooled(pooled(tensor), numbers(tensor))


def test_a_wide_matrix() -> None:
    tensor = torch.randn(64, 3000, generator=torch.Generator().manual_seed(1))
    assert_pooled(pooled(tensor), numbers(tensor))


@pytest.mark.parametrize("rows", [40, 800])
def test_what_is_not_finite_wins_its_block(rows: int) -> None:
    tensor = torch.randn(rows, 33, generator=torch.Generator().manual_seed(2))
    tensor[0, 0], tensor[0, 1], tensor[9, 20], tensor[30, 30] = torch.nan, torch.inf, -torch.inf, torch.inf
    tensor[39, 0], tensor[38, 0] = torch.inf, -torch.inf
    tensor[16:20, 4:8] = torch.nan
    assert_pooled(pooled(tensor), numbers(tensor))


@pytest.mark.parametrize("scale", [1e-30, 1e-12, 1e12, 1e30])
def test_very_small_and_large_weights(scale: float) -> None:
    tensor = scale * torch.randn(500, 44, generator=torch.Generator().manual_seed(3))
    assert_pooled(pooled(tensor), numbers(tensor))


def test_layouts_in_memory_and_dtypes() -> None:
    random = torch.Generator().manual_seed(4)
    convolution = torch.randn(20, 6, 3, 3, generator=random).to(memory_format=torch.channels_last)
    assert_pooled(pooled(convolution), numbers(convolution).reshape(20, 54))
    transposed = torch.randn(300, 200, generator=random).T
    assert_pooled(pooled(transposed), numbers(transposed))
    for dtype in (torch.bfloat16, torch.float16, torch.float64, torch.float8_e4m3fn):
        tensor = torch.randn(200, 150, generator=random).to(dtype)
        assert_pooled(pooled(tensor), numbers(tensor))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.float64])
@pytest.mark.parametrize("shape", [(7, 9), (1, 12), (256, 256), (1, 1)])
def test_a_picture_of_single_values_is_the_same_by_either_way(shape: tuple[int, int], dtype: torch.dtype) -> None:
    values = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64).to(dtype)
    plain = pool(values, (256, 256), None, mean=True)
    scaled = pool(values, (256, 256), torch.tensor(2.0, dtype=torch.float32), mean=True)
    assert plain.arrays.keys() == scaled.arrays.keys()
    for name, found in plain.arrays.items():
        # A root of a square may be an ulp off.
        torch.testing.assert_close(found, scaled.arrays[name], rtol=2e-7 if name == "rms" else 0, atol=0)
    assert torch.equal(plain.columns.squares * 4, scaled.columns.squares)


def test_a_large_float64_stays_finite() -> None:
    tensor = torch.full((4, 4), -1e300, dtype=torch.float64)
    assert np.isfinite(pooled(tensor).extreme).all()


def test_a_vector_is_one_row() -> None:
    vector = torch.randn(100)
    assert_pooled(pooled(vector), numbers(vector)[None])
    assert pooled(torch.tensor(2.5)).extreme.tolist() == [[2.5]]


def test_one_large_weight_in_a_large_matrix_is_seen() -> None:
    tensor = torch.randn(4096, 1024, generator=torch.Generator().manual_seed(6))
    tensor[1234, 987] = -60.0
    picture = pooled(tensor, 256)
    assert picture.extreme[1234 * 256 // 4096, 987 * 256 // 1024] == -60.0
    assert (np.abs(picture.extreme) > 50).sum() == 1


@pytest.mark.parametrize("shape", [(8, 3, 5, 5), (8, 1, 9), (4, 3, 2, 3, 3)])
def test_filters_come_whole(shape: tuple[int, ...]) -> None:
    tensor = torch.randn(shape)
    described = Parameter("w", "conv", "Conv", shape, "float32", "filters")
    picture = Meter([described]).measure([tensor]).result().measurements["w"].picture
    assert picture is not None
    assert picture.filters is not None
    assert picture.filters.ndim == 4
    assert picture.filters.shape[:2] == shape[:2]
    np.testing.assert_array_equal(picture.filters.ravel(), tensor.numpy().ravel())


def assert_like_numpy(parameter: Parameter, tensor: torch.Tensor, limit: int) -> Picture:
    """Compares all maps with those that a scene makes in plain numpy."""
    found = Meter([parameter], image_size=limit, means=True).measure([tensor]).result().measurements["w"].picture
    expected = scenes.picture(parameter, tensor.numpy(), limit)
    assert found is not None
    np.testing.assert_array_equal(found.extreme, expected.extreme)
    assert found.shape == expected.shape
    for name in ("rms", "row_norms", "column_norms", "sums", "positions", "mean"):
        mine, theirs = getattr(found, name), getattr(expected, name)
        assert (mine is None) == (theirs is None), name
        if mine is not None:
            np.testing.assert_allclose(
                mine, theirs, rtol=1e-4, atol=2e-6 * np.nanmax(np.abs(expected.rms)), err_msg=name
            )
    return found


@pytest.mark.parametrize(
    "shape", [(5, 4, 3, 3), (16, 16, 3, 3), (30, 17, 3, 3), (9, 40, 5), (20, 9, 2, 3, 3), (8, 8, 1, 7), (3, 1, 2, 2)]
)
@pytest.mark.parametrize("scale", [1.0, 1e-25])
def test_kernels(shape: tuple[int, ...], scale: float) -> None:
    tensor = scale * torch.randn(shape, generator=torch.Generator().manual_seed(7))
    assert_like_numpy(Parameter("w", "conv", "Conv2d", shape, "float32", "kernels"), tensor, 8)


def test_broken_kernels() -> None:
    tensor = torch.randn(20, 12, 3, 3, generator=torch.Generator().manual_seed(8))
    tensor[3, 4, 1, 1], tensor[7, 7, 0, 0], tensor[8, 11, 2, 2] = torch.nan, torch.inf, -torch.inf
    tensor[10] = 0
    picture = assert_like_numpy(Parameter("w", "conv", "Conv2d", (20, 12, 3, 3), "float32", "kernels"), tensor, 32)
    assert picture.sums is not None and picture.positions is not None
    assert np.isnan(picture.sums[3, 4]) and picture.sums[7, 7] == np.inf and picture.sums[8, 11] == -np.inf
    assert np.isfinite(picture.positions).all() and picture.kernel_norms[10].max() == 0


@pytest.mark.parametrize(("rows", "limit", "cells"), [(96, 32, 32), (96, 40, 40), (1536, 256, 256), (48, 64, 48)])
def test_no_cell_is_of_two_gates(rows: int, limit: int, cells: int) -> None:
    blocks = ("i input", "f forget", "g cell", "o output")
    parameter = Parameter("w", "recurrent", "LSTM", (rows, 6), "float32", "matrix", blocks=blocks)
    tensor = torch.arange(4.0).repeat_interleave(rows // 4)[:, None] * torch.ones(rows, 6)
    picture = assert_like_numpy(parameter, tensor, limit)
    assert picture.extreme[:, 0].tolist() == np.repeat([0.0, 1.0, 2.0, 3.0], cells // 4).tolist()


def test_rows_of_a_first_linear_come_as_pictures() -> None:
    parameter = Parameter("w", "linear", "Linear", (400, 784), "float32", "filters", tile=(1, 28, 28))
    tensor = torch.randn(400, 784)
    picture = Meter([parameter]).measure([tensor]).result().measurements["w"].picture
    assert picture is not None and picture.filters is not None
    np.testing.assert_array_equal(picture.filters, tensor[:167].view(167, 1, 28, 28).numpy())


@pytest.mark.parametrize("padding", [None, 4])
def test_rank_of_an_embedding(padding: int | None) -> None:
    random = torch.Generator().manual_seed(9)
    start = torch.randn(300, 16, generator=random)
    now = start.clone()
    now[4] += 9.0
    for place, row in enumerate((7, 250, 11)):
        now[row] += 1.0 - 0.1 * place
    meter = Meter([Parameter("w", "embedding", "Embedding", (300, 16), "float32", "matrix", padding_index=padding)])
    first = meter.measure([start]).result().measurements["w"].picture
    assert first is not None and first.rank is not None and not len(first.rank.changed)
    picture = meter.measure([now]).result().measurements["w"].picture
    assert picture is not None and picture.rank is not None
    expected = [7, 250, 11] if padding == 4 else [4, 7, 250, 11]
    assert picture.rank.changed.tolist() == expected
    distances = np.linalg.norm((now - start).numpy(), axis=1)[expected]
    np.testing.assert_allclose(picture.rank.changes, distances, rtol=1e-5)
    kept = [row for row in range(300) if row != padding]
    norms = np.sort(np.linalg.norm(now.numpy()[kept], axis=1))[::-1]
    ranks = np.rint(np.linspace(0, len(kept) - 1, 256)).astype(int)
    np.testing.assert_allclose(picture.rank.norms, norms[ranks], rtol=1e-5)
    assert picture.rank.sampled == 1.0


def test_a_large_embedding_is_ranked_on_a_sample() -> None:
    start = torch.randn(5000, 64, generator=torch.Generator().manual_seed(10))
    meter = Meter([Parameter("w", "embedding", "Embedding", (5000, 64), "float32", "matrix")])
    meter.measure([start])
    now = start.clone()
    now[1234] += 1.0
    picture = meter.measure([now]).result().measurements["w"].picture
    assert picture is not None and picture.rank is not None
    assert picture.rank.changed.tolist() == [1234]
    assert picture.rank.sampled == pytest.approx(65536 / (5000 * 64))
    # Thirteen of 64 values, all of which changed alike.
    assert picture.rank.changes[0] == pytest.approx(8.0, rel=0.2)


@pytest.mark.parametrize("kind", ["plain", "broken", "bfloat16", "transposed", "units in columns", "kernels", "vector"])
def test_a_picture_is_the_same_whatever_is_sent_of_it(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shape = {"kernels": (70, 30, 3, 3), "vector": (4000,)}.get(kind, (90, 70))
    values = torch.randn(shape, generator=torch.Generator().manual_seed(5))
    if kind == "broken":
        values[3], values[:, 5], values[40, 40] = torch.nan, torch.inf, -torch.inf
    values = values.bfloat16() if kind == "bfloat16" else values.T if kind == "transposed" else values
    described = replace(parameter(values), units_axis=1 if kind == "units in columns" else 0)
    found = []
    for what in ("values", "sums", "picture"):
        _sends(what, monkeypatch)
        meter = Meter([described], image_size=16, means=True, statistics=("dead_units",))
        found.append(meter.measure([values]).result().measurements["w"])
    for other in found[1:]:
        np.testing.assert_equal(other.statistics, found[0].statistics)
        for name, one in vars(found[0].picture).items():
            np.testing.assert_array_equal(one, getattr(other.picture, name), err_msg=name)


def test_little_is_sent_of_a_picture_with_many_rows_or_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(abilities, "HOSTS", frozenset())
    monkeypatch.setattr(sent_picture, "VALUES_SENT", 1 << 16)
    monkeypatch.setattr(sent_picture, "SUMS_SENT", 1 << 19)
    scale = torch.ones(())
    for shape, kernel in (((50_257, 64), 1), ((1, 1 << 20), 1), ((300, 900), 9), ((256, 256), 1)):
        sent = sent_picture.picture_to_send(torch.zeros(shape), (256, 256), scale, kernel, mean=True)
        cells = min(shape[0], 256) * min(shape[1] // kernel, 256)
        assert sum(one.nbytes for one in sent.tensors.values()) <= 40 * cells + 12 * min(sum(shape), 1 << 19)
