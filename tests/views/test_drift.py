from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from lightning_weightviz.artifacts import Image
from lightning_weightviz.draw.dead import DEAD
from lightning_weightviz.draw.page import WIDTH
from lightning_weightviz.draw.panel import PanelLayout
from lightning_weightviz.draw.tiles import TileLayout
from lightning_weightviz.memory import History
from lightning_weightviz.snapshot import Target
from lightning_weightviz.views import Scene
from lightning_weightviz.views.drift import Drift, changes, draw_drift, drift
from tests.support.pixels import MAGENTA, centres, color_at, decoded, values_of
from tests.support.scenes import scene
from tests.support.written import listening

Array = np.ndarray[Any, Any]


def normal(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape)


def drawn(sight: Scene, name: str = "w") -> Drift:
    measurement = sight.snapshot.targets["weights"][name]
    return draw_drift(sight, "weights", measurement, changes(sight, "weights", measurement))


def read(result: Drift, which: int) -> Array:
    """The values of a map's cells, read off their colours."""
    layout, change = result.layouts[which], result.changes[which]
    assert isinstance(layout, PanelLayout)
    cells = centres(result.raster.pixels, layout.box, layout.factor)
    return values_of(cells, change.limit).reshape(cells.shape[:2])


def test_changes_since_the_start_and_since_the_snapshot_before_have_ranges_of_their_own() -> None:
    start = 10 * normal(12, 30)
    now, before = start + 0.01 * normal(12, 30, seed=1), start + 5
    sight = scene({"w": now}, before=[{"w": start}, {"w": before}])
    (image,) = drift(sight)
    assert isinstance(image, Image) and image.tag == "weights.drift/w"
    result = drawn(sight)
    assert np.array_equal(decoded(image), result.raster.pixels)
    for index, (since, then) in enumerate((("the start", start), ("the snapshot before", before))):
        limit = result.changes[index].limit
        assert result.changes[index].since == since
        assert np.abs(read(result, index) - np.clip(now - then, -limit, limit)).max() <= limit / 100 + 1e-5
    assert result.changes[0].limit < 0.1 < result.changes[1].limit


def test_the_second_snapshot_has_one_change() -> None:
    assert [change.since for change in drawn(scene({"w": normal(4, 4)}, epochs=1)).changes] == ["the start"]


def test_a_pooled_cell_is_the_mean_change_and_no_flip_of_extremes() -> None:
    start, now = normal(512, 512), normal(512, 512)
    # The value farthest from 0 changes its sign, and next to nothing has changed.
    start[0, :2], now[0, :2] = [3.0, -2.999], [2.999, -3.0]
    result = drawn(scene({"w": now}, before=[{"w": start}]))
    (change,) = result.changes
    means = (now - start).reshape(128, 4, 128, 4).mean(axis=(1, 3))
    assert np.abs(read(result, 0) - np.clip(means, -change.limit, change.limit)).max() <= change.limit / 100 + 1e-5


def test_a_kernel_is_a_cell() -> None:
    start, now = normal(8, 6, 3, 3), normal(8, 6, 3, 3, seed=1)
    result = drawn(scene({"w": now}, before=[{"w": start}]))
    (change,) = result.changes
    means = np.clip((now - start).mean(axis=(2, 3)), -change.limit, change.limit)
    assert np.abs(read(result, 0) - means).max() <= change.limit / 100 + 1e-5


def test_filters_are_tiles_of_changes() -> None:
    start, now = normal(6, 1, 5, 5), normal(6, 1, 5, 5, seed=1)
    result = drawn(scene({"w": now}, before=[{"w": start}]))
    (layout,), (change,) = result.layouts, result.changes
    assert isinstance(layout, TileLayout)
    colors = np.array([color_at(result.raster.pixels, layout.cell(n, 2, 3)) for n in range(6)], np.uint8)
    expected = np.clip((now - start)[:, 0, 2, 3], -change.limit, change.limit)
    assert np.abs(values_of(colors, change.limit) - expected).max() <= change.limit / 100 + 1e-5


def test_filters_that_did_not_change_have_an_edge_that_is_explained() -> None:
    start = normal(6, 1, 5, 5)
    now = start + normal(6, 1, 5, 5, seed=1)
    now[4] = start[4]
    result = drawn(scene({"w": now}, before=[{"w": start}]))
    (layout,) = result.layouts
    assert isinstance(layout, TileLayout)
    pixels = result.raster.pixels
    edges = [tuple(pixels[box.top - 1, box.left]) for box in (layout.cell(n, 0, 0) for n in range(6))]
    assert [edge == DEAD for edge in edges] == [False, False, False, False, True, False]
    assert (pixels[layout.box.bottom :] == DEAD).all(axis=2).sum() > 50


def test_no_edge_is_explained_where_all_changed() -> None:
    result = drawn(scene({"w": normal(6, 1, 5, 5)}, before=[{"w": normal(6, 1, 5, 5, seed=1)}]))
    assert not (result.raster.pixels == DEAD).all(axis=2).any()


def test_value_that_became_nan_is_magenta() -> None:
    now = normal(4, 4)
    now[1, 2] = np.nan
    result = drawn(scene({"w": now}, before=[{"w": normal(4, 4)}]))
    layout = result.layouts[0]
    assert isinstance(layout, PanelLayout)
    assert color_at(result.raster.pixels, layout.cell(1, 2)) == MAGENTA


def test_frozen_parameter_is_drawn_without_change() -> None:
    values = normal(4, 4)
    result = drawn(scene({"w": values}, before=[{"w": values}, {"w": values}]))
    for layout in result.layouts:
        assert isinstance(layout, PanelLayout)
        assert len(np.unique(layout.box.of(result.raster.pixels).reshape(-1, 3), axis=0)) == 1


@pytest.mark.parametrize("epochs", [1, 3])
@pytest.mark.parametrize(
    "shape", [(), (5,), (300,), (1, 1), (10, 64), (300, 700), (8, 3, 5, 5), (64, 1, 7, 7), (40, 30, 3, 3), (9, 4, 5)]
)
def test_shapes(shape: tuple[int, ...], epochs: int) -> None:
    (image,) = drift(scene({"w" * 80: normal(*shape)}, epochs=epochs))
    assert isinstance(image, Image)
    assert (image.pixels[:, -8:] == 255).all()
    assert np.flatnonzero((image.pixels != 255).any(axis=(0, 2))).max() > 0.6 * WIDTH


def test_nothing_at_the_first_snapshot_or_without_a_start() -> None:
    assert list(drift(scene({"w": normal(3, 3)}))) == []
    assert list(drift(scene({"w": normal(3, 3)}, epochs=2, keep_start=False))) == []


def test_what_appears_late_is_drawn_from_then_on_and_not_before(monkeypatch: pytest.MonkeyPatch) -> None:
    old, start, now = normal(4, 4), normal(4, 6), normal(4, 6, seed=1)
    tags = [image.tag for image in drift(scene({"a": old, "w": start}, before=[{"a": old}, {"a": old}]))]
    assert tags == ["weights.drift/a"]
    lines = listening(monkeypatch)
    sight = scene({"a": old, "w": now}, before=[{"a": old}, {"a": old}, {"a": old, "w": start}])
    result = drawn(sight)
    assert [change.since for change in result.changes] == ["epoch 2"]
    assert any("of its length when first measured" in line for line in lines)
    limit = result.changes[0].limit
    assert np.abs(read(result, 0) - np.clip(now - start, -limit, limit)).max() <= limit / 100 + 1e-5
    assert [change.since for change in drawn(sight, "a").changes] == ["the start", "the snapshot before"]


def test_gradients_that_come_after_the_first_snapshot_are_compared_with_their_own() -> None:
    sight = scene({"w": normal(4, 4)}, epochs=3)
    (measurement,) = sight.snapshot.targets["weights"].values()
    history = History(keep_start=True)
    found = []
    for ordinal in range(4):
        targets: dict[Target, Any] = {"weights": {"w": measurement}}
        if ordinal:
            targets["gradients"] = {"w": measurement}
        snapshot = replace(sight.snapshot, targets=targets, ordinal=ordinal, epoch=ordinal, step=45 * ordinal)
        now = replace(sight, snapshot=snapshot, memory=history.remember(snapshot))
        found.append([change.since for change in changes(now, "gradients", measurement)] if ordinal else [])
    assert found == [[], [], ["epoch 1"], ["epoch 1", "the snapshot before"]]


def test_moments_of_one_epoch_are_told_by_their_step() -> None:
    history, sight = History(keep_start=True), scene({"w": normal(4, 4)})
    measurement = sight.snapshot.targets["weights"]["w"]
    for ordinal in range(3):
        snapshot = replace(sight.snapshot, ordinal=ordinal, epoch=0, step=10 * (ordinal + 1))
        now = replace(sight, snapshot=snapshot, memory=history.remember(snapshot))
    assert [change.since for change in changes(now, "weights", measurement)] == ["step 10", "the snapshot before"]


def test_the_turn_is_told_in_degrees(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = listening(monkeypatch)
    drawn(scene({"w": np.array([[1.0, 1.0]])}, before=[{"w": np.array([[1.0, 0.0]])}]))
    assert "turned by 45°" in lines
    lines.clear()
    drawn(scene({"w": np.array([[1.0, 1.0]])}, before=[{"w": np.zeros((1, 2))}]))
    assert not any("turned" in line for line in lines)
