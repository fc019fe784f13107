from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lightning_weightviz.artifacts import Histogram
from lightning_weightviz.measure import Meter
from lightning_weightviz.snapshot import Counts
from lightning_weightviz.views.histogram import histogram, rebin
from tests.support.oracles import parameter
from tests.support.scenes import count, scene

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


def below(values: Array, edges: Array) -> Array:
    """How many values lie below each edge; at the last, all that lie at it too, as numpy counts."""
    found = np.searchsorted(np.sort(values), edges)
    found[-1] = values.size
    return found


def cut(fine: Counts, edges: Array) -> Array:
    """The count of the fine bucket that each edge cuts; 0 where the edge is one of a bucket, and at both ends."""
    bucket = np.searchsorted(fine.edges, edges, side="right") - 1
    inside = np.append(fine.counts, 0)[bucket]
    inside[(fine.edges[bucket] == edges) | (edges == edges[0]) | (edges == edges[-1])] = 0
    return inside


def check(values: Array, fine: Counts, made: Histogram, bins: int) -> None:
    """Everything that a histogram of some finite values promises."""
    assert made.counts.dtype == np.int64 and made.edges.dtype == np.float64
    assert 1 <= len(made.counts) <= bins
    assert len(made.edges) == len(made.counts) + 1
    assert (made.counts >= 0).all()
    assert int(made.counts.sum()) == values.size
    assert (made.minimum, made.maximum) == (values.min(), values.max())
    widths = np.diff(made.edges)
    assert (widths > 0).all()
    if values.min() < values.max():
        assert (made.edges[0], made.edges[-1]) == (values.min(), values.max())
        rounding = 4 * np.spacing(np.abs(values).max())
        np.testing.assert_allclose(widths, np.ptp(values) / len(widths), rtol=1e-9, atol=rounding)
    else:
        assert made.edges[0] <= values[0] < made.edges[-1]
        assert len(widths) == 1
    off = np.abs(np.cumsum(made.counts) - below(values, made.edges)[1:])
    assert (off <= cut(fine, made.edges)[1:]).all()


@pytest.mark.parametrize("bins", [1, 2, 7, 64, 512])
@pytest.mark.parametrize("name", VALUES)
def test_hard_values(name: str, bins: int) -> None:
    finite = VALUES[name][np.isfinite(VALUES[name])]
    made = the_histogram(VALUES[name], bins)
    check(finite, count(finite), made, bins)
    assert len(made.counts) == (1 if finite.min() == finite.max() else bins)
    assert made.total == pytest.approx(finite.sum(), rel=1e-9, abs=1e-12)
    assert made.squares == pytest.approx((finite**2).sum(), rel=1e-9)


ODD = st.sampled_from([0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 0.3, 1e-30, -1e-30, 1e30, -1e30, 1.0 + 2**-52, 5e-324])
NUMBERS = st.one_of(ODD, st.floats(-1e30, 1e30), st.floats(-2.0, 2.0), st.integers(-8, 8).map(lambda k: k / 8))


@given(st.lists(st.tuples(NUMBERS, st.integers(1, 50)), min_size=1, max_size=40), st.integers(1, 70))
def test_any_values(drawn: list[tuple[float, int]], bins: int) -> None:
    values = np.repeat([value for value, _ in drawn], [times for _, times in drawn])
    fine = count(values)
    check(values, fine, rebin("w", fine, bins), bins)


@given(st.floats(-1e3, 1e3), st.integers(0, 200), st.lists(st.integers(0, 200), max_size=20), st.integers(1, 70))
def test_ranges_of_a_few_floats(start: float, last: int, inner: list[int], bins: int) -> None:
    """Where float64 ends, bins become fewer; their edges never fall together."""
    values = start + np.spacing(max(abs(start), 1e-3)) * np.array([0, last, *(min(k, last) for k in inner)])
    fine = count(values)
    check(values, fine, rebin("w", fine, bins), bins)


@pytest.mark.parametrize("name", VALUES)
def test_measured_buckets(name: str) -> None:
    """As what measures them holds zeros and the inner ends of negative buckets in a way of its own."""
    tensor = torch.from_numpy(VALUES[name]).float()
    fine = Meter([parameter(tensor, pictured=False)]).measure([tensor]).result().measurements["w"].counts
    values = tensor.double().numpy()
    for bins in (1, 7, 64):
        check(values[np.isfinite(values)], fine, rebin("w", fine, bins), bins)


def test_between_edges_counts_are_shared_by_length() -> None:
    fine = Counts(np.array([0.0, 1.0, 1.5, 4.0]), np.array([3, 10, 25]), 0.0, 4.0, 0.0, 0.0)
    made = rebin("w", fine, 4)
    assert made.edges.tolist() == [0.0, 1.0, 2.0, 3.0, 4.0]
    # 10 and a fifth of 25, two fifths, and the rest.
    assert made.counts.tolist() == [3, 15, 10, 10]


def test_a_bell_has_no_hills() -> None:
    """Each bin holds what numpy counts there, within the scatter of a sample: no neighbour is twice as high."""
    values = R.standard_normal(200_000)
    made = the_histogram(values, 64)
    expected = np.histogram(values, made.edges)[0]
    many = expected > 1000
    assert many.sum() > 20
    assert np.abs(made.counts[many] / expected[many] - 1).max() < 0.1


@pytest.mark.parametrize("bins", [1, 2, 3, 64, 65])
@pytest.mark.parametrize(("low", "high"), [(-1.0, 1.0), (-0.3, 0.1), (-1.0, 0.0), (0.0, 0.1), (1e-4, 1.0)])
def test_zeros_are_in_the_one_bin_that_holds_0(low: float, high: float, bins: int) -> None:
    values = np.concatenate([np.zeros(90_000 if low <= 0 else 0), np.linspace(low, high, 10_000)]).astype(np.float32)
    tensor = torch.from_numpy(values)
    fine = Meter([parameter(tensor, pictured=False)]).measure([tensor]).result().measurements["w"].counts
    for made in (rebin("w", fine, bins), rebin("w", count(values.astype(np.float64)), bins)):
        expected = np.histogram(values.astype(np.float64), made.edges)[0]
        # What is no zero is spread evenly, and at most 1/32 of it is in one bucket: two of them may be cut.
        assert np.abs(made.counts - expected).max() <= 2 * 10_000 / 32 + 2
        assert made.counts.argmax() == expected.argmax() or low > 0


def test_quantised_weights_keep_their_levels() -> None:
    values = R.integers(-8, 8, 5000) / 8
    made = the_histogram(values, 15)
    assert (made.counts > 200).all()
    spikes = the_histogram(values, 480)
    # A level is in one bin or in the few that its bucket spans, not in those between two levels.
    assert (spikes.counts == 0).sum() > 240


def test_counts_beyond_float64_stay_exact() -> None:
    many = 2**60 + 1
    fine = Counts(np.array([0.0, 1.0, 2.0, 3.0, 4.0]), np.array([many, 3, many, 5]), 0.0, 4.0, 0.0, 0.0)
    assert rebin("w", fine, 4).counts.tolist() == [many, 3, many, 5]
    cut = rebin("w", fine, 3)
    assert int(cut.counts.sum()) == 2 * many + 8
    assert cut.counts[0] == many + 1


def test_the_largest_floats_have_a_histogram() -> None:
    ends = np.finfo(np.float64).max
    fine = Counts(np.array([-ends, 0.0, 1.0, ends]), np.array([4, 6, 10]), -ends, ends, 0.0, math.inf)
    made = rebin("w", fine, 4)
    assert np.isfinite(made.edges).all()
    assert made.counts.tolist() == [2, 2, 11, 5]


def test_all_measured_parameters_of_all_targets() -> None:
    weights = {"a": R.standard_normal((3, 4)), "a.bias": R.standard_normal(4), "b": R.standard_normal((2, 2))}
    sight = scene(weights, unpictured=["b"], target="gradients")
    assert [made.tag for made in histogram(sight)] == [f"gradients.histogram/{name}" for name in weights]


@pytest.mark.parametrize("values", [np.full(5, np.nan), np.array([np.inf])])
def test_nothing_finite_is_skipped(values: Array) -> None:
    assert [made.tag for made in histogram(scene({"broken": values, "fine": np.ones(2)}))] == ["weights.histogram/fine"]
