from __future__ import annotations

import numpy as np
import pytest
import torch

from lightning_weightviz.measure import Measured, Meter
from lightning_weightviz.measure.device import abilities
from lightning_weightviz.snapshot import PERCENTILES
from tests.support.oracles import hard_tensors, numbers, parameter

TENSORS = hard_tensors()


@pytest.fixture(params=["host", "stream"], autouse=True)
def _way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways through the code: with looks at values, and as on a device that must not be waited for."""
    if request.param == "stream":
        monkeypatch.setattr(abilities, "HOSTS", frozenset())


def measure(tensor: torch.Tensor) -> Measured:
    return Meter([parameter(tensor, pictured=False)]).measure([tensor]).result()


@pytest.mark.parametrize("name", TENSORS)
def test_counts_at_every_edge_are_exactly_those_of_numpy(name: str) -> None:
    values = numbers(TENSORS[name]).ravel()
    values = np.sort(values[np.isfinite(values)])
    counts = measure(TENSORS[name]).measurements["w"].counts
    assert counts.counts.dtype == np.int64
    assert counts.edges.dtype == np.float64
    assert (np.diff(counts.edges) > 0).all()
    assert len(counts.edges) == len(counts.counts) + 1
    below = np.concatenate([[0], np.cumsum(counts.counts)])
    np.testing.assert_array_equal(below, np.searchsorted(values, counts.edges, side="left"))
    assert (counts.minimum, counts.maximum) == (values[0], values[-1])
    assert counts.total == pytest.approx(values.sum(), rel=1e-6, abs=1e-6 * np.abs(values).sum())
    assert counts.squares == pytest.approx((values**2).sum(), rel=1e-5)


def test_values_on_the_edges_fall_into_the_bin_that_begins_there() -> None:
    edges = torch.tensor([1 + k / 16 for k in range(16)], dtype=torch.float64)
    near = torch.cat([edges, torch.nextafter(edges, torch.tensor(9.0)), torch.nextafter(edges, torch.tensor(0.0))])
    values = torch.cat([near, -near, near / 64, torch.zeros(5, dtype=torch.float64), torch.tensor([-0.0])])
    for tensor in (values, values.repeat(500), values.float(), values.float().repeat(500)):
        counts = measure(tensor).measurements["w"].counts
        below = np.concatenate([[0], np.cumsum(counts.counts)])
        ordered = np.sort(numbers(tensor))
        np.testing.assert_array_equal(below, np.searchsorted(ordered, counts.edges, side="left"))


@pytest.mark.parametrize("name", TENSORS)
def test_percentiles_are_those_of_numpy_within_a_bin(name: str) -> None:
    values = numbers(TENSORS[name]).ravel()
    values = values[np.isfinite(values)]
    found = measure(TENSORS[name]).measurements["w"].percentiles
    expected = np.percentile(values, PERCENTILES)
    assert (found[0], found[-1]) == (values.min(), values.max())
    if values.size < 1 << 14:
        np.testing.assert_allclose(found, expected, rtol=1e-6)
    # A bin is 1/16 of its value, and a quarter more than ten octaves below the largest magnitude.
    np.testing.assert_allclose(found, expected, rtol=1 / 16, atol=np.abs(values).max() * 2.0**-12)


def test_percentiles_of_ordinary_weights_are_close() -> None:
    tensor = torch.randn(200_000, generator=torch.Generator().manual_seed(0))
    found = measure(tensor).measurements["w"].percentiles
    np.testing.assert_allclose(found, np.percentile(numbers(tensor), PERCENTILES), rtol=2e-3, atol=1e-3)


def test_edges_do_not_depend_on_the_values() -> None:
    random = torch.Generator().manual_seed(0)
    first = measure(torch.randn(20_000, generator=random)).measurements["w"].counts
    second = measure(2 * torch.rand(20_000, generator=random)).measurements["w"].counts
    inner = second.edges[(second.edges > 1e-2) & (second.edges < second.maximum)][:-1]
    assert np.isin(inner, first.edges).all()
