from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image as PillowImage

from lightning_weightviz.artifacts import Animation, Image
from lightning_weightviz.draw.geometry import Box
from lightning_weightviz.draw.page import WIDTH
from lightning_weightviz.memory import Frame
from lightning_weightviz.views import VIEWS, Scene
from lightning_weightviz.views.evolution import draw_evolution, evolution, film_of, frame_titles
from tests.support.pixels import MAGENTA, color_at, decoded, values_of
from tests.support.scenes import scene
from tests.support.written import listening

Array = np.ndarray[Any, Any]


def normal(*shape: int) -> Array:
    return np.random.default_rng(0).standard_normal(shape)


def drawn(sight: Scene, name: str) -> Any:
    measurement = sight.snapshot.targets["weights"][name]
    return draw_evolution(sight, "weights", measurement.parameter, film(sight, name))


def film(sight: Scene, name: str) -> tuple[Frame, ...]:
    return film_of(sight, "weights", sight.snapshot.targets["weights"][name])


def test_every_tile_shows_its_moment_in_one_range() -> None:
    values = normal(10, 20)
    moments = [{"w": t * values} for t in range(5)]
    sight = scene(moments[-1], before=moments[:-1], color_range=8.0)
    (image,) = evolution(sight)
    assert isinstance(image, Image)
    pixels, layout = decoded(image), drawn(sight, "w").layout
    epochs = [frame.epoch for frame in film(sight, "w")]
    assert epochs == [0, 1, 2, 4]
    for tile, epoch in enumerate(epochs):
        for row, column in [(0, 0), (3, 7), (9, 19)]:
            read = values_of(np.array([[color_at(pixels, layout.cell(tile, row, column))]], np.uint8), 8.0)
            assert abs(read[0] - np.clip(epoch * values[row, column], -8, 8)) <= 8.0 / 100 + 1e-6


def test_nan_is_seen() -> None:
    values = normal(6, 6)
    values[2, 4] = np.nan
    sight = scene({"w": values}, before=[{"w": normal(6, 6)}])
    (image,) = evolution(sight)
    assert isinstance(image, Image)
    assert color_at(decoded(image), drawn(sight, "w").layout.cell(1, 2, 4)) == MAGENTA


@pytest.mark.parametrize("epochs", [0, 1, 2, 3, 4, 8, 16, 20, 40, 200])
def test_tiles_are_large_and_apart(epochs: int) -> None:
    sight = scene({"w": normal(16, 24)}, epochs=epochs)
    result = drawn(sight, "w")
    assert (result.raster.pixels[:, -8:] == 255).all() and (result.raster.pixels[:, :8] == 255).all()
    tiles = result.layout.tiles
    assert all(tile.width >= 180 and tile.height >= 90 for tile in tiles)
    for index, tile in enumerate(tiles):
        assert tile.right <= WIDTH - 16 and tile.bottom <= len(result.raster.pixels) - 8
        for other in tiles[index + 1 :]:
            beside = tile.right + 16 <= other.left
            below = tile.bottom + 40 <= other.top
            assert beside or below


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1), (10, 64), (128, 784), (64, 3, 7, 7)])
def test_shapes(shape: tuple[int, ...]) -> None:
    (image,) = evolution(scene({"a.quite.long.name" * 5: normal(*shape)}, epochs=5))
    assert isinstance(image, Image)
    assert (image.pixels[:, -8:] == 255).all()
    assert np.array_equal(decoded(image), image.pixels)
    assert len(image.pixels) < 1100


def test_filters_that_moved_most_are_shown_and_some_that_moved_least(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = listening(monkeypatch)
    start = normal(64, 1, 5, 5)
    speed = np.arange(64)[::-1].reshape(64, 1, 1, 1) / 64
    moments = [{"w": start + time * speed} for time in range(5)]
    sight = scene(moments[-1], before=moments[:-1], color_range=8.0)
    result = drawn(sight, "w")
    words = " ".join(lines)
    assert "25 of 64 filters: moved most 0, 1, 2, 3, 4, 5, …; least 58, 59, 60, 61, 62, 63" in words
    lines.clear()
    few = {"w": normal(64, 1, 28, 28)}
    drawn(scene({"w": few["w"] + speed}, before=[few]), "w")
    assert "9 of 64 filters: moved most 0, 1, 2, 3, 4, 5, 6; least 62, 63" in " ".join(lines)
    sheet, tile = result.layout.sheet, result.layout.tiles[-1]
    for place, row in ((0, 0), (18, 18), (19, 58), (24, 63)):
        cell = sheet.cell(place, 2, 3)
        box = Box(tile.left + cell.left, tile.top + cell.top, tile.left + cell.right, tile.top + cell.bottom)
        read = values_of(np.array([[color_at(result.raster.pixels, box)]], np.uint8), 8.0)
        assert read[0] == pytest.approx(moments[-1]["w"][row, 0, 2, 3], abs=0.09)


def test_the_snapshots_around_the_largest_change_are_in_the_film(monkeypatch: pytest.MonkeyPatch) -> None:
    lines, values = listening(monkeypatch), normal(6, 8)
    moments = [{"w": values + 0.01 * epoch + (5.0 if epoch >= 6 else 0.0)} for epoch in range(12)]
    sight = scene(moments[-1], before=moments[:-1])
    assert [frame.epoch for frame in film(sight, "w")] == [0, 1, 2, 4, 5, 6, 8, 11]
    drawn(sight, "w")
    assert "largest change: epoch 5 to epoch 6" in " ".join(lines)
    lines.clear()
    drawn(scene(moments[4], before=moments[:4]), "w")
    assert not any("largest change" in line for line in lines)


def test_the_present_is_the_last_frame() -> None:
    assert [frame.epoch for frame in film(scene({"w": normal(2, 2)}, epochs=7), "w")] == [0, 1, 2, 4, 7]


def test_over_time_of_pictured_matrices_and_moving_at_the_end() -> None:
    weights = {"w": normal(3, 3), "b": normal(3), "unpictured": normal(2, 2)}

    def tags(**flags: Any) -> list[str]:
        return [made.tag for made in evolution(scene(weights, epochs=2, unpictured=["unpictured"], **flags))]

    assert tags() == ["weights.evolution/w"]
    assert tags(last=True) == ["weights.evolution/w"]
    assert tags(animation=True) == ["weights.evolution/w"]
    assert tags(last=True, animation=True) == ["weights.evolution/w", "weights.animation/w"]
    assert VIEWS["evolution"].over_time


@pytest.mark.parametrize(
    "name", ["w", "model.encoder.layers.11.self_attention.output_projection_with_a_long_name.weight"]
)
def test_animation_has_a_frame_a_tile_all_of_one_size(name: str) -> None:
    sight = scene({name: normal(8, 8)}, epochs=12, last=True, animation=True)
    _, animation = evolution(sight)
    assert isinstance(animation, Animation)
    assert len({frame.shape for frame in animation.frames}) == 1
    gif = PillowImage.open(io.BytesIO(animation.gif))
    assert getattr(gif, "n_frames", 1) == len(animation.frames) == len(film(sight, name))
    assert gif.size == (WIDTH, len(animation.frames[0]))
    assert len({frame.tobytes() for frame in animation.frames}) == len(animation.frames)


def test_titles_are_steps_where_epochs_repeat() -> None:
    frames = scene({"w": normal(2, 2)}, epochs=4).memory.frames["weights/w"]
    assert frame_titles(frames) == ["start", "epoch 1", "epoch 2", "epoch 4"]
    one_epoch = [type(frame)(**{**vars(frame), "epoch": 0}) for frame in frames]
    # Keras counts its epochs from 0, so that the start lies before.
    before = [replace(frame, step=frame.step - 1) for frame in frames[:1]]
    assert frame_titles(before)[0] == "start" and before[0].step == -1
    assert frame_titles(one_epoch) == ["start", "step 44", "step 89", "step 179"]
