"""What is kept for the page: which frames and curves, how true, how much, and after a resume."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from lightning_weightviz.findings import Finding
from lightning_weightviz.memory import History
from lightning_weightviz.page.data import MAX_FRAMES, Layer, Map, PageData
from lightning_weightviz.page.grids import MOST_VALUES, Grid, within
from lightning_weightviz.page.shot import shot_of
from lightning_weightviz.page.store import PageStore
from lightning_weightviz.snapshot import Snapshot
from lightning_weightviz.views import Scene, Style
from tests.support import scenes

Array = npt.NDArray[Any]
HALF = 2.0**-11
"""Relative error of eleven bits."""


def weights(ordinal: int) -> dict[str, Array]:
    """A matrix, a pooled one, a convolution, a vector and rows that are pictures, which grow and turn."""
    noise = np.random.default_rng(ordinal)
    shapes = {
        "small": (6, 9),
        "big": (300, 520),
        "conv": (16, 8, 3, 3),
        "first": (8, 3, 5, 5),
        "bias": (300,),
    }
    return {name: (1 + ordinal) * noise.standard_normal(shape) for name, shape in shapes.items()}


def run(
    count: int, values: Any = weights, history: History | None = None, start: int = 0, **named: Any
) -> Iterator[Scene]:
    """Scenes of a run, each of what `values` gives for its ordinal, from a real history."""
    history = history or History()
    for ordinal in range(start, count):
        one = scenes.scene(values(ordinal), before=[], **named)
        now, measured = values(ordinal), {}
        for name, measurement in one.snapshot.targets["weights"].items():
            before = values(0)[name] if values(0)[name].shape == now[name].shape else now[name]
            measured[name] = scenes.measure(measurement.parameter, now[name], before, before, 256)
        rms = np.sqrt(np.mean(np.concatenate([v.ravel() for v in now.values()]) ** 2))
        snapshot = Snapshot(
            step=10 * ordinal,
            epoch=ordinal,
            ordinal=ordinal,
            initial=ordinal == 0,
            targets={"weights": measured},
            totals={"weights": {"rms": float(rms)}},
            heads=one.snapshot.heads,
        )
        yield Scene(snapshot, history.remember(snapshot), Style(), pairs=one.pairs)


def kept(count: int, **named: Any) -> PageData:
    store = PageStore()
    for scene in run(count, **named):
        store.add(scene)
    return store.data("a run")


def layer(data: PageData, name: str) -> Layer:
    (found,) = (one for one in data.layers if one.parameter.name == name)
    return found


def map_of(data: PageData, name: str, which: str) -> Map:
    (found,) = (one for one in layer(data, name).targets["weights"].maps if one.name == which)
    return found


@pytest.mark.parametrize(
    ("count", "ordinals"),
    [
        (1, [0]),
        (2, [0, 1]),
        (7, [0, 1, 2, 4, 6]),
        (21, [0, 1, 2, 4, 8, 16, 20]),
        (1024, [0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1023]),
        (1500, [0, 1, 4, 16, 64, 256, 1024, 1499]),
    ],
)
def test_frames_are_the_first_the_newest_and_log_spaced_ones(count: int, ordinals: list[int]) -> None:
    data = kept(count, values=lambda ordinal: {"w": np.full((2, 3), 1.0 + ordinal)})
    assert [frame.ordinal for frame in data.frames] == ordinals
    assert len(data.frames) <= MAX_FRAMES
    assert [frame.step for frame in data.frames] == [10 * ordinal for ordinal in ordinals]
    cells = map_of(data, "w", "values").cells
    np.testing.assert_allclose(cells[:, 1, 2], np.array(ordinals) + 1.0, rtol=HALF)


def test_cells_are_the_weights_of_each_frame() -> None:
    data = kept(5)
    assert [frame.ordinal for frame in data.frames] == [0, 1, 2, 4]
    small = map_of(data, "small", "values")
    assert small.rms is None and small.kept is None and small.shape == (6, 9)
    for place, ordinal in enumerate([0, 1, 2, 4]):
        np.testing.assert_allclose(small.cells[place], weights(ordinal)["small"], rtol=HALF)
        filters = map_of(data, "first", "filters")
        np.testing.assert_allclose(filters.cells[place], weights(ordinal)["first"], rtol=HALF)
        sums = weights(ordinal)["conv"].sum((2, 3))
        np.testing.assert_allclose(map_of(data, "conv", "sums").cells[place], sums, rtol=1e-3, atol=1e-3)
        norms = np.linalg.norm(weights(ordinal)["conv"], axis=(2, 3))
        np.testing.assert_allclose(map_of(data, "conv", "norms").cells[place], norms, rtol=1e-3)
    assert [one.name for one in layer(data, "conv").targets["weights"].maps] == ["norms", "sums"]
    assert not map_of(data, "conv", "norms").signed
    # One range over the run holds nearly all of it.
    assert np.mean(np.abs(small.cells) > small.limit) <= 0.01


def test_pooled_cells_hold_the_farthest_value_and_the_root_mean_square_of_their_block() -> None:
    data = kept(2)
    big = map_of(data, "big", "values")
    assert big.shape == (300, 520) and big.cells.shape == (2, 256, 256) and big.rms is not None
    values = weights(1)["big"]
    rows, columns = np.arange(300) * 256 // 300, np.arange(520) * 256 // 520
    for row, column in ((0, 0), (100, 37), (255, 255)):
        block = values[rows == row][:, columns == column]
        assert big.cells[1, row, column] == pytest.approx(block.ravel()[np.abs(block).argmax()], rel=HALF)
        assert big.rms[1, row, column] == pytest.approx(np.sqrt(np.mean(block**2)), rel=1e-3)


def test_extremes_of_size_keep_their_bits_and_what_is_no_number_stays() -> None:
    values = np.array([[1e-38, 3e38, np.nan], [np.inf, -np.inf, -1e-30]])
    data = kept(1, values=lambda ordinal: {"w": values, "tiny": values[:, :1][:1].repeat(2, 0)})
    cells = map_of(data, "w", "values").cells[0]
    np.testing.assert_array_equal(np.isnan(cells), np.isnan(values))
    np.testing.assert_array_equal(cells[1, :2], [np.inf, -np.inf])
    assert cells[0, 1] == pytest.approx(3e38, rel=HALF)
    np.testing.assert_allclose(map_of(data, "tiny", "values").cells[0], 1e-38, rtol=HALF)


def test_curves_of_every_statistic_are_thinned_and_true() -> None:
    data = kept(150, values=lambda ordinal: {"w": np.full((2, 3), 1.0 + ordinal)})
    ordinals = [moment.ordinal for moment in data.moments]
    assert ordinals[0] == 0 and ordinals[-1] == 149 and len(ordinals) <= 66
    statistics = layer(data, "w").targets["weights"].statistics
    for name in ("rms", "mean", "norm", "max"):
        scale = np.sqrt(6) if name == "norm" else 1.0
        np.testing.assert_allclose(statistics[name], scale * (np.array(ordinals) + 1.0), rtol=1e-6)
    np.testing.assert_allclose(data.totals["weights"]["rms"], np.array(ordinals) + 1.0, rtol=1e-6)
    # What was never measured is not there.
    assert all(np.isfinite(values).any() for values in statistics.values())


def test_histograms_are_of_the_frames() -> None:
    data = kept(3)
    found = layer(data, "big").targets["weights"].histograms
    assert found is not None and found.frames.tolist() == [0, 1, 2]
    for place in range(3):
        expected, _ = np.histogram(weights(place)["big"], bins=found.edges[place])
        assert found.counts[place].sum() == 300 * 520
        # Between the edges of the snapshot's buckets counts are interpolated.
        assert np.abs(np.cumsum(found.counts[place]) - np.cumsum(expected)).max() < 0.02 * 300 * 520


def test_fewer_bins_are_padded_by_bins_without_width() -> None:
    data = kept(2, values=lambda ordinal: {"w": np.ones((2, 3)) if ordinal else np.arange(6.0).reshape(2, 3)})
    found = layer(data, "w").targets["weights"].histograms
    assert found is not None and found.counts.sum(1).tolist() == [6, 6]
    assert (np.diff(found.edges, axis=1) >= 0).all()
    assert found.counts[1][np.diff(found.edges[1]) == 0].sum() == 0


def test_classes_are_of_the_frames() -> None:
    def head(ordinal: int) -> dict[str, Array]:
        noise = np.random.default_rng(ordinal)
        return {"fc.weight": noise.standard_normal((5, 12)), "fc.bias": noise.standard_normal(5)}

    (found,) = kept(3, values=head, head="fc.weight", class_names=list("abcde")).heads
    assert (found.name, found.class_names, found.frames.tolist()) == ("fc.weight", tuple("abcde"), [0, 1, 2])
    for place in range(3):
        rows = head(place)["fc.weight"]
        rows = rows - rows.mean(0)
        norms = np.linalg.norm(rows, axis=1)
        np.testing.assert_allclose(found.norms[place], norms, rtol=1e-5)
        np.testing.assert_allclose(found.bias[place], head(place)["fc.bias"], rtol=1e-5)  # type: ignore[index]
        assert found.cosine is not None and np.isnan(np.diag(found.cosine[place])).all()
        expected = (rows @ rows.T) / np.outer(norms, norms)
        assert found.cosine[place][0, 3] == pytest.approx(expected[0, 3], abs=1e-3)


def test_findings_say_which_still_hold() -> None:
    ended, holds, late = (Finding("nan", "error", name, None, 1, 10, f"{name} is broken") for name in "abc")
    store = PageStore()
    for scene in run(1):
        store.add(scene)
    data = store.data("a run", [ended, holds], [holds, late])
    assert data.findings == (ended, holds, late) and data.open == {1, 2}


def test_a_store_without_a_scene_gives_a_page_without_one() -> None:
    assert PageStore().data("nothing") == PageData("nothing", (), (), ())


def test_memory_is_bounded_whatever_the_number_of_snapshots_and_pictures() -> None:
    grids = {place: Grid(256, 256, (512, 512), has_rms=True) for place in range(500)}
    sizes = within(grids)
    assert sum(one.cost for one in sizes.values()) <= MOST_VALUES
    # 500 of 32 cells an axis and their root mean squares.
    assert min(one.height for one in sizes.values()) == 32


def test_what_has_no_room_is_pooled_so_that_cells_stay_where_they_are_said_to_be(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("lightning_weightviz.page.grids.MOST_VALUES", 20_000)
    monkeypatch.setattr(within, "__defaults__", (20_000,))
    data = kept(1)
    big = map_of(data, "big", "values")
    _, height, width = big.cells.shape
    assert (height, width) == (64, 64) and big.rms is not None
    values, (rows, columns) = weights(0)["big"], (np.arange(300) * 64 // 300, np.arange(520) * 64 // 520)
    block = values[rows == 11][:, columns == 50]
    assert big.cells[0, 11, 50] == pytest.approx(block.ravel()[np.abs(block).argmax()], rel=HALF)
    assert big.rms[0, 11, 50] == pytest.approx(np.sqrt(np.mean(block**2)), rel=0.02)


def test_a_parameter_of_another_shape_starts_anew() -> None:
    data = kept(4, values=lambda ordinal: {"w": np.ones((2, 3) if ordinal < 2 else (4, 3))})
    found = map_of(data, "w", "values")
    assert found.cells.shape[1:] == (4, 3) and [data.frames[frame].ordinal for frame in found.frames] == [2, 3]


def test_gradients_that_the_last_snapshot_lacks_stay() -> None:
    store, history = PageStore(), History()
    for scene in run(3):
        measured = scene.snapshot.targets["weights"]
        targets: Mapping[Any, Any] = {"weights": measured, "gradients": measured if scene.snapshot.ordinal < 2 else {}}
        snapshot = Snapshot(scene.snapshot.step, 0, scene.snapshot.ordinal, False, targets, {})
        store.add(Scene(snapshot, history.remember(snapshot), Style()))
    data = store.data("a run")
    found = layer(data, "small").targets["gradients"]
    assert found.maps[0].frames.tolist() == [0, 1] and layer(data, "small").targets["weights"].maps[0].frames[-1] == 2


def resumed(count: int, more: int) -> PageData:
    """What a new store keeps of a run that goes on after so many snapshots, from the state of its history."""
    before = History()
    for _ in run(count, history=before):
        pass
    after = History()
    after.load_state_dict(before.state_dict())
    store = PageStore()
    for scene in run(count + more, history=after, start=count):
        store.add(scene)
    return store.data("a run")


def test_a_resumed_run_begins_with_what_memory_holds() -> None:
    data, whole = resumed(9, 2), kept(11)
    assert [frame.ordinal for frame in data.frames] == [0, 1, 2, 4, 8, 10]
    assert [moment.step for moment in data.moments] == [moment.step for moment in whole.moments]
    for name in ("rms", "rotation", "std"):
        expected = layer(whole, "small").targets["weights"].statistics[name]
        np.testing.assert_allclose(layer(data, "small").targets["weights"].statistics[name], expected, rtol=1e-5)
    # A map that the film holds whole is as it was.
    for name, which in (("small", "values"), ("conv", "sums"), ("first", "filters")):
        found, expected_map = map_of(data, name, which), map_of(whole, name, which)
        np.testing.assert_allclose(found.cells, expected_map.cells, rtol=2 * HALF)
        assert found.kept is None
    # Norms are not in the film.
    assert [data.frames[frame].ordinal for frame in map_of(data, "conv", "norms").frames] == [10]
    bias = map_of(data, "bias", "values")
    np.testing.assert_allclose(bias.cells, map_of(whole, "bias", "values").cells, rtol=2 * HALF)


def test_frames_before_a_resume_say_that_they_are_coarser() -> None:
    data, whole = resumed(3, 1), kept(4)
    found, fine = map_of(data, "big", "values"), map_of(whole, "big", "values")
    assert found.kept is not None and found.kept.tolist() == [[72, 108]] * 3 + [[256, 256]]
    np.testing.assert_array_equal(found.cells[-1], fine.cells[-1])
    rows, columns = np.arange(256) * 72 // 256, np.arange(256) * 108 // 256
    block = fine.cells[0][rows == 7][:, columns == 60]
    assert (found.cells[0][rows == 7][:, columns == 60] == block.ravel()[np.abs(block).argmax()]).all()
    assert found.rms is not None and np.isnan(found.rms[0]).all() and np.isfinite(found.rms[-1]).all()


def test_classes_before_a_resume_have_norms() -> None:
    def head(ordinal: int) -> dict[str, Array]:
        return {"fc.weight": np.random.default_rng(ordinal).standard_normal((5, 12))}

    history, store = History(), PageStore()
    for scene in run(3, values=head, head="fc.weight", history=history):
        newest = scene
    store.add(newest)
    (found,) = store.data("a run").heads
    rows = head(0)["fc.weight"] - head(0)["fc.weight"].mean(0)
    np.testing.assert_allclose(found.norms[0], np.linalg.norm(rows, axis=1), rtol=1e-5)
    assert found.cosine is not None and np.isnan(found.cosine[0]).all() and not np.isnan(found.cosine[-1]).all()


def test_what_is_kept_of_a_snapshot_stays_below_the_bound() -> None:
    """Sixteen pooled matrices have two million cells with their root mean squares."""
    noise = np.random.default_rng(0)
    values = {f"{number}": noise.standard_normal((300, 300)) for number in range(16)}
    (scene,) = run(1, values=lambda ordinal: values)
    parameters = shot_of(scene).parameters.values()
    kept = [half for one in parameters for shot in one.maps.values() for half in (shot.cells, shot.rms) if half]
    assert len(parameters) == 16 and len(kept) == 32
    assert 0.8 * MOST_VALUES < sum(half.cells.size for half in kept) <= MOST_VALUES
    assert {half.cells.dtype for half in kept} == {np.dtype(np.float16)}
    # Those of inputs and classes keep their cells.
    assert map_of(data_of(scene), "0", "values").cells.shape == (1, 256, 256)
    assert map_of(data_of(scene), "15", "values").cells.shape == (1, 256, 256)


def data_of(scene: Scene) -> PageData:
    store = PageStore()
    store.add(scene)
    return store.data("a run")


def test_a_snapshot_that_is_not_kept_is_no_copy_and_the_last_is_there() -> None:
    store = PageStore()
    scenes_of_run = list(run(4))
    for scene in scenes_of_run:
        store.add(scene)
    assert [shot.time.ordinal for shot in store._shots] == [0, 1, 2]
    np.testing.assert_allclose(map_of(store.data("a run"), "small", "values").cells[-1], weights(3)["small"], rtol=HALF)
