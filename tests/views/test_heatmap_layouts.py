"""Heatmaps that are no matrices: vectors over time and filters as tiles."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lightning_weightviz.artifacts import Image
from lightning_weightviz.draw.matrix import STRIP_PAPER, MatrixLayout
from lightning_weightviz.draw.page import WIDTH
from lightning_weightviz.draw.tiles import TileLayout
from lightning_weightviz.views import Scene
from lightning_weightviz.views.heatmap import draw_heatmap, heatmap
from tests.views.pixels import (
    BLACK,
    MAGENTA,
    Array,
    Pixels,
    assert_margins,
    color_at,
    decoded,
    expect_color,
    normal,
    picture_of,
    range_of,
    values_of,
)
from tests.views.scenes import scene


class TestVector:
    def test_rows_are_snapshots(self) -> None:
        moments = [{"bias": t * np.array([1.0, -1.0, 0.5])} for t in range(6)]
        sight = scene(moments[-1], before=moments[:-1], color_range=5.0)
        pixels, layout = picture_of(sight)
        for t in range(6):
            for index, value in enumerate(moments[t]["bias"]):
                assert color_at(pixels, layout.cell(t, index)) == expect_color(sight, float(value))

    @pytest.mark.parametrize("length", [1, 2, 10, 128, 5000])
    @pytest.mark.parametrize("epochs", [0, 1, 20])
    def test_is_never_a_thin_strip(self, length: int, epochs: int) -> None:
        pixels, layout = picture_of(scene({"bias": normal(length)}, epochs=epochs))
        assert_margins(pixels)
        assert layout.cells.height >= 90
        assert layout.bar.right > 0.6 * WIDTH
        assert len(pixels) <= 600

    def test_scalar(self) -> None:
        sight = scene({"scale": np.array(0.5)})
        pixels, layout = picture_of(sight)
        assert color_at(pixels, layout.cells) == expect_color(sight, 0.5)

    def test_time_before_the_first_measurement_is_not_nan(self) -> None:
        sight = scene({"bias": np.ones(4)}, before=[{"bias": np.full(4, np.nan)}, {"bias": np.ones(4)}])
        pixels, layout = picture_of(sight)
        assert color_at(pixels, layout.cell(0, 0)) == STRIP_PAPER

    def test_nan_after_values_is_nan(self) -> None:
        sight = scene({"bias": np.full(4, np.nan)}, before=[{"bias": np.ones(4)}])
        pixels, layout = picture_of(sight)
        assert color_at(pixels, layout.cell(1, 0)) == MAGENTA


class TestFilters:
    def look(self, values: Array, **style: Any) -> tuple[Scene, Pixels, TileLayout]:
        sight = scene({"conv1.weight": values}, **style)
        (image,) = heatmap(sight)
        layout = draw_heatmap(sight, "weights", sight.snapshot.targets["weights"]["conv1.weight"]).layout
        assert isinstance(image, Image) and isinstance(layout, TileLayout)
        return sight, decoded(image), layout

    def test_colour(self) -> None:
        values = normal(64, 3, 7, 7)
        sight, pixels, layout = self.look(values)
        limit = range_of(sight)
        assert layout.shown == 64
        for index, row, column in [(0, 0, 0), (5, 3, 2), (63, 6, 6), (17, 0, 6)]:
            expected = np.rint(
                255 * (0.5 + 0.5 * np.clip(values[index, :, row, column].astype(np.float32) / limit, -1, 1))
            )
            assert np.abs(np.array(color_at(pixels, layout.cell(index, row, column))) - expected).max() <= 1

    def test_one_channel_is_a_signed_map(self) -> None:
        values = np.clip(normal(8, 1, 3, 3), -1, 1)
        _, pixels, layout = self.look(values, color_range=1.0)
        for index in range(8):
            read = values_of(np.array([[color_at(pixels, layout.cell(index, 1, 2))]], np.uint8), 1.0)
            assert abs(read[0] - values[index, 0, 1, 2]) <= 0.01

    @pytest.mark.parametrize(("broken", "color"), [(np.nan, MAGENTA), (np.inf, BLACK), (-np.inf, BLACK)])
    @pytest.mark.parametrize("channels", [1, 3])
    def test_not_finite(self, broken: float, color: tuple[int, int, int], channels: int) -> None:
        values = 0.1 * normal(6, channels, 3, 3)
        values[4, 0, 2, 1] = broken
        _, pixels, layout = self.look(values)
        assert color_at(pixels, layout.cell(4, 2, 1)) == color

    @pytest.mark.parametrize(
        "shape", [(1, 3, 3, 3), (6, 1, 5, 5), (64, 3, 7, 7), (512, 3, 3, 3), (768, 3, 16, 16), (3, 1, 1, 9)]
    )
    def test_page_is_used_and_nothing_is_cut(self, shape: tuple[int, int, int, int]) -> None:
        _, pixels, layout = self.look(normal(*shape))
        assert_margins(pixels)
        assert layout.shown >= min(shape[0], 96)
        assert layout.box.right <= WIDTH and layout.box.bottom < len(pixels) <= 720
        if shape[0] >= 6:
            assert layout.box.width > 0.7 * WIDTH

    def test_kernel_too_large_for_a_tile_is_a_matrix(self) -> None:
        _, layout = picture_of(scene({"conv1.weight": normal(2, 1, 300, 2)}))
        assert isinstance(layout, MatrixLayout)
