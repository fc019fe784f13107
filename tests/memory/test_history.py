"""Colour ranges, film and curves: right at each snapshot, flat in their number, the same after a resume."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from lightning_weightviz.memory import (
    FRAME_CELLS,
    OVERVIEW_STATISTICS,
    History,
    extra_key,
    key_of,
    statistics_key,
)
from lightning_weightviz.memory.color_range import range_for, widened
from lightning_weightviz.memory.curves import MAX_POINTS
from lightning_weightviz.memory.film import MAX_FRAMES
from lightning_weightviz.run.checkpoint import to_arrays, to_tensors
from lightning_weightviz.snapshot import Counts, Layout, Measurement, Parameter, Picture, Snapshot, pool_extreme


def measurement(name: str, values: np.ndarray, layout: Layout = "matrix") -> Measurement:
    parameter = Parameter(name, "linear", "Linear", values.shape, "float32", layout)
    map_ = np.atleast_2d(values).astype(np.float32)
    norms = np.zeros((1, 2), np.float32)
    return Measurement(
        parameter,
        {"rms": float(np.sqrt((map_**2).mean())), "absmax": float(np.abs(map_).max())},
        Counts(np.array([-1.0, 1.0]), np.array([values.size]), -1.0, 1.0, 0.0, 0.0),
        np.linspace(-1, 1, 9),
        picture=Picture(map_, np.abs(map_), map_.shape, norms, norms),
    )


def snapshot(ordinal: int, values: np.ndarray, name: str = "fc", layout: Layout = "matrix") -> Snapshot:
    return Snapshot(
        step=10 * ordinal,
        epoch=ordinal,
        ordinal=ordinal,
        initial=ordinal == 0,
        targets={"weights": {name: measurement(name, values, layout)}},
        totals={"weights": {"rms": float(ordinal)}},
    )


def test_range_is_a_step_of_root_two_above_the_quantile() -> None:
    rng = np.random.default_rng(0)
    for scale in (1e-9, 0.03, 1.0, 7e8):
        values = rng.normal(size=5000) * scale
        quantile = np.quantile(np.abs(values), 0.995, method="inverted_cdf")
        found = range_for(values)
        assert quantile <= found < quantile * 2**0.5 * 1.0001
        assert (2 * np.log2(found)) == pytest.approx(round(2 * np.log2(found)), abs=1e-6)


def test_range_of_a_step_is_that_step() -> None:
    for exponent in range(-30, 30):
        assert range_for(np.array([2.0 ** (exponent / 2)])) == pytest.approx(2.0 ** (exponent / 2), rel=1e-12)


def test_range_sees_neither_zeros_nor_what_is_broken() -> None:
    assert range_for(np.array([0.0, np.nan, np.inf, -0.25])) == 0.25
    assert range_for(np.zeros(5)) == 0.0


def test_a_range_grows_exactly_where_its_values_ask_for_a_larger_one() -> None:
    random = np.random.default_rng(0)
    for size in (1, 7, 199, 201, 4000):
        for broken in (0, size // 3):
            values = random.standard_normal(size).astype(np.float32)
            values[:broken] = random.choice(np.array([np.nan, np.inf, -np.inf, 0.0], np.float32), broken)
            for limit in (0.0, 0.5, 1.0, 2.0**1.5, 8.0):
                assert widened(limit, values, "run") == max(limit, range_for(values))


@pytest.mark.parametrize(
    ("color_range", "expected"),
    [("run", [1.0, 4.0, 4.0]), ("init", [1.0, 1.0, 1.0]), ("epoch", [1.0, 4.0, 0.5]), (3.0, [3.0, 3.0, 3.0])],
)
def test_color_ranges(color_range: object, expected: list[float]) -> None:
    history = History(color_range)  # type: ignore[arg-type]
    seen = [
        history.remember(snapshot(i, np.full((4, 4), v))).ranges["weights/fc"] for i, v in enumerate([1.0, 4.0, -0.5])
    ]
    assert seen == expected


def test_a_range_is_set_by_the_first_nonzero_values() -> None:
    history = History("init")
    assert history.remember(snapshot(0, np.zeros((2, 2)))).ranges["weights/fc"] == 1.0
    assert history.remember(snapshot(1, np.full((2, 2), 0.25))).ranges["weights/fc"] == 0.25


def test_film_holds_the_start_and_log_spaced_frames() -> None:
    history = History()
    for ordinal in range(40):
        memory = history.remember(snapshot(ordinal, np.full((2, 3), float(ordinal))))
    frames = memory.frames["weights/fc"]
    assert [frame.ordinal for frame in frames] == [0, 1, 2, 4, 8, 16, 32]
    assert [frame.values.max() for frame in frames] == [0, 1, 2, 4, 8, 16, 32]


def test_memory_and_state_are_flat_in_the_number_of_snapshots() -> None:
    history = History()
    matrix = np.random.default_rng(0).normal(size=(256, 256))
    sizes = []
    for ordinal in range(3000):
        memory = history.remember(snapshot(ordinal, matrix))
        assert memory.frames["weights/fc"][0].ordinal == 0
        assert memory.epochs[-1] == ordinal
        assert len(memory.frames["weights/fc"]) <= MAX_FRAMES
        assert len(memory.epochs) <= MAX_POINTS + 1
        assert memory.percentiles["weights/fc"].shape == (len(memory.epochs), 9)
        assert memory.statistics["weights/fc"].shape == (len(memory.epochs), len(OVERVIEW_STATISTICS))
        if ordinal in (200, 2999):
            sizes.append(sum(tensor.nbytes for tensor in tensors_in(to_tensors(history.state_dict()))))
    # A curve has between half and all of its points, a film likewise.
    assert max(sizes) < 200_000


def tensors_in(state: object) -> list[torch.Tensor]:
    if isinstance(state, torch.Tensor):
        return [state]
    children = state.values() if isinstance(state, dict) else state if isinstance(state, list) else ()
    return [tensor for child in children for tensor in tensors_in(child)]


def test_frames_keep_tiny_and_broken_values() -> None:
    values = np.array([[1e-9, -3e-9], [np.nan, np.inf]])
    frame = History().remember(snapshot(0, values)).frames["weights/fc"][0]
    np.testing.assert_allclose(frame.values, values, rtol=1e-3)
    zeros = History().remember(snapshot(0, np.zeros((2, 2)))).frames["weights/fc"][0]
    assert not zeros.values.any()


def test_frames_are_pooled_to_their_size() -> None:
    values = np.zeros((256, 256))
    values[200, 100] = -5.0
    frame = History().remember(snapshot(0, values)).frames["weights/fc"][0]
    assert frame.values.shape == FRAME_CELLS
    assert frame.values[200 * FRAME_CELLS[0] // 256, 100 * FRAME_CELLS[1] // 256] == -5.0


def test_vectors_have_a_row_for_each_snapshot_instead_of_a_film() -> None:
    history = History()
    for ordinal in range(3):
        memory = history.remember(snapshot(ordinal, np.full(5, float(ordinal)), layout="vector"))
    np.testing.assert_array_equal(memory.vectors["weights/fc"], np.repeat([[0.0], [1.0], [2.0]], 5, axis=1))
    assert "weights/fc" not in memory.frames


def test_a_parameter_that_appears_later_has_nan_before() -> None:
    history = History()
    history.remember(snapshot(0, np.ones((2, 2)), name="old"))
    memory = history.remember(snapshot(1, np.ones((2, 2)), name="new"))
    assert np.isnan(memory.percentiles["weights/new"][0]).all()
    assert np.isnan(memory.statistics["weights/new"][0]).all()
    assert memory.statistics["weights/new"][1, 0] == 1.0


def test_a_resumed_history_goes_on_as_one_that_was_not_interrupted() -> None:
    rng = np.random.default_rng(0)
    shots = [snapshot(ordinal, rng.normal(size=(9, 7)) * (ordinal + 1)) for ordinal in range(90)]
    straight, before, after = History(keep_start=True), History(keep_start=True), History(keep_start=True)
    for shot in shots:
        expected = straight.remember(shot)
    for shot in shots[:70]:
        before.remember(shot)
    after.load_state_dict(to_arrays(to_tensors(before.state_dict())))
    assert after.snapshots == 70
    for shot in shots[70:]:
        found = after.remember(shot)
    assert found.ranges == expected.ranges
    assert [vars(f)["ordinal"] for f in found.frames["weights/fc"]] == [
        vars(f)["ordinal"] for f in expected.frames["weights/fc"]
    ]
    for name in ("epochs", "steps"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    for name in ("percentiles", "statistics", "start"):
        np.testing.assert_array_equal(getattr(found, name)["weights/fc"], getattr(expected, name)["weights/fc"])
    assert found.started["weights/fc"].ordinal == 0 and found.started == expected.started


def test_the_moment_of_each_start_stays() -> None:
    history = History(keep_start=True)
    history.remember(snapshot(0, np.ones((2, 2)), name="old"))
    for ordinal in range(1, 200):
        history.remember(snapshot(ordinal, np.ones((2, 2)), name="new"))
    another = History(keep_start=True)
    another.load_state_dict(to_arrays(to_tensors(history.state_dict())))
    shot = snapshot(200, np.ones((2, 2)), name="new")
    for one in (history, another):
        started = one.remember(shot).started
        assert {key: time.ordinal for key, time in started.items()} == {"weights/old": 0, "weights/new": 1}


def test_pooling_keeps_the_value_farthest_from_zero() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(17, 23)).astype(np.float32)
    values[3, 4], values[16, 22] = np.nan, -np.inf
    pooled = pool_extreme(values, 5, 7)
    for row in range(5):
        for column in range(7):
            block = [values[r, c] for r in range(17) for c in range(23) if r * 5 // 17 == row and c * 7 // 23 == column]
            expected = np.nan if np.isnan(block).any() else max(block, key=abs)
            np.testing.assert_equal(pooled[row, column], np.float32(expected))


@pytest.mark.parametrize("name", ["fc", "a:b", "a:b:rms", "percentiles:x", "total", "a/b:", "\n:sums"])
@pytest.mark.parametrize("layout", ["matrix", "vector"])
def test_another_parameter_of_the_same_name_starts_anew(name: str, layout: Layout) -> None:
    history, key = History(keep_start=True), key_of("weights", name)
    old, new = (np.full((4, 4), 512.0), np.full((2, 3), 0.5)) if layout == "matrix" else (np.ones(8), np.full(5, 0.5))
    for ordinal in range(3):
        history.remember(snapshot(ordinal, old, name, layout))
    memory = history.remember(snapshot(3, new, name, layout))
    assert memory.ranges[key] == 0.5
    assert memory.start[key].shape == np.atleast_2d(new).shape
    assert key not in memory.previous
    assert np.isnan(memory.percentiles[key][:3]).all() and not np.isnan(memory.percentiles[key][3]).any()
    if layout == "matrix":
        assert [frame.ordinal for frame in memory.frames[key]] == [3]
    else:
        assert np.isnan(memory.vectors[key][:3]).all() and memory.vectors[key][3].tolist() == [0.5] * 5


def test_a_parameter_called_total_is_not_the_total() -> None:
    history = History()
    for ordinal in range(3):
        memory = history.remember(snapshot(ordinal, np.full((2, 2), 7.0), name="total"))
    assert memory.statistics[statistics_key("weights", "total")][:, 0].tolist() == [7.0, 7.0, 7.0]
    assert memory.statistics[key_of("weights", "total")][:, 0].tolist() == [0.0, 1.0, 2.0]


def test_a_name_like_that_of_another_range_has_a_range_of_its_own() -> None:
    def shot(ordinal: int, size: float) -> Snapshot:
        fc = measurement("fc", np.full((4, 4), 0.25))
        assert fc.picture is not None
        pooled = replace(fc, picture=replace(fc.picture, shape=(8, 8)))
        other = measurement("fc:rms", np.full((4, 4), size))
        return replace(snapshot(ordinal, np.ones((1, 1))), targets={"weights": {"fc": pooled, "fc:rms": other}})

    history = History()
    history.remember(shot(0, 64.0))
    memory = history.remember(shot(1, 64.0))
    assert memory.ranges[extra_key(key_of("weights", "fc"), "rms")] == 0.25
    assert memory.ranges[key_of("weights", "fc:rms")] == 64.0


def test_a_parameter_that_is_gone_does_not_break_what_comes_after() -> None:
    """Its only point is dropped when the curves thin out."""
    history = History()
    for ordinal in range(200):
        memory = history.remember(snapshot(ordinal, np.ones((2, 2)), name="gone" if ordinal == 33 else "fc"))
    assert "weights/gone" not in memory.percentiles
    assert len(memory.percentiles["weights/fc"]) == len(memory.epochs)
    resumed = History()
    resumed.load_state_dict(to_arrays(to_tensors(history.state_dict())))
    assert resumed.snapshots == 200
