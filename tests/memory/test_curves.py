"""Curves over time: keys in their order, at a price that grows with their number and no faster."""

from __future__ import annotations

import math

import numpy as np

from lightning_weightviz.memory.curves import MAX_POINTS, OVERVIEW_STATISTICS, Statistics, Time, Timeline, aligned


class Counted(str):
    """A name that counts how often names are hashed."""

    hashed = 0

    def __hash__(self) -> int:
        Counted.hashed += 1
        return super().__hash__()


def test_taking_in_a_snapshot_hashes_each_name_a_few_times() -> None:
    found: dict[str, dict[str, float]] = {Counted(index): {"rms": float(index)} for index in range(500)}
    statistics = Statistics()
    for ordinal in range(3):
        before = Counted.hashed
        statistics.add(ordinal, found)
        # Once for each statistic of each name, and to find what is new.
        assert Counted.hashed - before <= (len(OVERVIEW_STATISTICS) + 4) * len(found)


def test_statistics_are_nan_where_nothing_was_measured() -> None:
    statistics = Statistics()
    statistics.add(0, {"b": {"rms": 1.0}})
    statistics.add(1, {"a": {"rms": 2.0, "inf_count": 1.0}, "b": {}})
    statistics.add(2, {"a": {"rms": 3.0}})
    assert statistics.keys == ["b", "a"]
    found = statistics.over_time()
    np.testing.assert_array_equal(found["b"][:, 0], [1.0, math.nan, math.nan])
    np.testing.assert_array_equal(found["a"][:, 0], [math.nan, 2.0, 3.0])
    np.testing.assert_array_equal(found["a"][:, -1], [math.nan, 1.0, math.nan])


def test_a_snapshot_of_nothing_is_one() -> None:
    statistics = Statistics()
    statistics.add(0, {})
    assert statistics.rows[0][1].shape == (0, len(OVERVIEW_STATISTICS))
    assert statistics.over_time() == {}


def test_a_timeline_thins_out_and_keeps_the_newest() -> None:
    timeline = Timeline()
    for ordinal in range(1000):
        timeline.add(Time(ordinal, ordinal, 10 * ordinal))
        assert len(timeline.times) <= MAX_POINTS + 1
        assert timeline.ordinals[-1] == ordinal
    assert timeline.ordinals == [*range(0, 999, 16), 999]
    curve = [(ordinal, np.zeros(1)) for ordinal in (0, 5, 16, 998, 999)]
    assert [point[0] for point in timeline.thinned(curve)] == [0, 16, 999]


def test_a_curve_has_nan_where_it_has_no_point() -> None:
    curve = [(ordinal, np.array([ordinal, 10 * ordinal], np.float32)) for ordinal in (0, 2, 3)]
    np.testing.assert_array_equal(aligned(curve, [0, 2, 3]), [[0, 0], [2, 20], [3, 30]])
    np.testing.assert_array_equal(aligned(curve, [0, 1, 3]), [[0, 0], [np.nan, np.nan], [3, 30]])
    np.testing.assert_array_equal(aligned(curve, [0, 1, 2, 3])[1], [np.nan, np.nan])
