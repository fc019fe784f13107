from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lightning_weightviz.artifacts import Histogram
from lightning_weightviz.snapshot import Counts
from lightning_weightviz.views.histogram import histogram, merge
from tests.support.scenes import scene

Array = np.ndarray[Any, Any]
R = np.random.default_rng(3)
VALUES: dict[str, Array] = {
    "normal": R.standard_normal(5000),
    "around one": 1 + 1e-4 * R.standard_normal(3000),
    "heavy tails": R.standard_t(2, 4000),
    "pruned": np.where(R.random(5000) < 0.997, 0.0, R.standard_normal(5000)),
    "positive": R.random(500) + 1e-3,
    "negative": -R.random(500) - 1e-3,
    "two values": np.array([-1.0, 1.0]),
    "powers of two": 2.0 ** np.arange(-10, 11),
    "constant": np.full(100, 0.3),
    "zeros": np.zeros(64),
    "one element": np.array([-7.5]),
    "tiny": 1e-9 * R.standard_normal(1000),
    "huge": 1e9 * R.standard_normal(1000),
    "not all finite": np.array([np.nan, 1.0, np.inf, -np.inf, 2.0]),
}


def the_histogram(values: Array, bins: int = 64) -> Histogram:
    (made,) = histogram(scene({"w": values}, bins=bins))
    assert isinstance(made, Histogram)
    return made


@pytest.mark.parametrize("bins", [1, 2, 7, 64, 512])
@pytest.mark.parametrize("name", VALUES)
class TestMerged:
    def test_counts_are_exact_at_every_edge(self, name: str, bins: int) -> None:
        finite = VALUES[name][np.isfinite(VALUES[name])]
        made = the_histogram(VALUES[name], bins)
        below = [int((finite < edge).sum()) for edge in made.edges[:-1]] + [finite.size]
        assert below[0] == 0
        assert np.diff(below).tolist() == made.counts.tolist()

    def test_form(self, name: str, bins: int) -> None:
        finite = VALUES[name][np.isfinite(VALUES[name])]
        made = the_histogram(VALUES[name], bins)
        assert 1 <= len(made.counts) <= bins
        assert len(made.edges) == len(made.counts) + 1
        assert (np.diff(made.edges) > 0).all()
        assert made.counts.dtype == np.int64 and made.edges.dtype == np.float64
        assert made.edges[0] <= made.minimum == finite.min()
        assert made.edges[-1] >= made.maximum == finite.max()
        assert made.total == pytest.approx(finite.sum(), rel=1e-9, abs=1e-12)
        assert made.squares == pytest.approx((finite**2).sum(), rel=1e-9)

    def test_edges_are_among_the_fine_ones(self, name: str, bins: int) -> None:
        fine = scene({"w": VALUES[name]}).snapshot.targets["weights"]["w"].counts
        assert set(the_histogram(VALUES[name], bins).edges) <= set(fine.edges)


def test_edges_are_those_nearest_to_a_uniform_grid() -> None:
    edges = np.array([0.0, 0.1, 0.9, 1.05, 1.8, 2.2, 2.9, 4.0])
    counts = Counts(edges, np.arange(1, 8), 0.0, 4.0, 0.0, 0.0)
    made = merge("w", counts, 4)
    assert made.edges.tolist() == [0.0, 1.05, 1.8, 2.9, 4.0]
    assert made.counts.tolist() == [1 + 2 + 3, 4, 5 + 6, 7]


def test_bins_are_of_about_one_width() -> None:
    made = the_histogram(R.standard_normal(20_000), 16)
    widths = np.diff(made.edges)
    assert len(widths) >= 14
    assert widths.max() < 2 * widths.mean()


def test_all_measured_parameters_of_all_targets() -> None:
    weights = {"a": R.standard_normal((3, 4)), "a.bias": R.standard_normal(4), "b": R.standard_normal((2, 2))}
    sight = scene(weights, unpictured=["b"], target="gradients")
    assert [made.tag for made in histogram(sight)] == [f"gradients.histogram/{name}" for name in weights]


@pytest.mark.parametrize("values", [np.full(5, np.nan), np.array([np.inf])])
def test_nothing_finite_is_skipped(values: Array) -> None:
    assert [made.tag for made in histogram(scene({"broken": values, "fine": np.ones(2)}))] == ["weights.histogram/fine"]
