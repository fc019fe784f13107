from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lightning_weightviz.artifacts import Image
from lightning_weightviz.draw.page import WIDTH
from lightning_weightviz.views import Scene
from lightning_weightviz.views.drift import Drift, draw_drift, drift
from tests.views.pixels import MAGENTA, centres, color_at, decoded, values_of
from tests.views.scenes import scene

Array = np.ndarray[Any, Any]


def normal(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape)


def drawn(sight: Scene, name: str = "w") -> Drift:
    measurement = sight.snapshot.targets["weights"][name]
    assert measurement.picture is not None
    return draw_drift(sight, "weights", measurement, measurement.picture.extreme, sight.memory.start[f"weights/{name}"])


def test_cells_show_the_change_since_the_first_snapshot_in_a_range_of_their_own() -> None:
    start = 10 * normal(12, 30)
    change = 0.01 * normal(12, 30, seed=1)
    sight = scene({"w": start + change}, before=[{"w": start}, {"w": start + 5}])
    (image,) = drift(sight)
    assert isinstance(image, Image) and image.tag == "weights.drift/w"
    result = drawn(sight)
    assert result.limit < 0.1
    cells = centres(decoded(image), result.layout.cells, result.layout.factor)
    read = values_of(cells, result.limit).reshape(12, 30)
    assert np.abs(read - np.clip(change, -result.limit, result.limit)).max() <= result.limit / 100 + 1e-5


def test_pooled_cells_show_the_difference_of_the_drawn_cells() -> None:
    start, now = np.zeros((1, 512)), np.zeros((1, 512))
    start[0, :4], now[0, :4] = [3, 1, 0, 0], [3, 2, -1, 0]
    sight = scene({"w": np.vstack([now, now])}, before=[{"w": np.vstack([start, start])}])
    result = drawn(sight)
    cells = centres(result.pixels, result.layout.cells, result.layout.factor)
    read = values_of(cells, result.limit).reshape(2, 256)
    assert read[:, :3] == pytest.approx(np.array([[0, -1, 0]] * 2), abs=result.limit / 100)


def test_value_that_became_nan_is_magenta() -> None:
    now = normal(4, 4)
    now[1, 2] = np.nan
    result = drawn(scene({"w": now}, before=[{"w": normal(4, 4)}]))
    assert color_at(result.pixels, result.layout.cell(1, 2)) == MAGENTA


def test_frozen_parameter_is_drawn_without_change() -> None:
    values = normal(4, 4)
    result = drawn(scene({"w": values}, before=[{"w": values}]))
    assert len(np.unique(result.layout.cells.of(result.pixels).reshape(-1, 3), axis=0)) == 1


@pytest.mark.parametrize("shape", [(), (5,), (300,), (1, 1), (10, 64), (300, 700), (8, 3, 5, 5)])
def test_shapes(shape: tuple[int, ...]) -> None:
    (image,) = drift(scene({"w" * 80: normal(*shape)}, epochs=3))
    assert isinstance(image, Image)
    assert (image.pixels[:, -8:] == 255).all()
    assert np.flatnonzero((image.pixels != 255).any(axis=(0, 2))).max() > 0.6 * WIDTH


def test_nothing_at_the_first_snapshot_or_without_a_start() -> None:
    assert list(drift(scene({"w": normal(3, 3)}))) == []
    assert list(drift(scene({"w": normal(3, 3)}, epochs=2, keep_start=False))) == []
