"""Heatmaps of every kind: vectors over time, filters, kernels, gates and heads, embeddings."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image as PillowImage

from lightning_weightviz.artifacts import Image
from lightning_weightviz.draw.color import magnitude_table, signed_table
from lightning_weightviz.draw.dead import DEAD
from lightning_weightviz.draw.matrix import STRIP_PAPER
from lightning_weightviz.draw.page import WIDTH
from lightning_weightviz.draw.tiles import TileLayout
from lightning_weightviz.views import Scene
from lightning_weightviz.views.heatmap.view import Heatmap, draw_heatmap, heatmap
from tests.support.pixels import (
    BLACK,
    MAGENTA,
    Array,
    Pixels,
    assert_margins,
    centres,
    color_at,
    decoded,
    expect_color,
    normal,
    picture_of,
    range_of,
    values_of,
)
from tests.support.scenes import scene


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

    def test_a_dead_filter_has_a_coloured_edge(self) -> None:
        values = normal(6, 1, 5, 5)
        values[4] = 0
        _, pixels, layout = self.look(values)
        edges = [tuple(pixels[layout.cell(n, 0, 0).top - 2, layout.cell(n, 0, 0).left + 9]) for n in range(6)]
        assert [edge == DEAD for edge in edges] == [False] * 4 + [True, False]
        assert (pixels[layout.box.bottom :] == DEAD).all(axis=2).sum() > 50

    def test_rows_of_a_first_linear_are_tiles(self) -> None:
        values = normal(128, 784)
        values[100, 28 * 7 + 5] = np.nan
        sight, pixels, layout = self.look(values, fields={"layout": "filters", "tile": (1, 28, 28)})
        assert layout.shown == 128 and layout.factor == 2
        assert color_at(pixels, layout.cell(100, 7, 5)) == MAGENTA
        limit = range_of(sight)
        for unit, row, column in [(0, 0, 0), (127, 27, 27), (50, 3, 20)]:
            read = values_of(np.array([[color_at(pixels, layout.cell(unit, row, column))]], np.uint8), limit)
            assert abs(read[0] - np.clip(values[unit, 28 * row + column], -limit, limit)) <= limit / 100

    def test_more_rows_than_a_page_holds(self) -> None:
        _, pixels, layout = self.look(normal(600, 784), fields={"layout": "filters", "tile": (1, 28, 28)})
        assert 100 <= layout.shown < 167
        assert_margins(pixels)


class TestKernels:
    def look(self, values: Array, **more: Any) -> tuple[Scene, Pixels, Heatmap]:
        sight = scene({"conv2.weight": values}, kinds={"conv2.weight": "conv"}, **more)
        (image,) = heatmap(sight)
        assert isinstance(image, Image)
        return sight, decoded(image), draw_heatmap(sight, "weights", sight.snapshot.targets["weights"]["conv2.weight"])

    def read(self, sight: Scene, pixels: Pixels, drawn: Heatmap, name: str) -> Array:
        layout, limit = drawn.panels[name], sight.memory.ranges[f"weights/conv2.weight:{name}"]
        cells = centres(pixels, layout.box, layout.factor)
        if name == "sums":
            return values_of(cells, limit).reshape(cells.shape[:2])
        table = magnitude_table(20)[:21].astype(int)
        distances = np.abs(cells[:, :, None].astype(int) - table).sum(axis=3)
        assert (distances.min(axis=2) == 0).all()
        return np.asarray(distances.argmin(axis=2) / 20 * limit)

    @pytest.mark.parametrize("shape", [(12, 5, 3, 3), (64, 32, 3, 3), (8, 3, 5), (6, 4, 2, 3, 3)])
    def test_maps_hold_norms_sums_and_positions(self, shape: tuple[int, ...]) -> None:
        values = normal(*shape)
        sight, pixels, drawn = self.look(values)
        flat = values.reshape(*shape[:2], -1)
        ranges = sight.memory.ranges
        top = ranges["weights/conv2.weight:norms"]
        norms = np.minimum(np.linalg.norm(flat, axis=2), top)
        assert np.abs(self.read(sight, pixels, drawn, "norms") - norms).max() <= top / 40 + 1e-5
        top = ranges["weights/conv2.weight:sums"]
        assert np.abs(self.read(sight, pixels, drawn, "sums") - np.clip(flat.sum(2), -top, top)).max() <= top / 100
        positions = np.sqrt((flat**2).mean(axis=(0, 1))).reshape(-1, shape[-1])
        top = ranges["weights/conv2.weight:positions"]
        assert np.abs(self.read(sight, pixels, drawn, "positions") - positions).max() <= top / 40 + 1e-5
        assert_margins(pixels)

    def test_planted(self) -> None:
        values = 0.1 * normal(40, 30, 3, 3)
        values[7, 9, 2, 2], values[20, 20, 0, 1], values[30, 3] = np.nan, np.inf, 5.0
        values[12] = 0
        values[:, 17] = 0
        _, pixels, drawn = self.look(values)
        norms, sums = drawn.panels["norms"], drawn.panels["sums"]
        for layout in (norms, sums):
            assert color_at(pixels, layout.cell(7, 9)) == MAGENTA
            assert color_at(pixels, layout.cell(20, 20)) == BLACK
        assert color_at(pixels, norms.cell(30, 3)) == tuple(magnitude_table(20)[20])
        assert color_at(pixels, sums.cell(30, 3)) == tuple(signed_table("RdBu_r")[200])
        dead = norms.cell(12, 0)
        assert tuple(pixels[dead.top + 1, dead.left - 5]) == DEAD
        dead = norms.cell(0, 17)
        assert tuple(pixels[norms.box.bottom + 4, dead.left + 1]) == DEAD
        left = pixels[norms.box.top : norms.box.bottom, norms.box.left - 5]
        assert (left == DEAD).all(axis=1).sum() == norms.factor[0]

    def test_many_channels_are_pooled_by_kernels(self) -> None:
        values = 0.01 * normal(600, 300, 3, 3)
        values[599, 150] = -1.0
        _, pixels, drawn = self.look(values)
        cell = drawn.panels["sums"].cell(599 * 256 // 600, 150 * 256 // 300)
        assert color_at(pixels, cell) == tuple(signed_table("RdBu_r")[0])

    def test_a_palette_holds_it(self) -> None:
        (image,) = heatmap(self.look(normal(64, 32, 3, 3))[0])
        assert isinstance(image, Image) and PillowImage.open(io.BytesIO(image.png)).mode == "P"


class TestBesides:
    def test_usual_size_stands_beside_pooled_extremes(self) -> None:
        values = 0.01 * normal(512, 512)
        values[100:110, 200:210] *= 5
        values[400, 400] = 1.0
        sight = scene({"fc.weight": values})
        pixels, layout = picture_of(sight)
        drawn = draw_heatmap(sight, "weights", sight.snapshot.targets["weights"]["fc.weight"])
        panel, table = drawn.panels["rms"], magnitude_table(20)
        top = sight.memory.ranges["weights/fc.weight:rms"]
        rms = np.sqrt((values.reshape(256, 2, 256, 2) ** 2).mean(axis=(1, 3)))
        for row, column in [(0, 0), (52, 102), (200, 200), (255, 255)]:
            step = round(20 * min(rms[row, column] / top, 1))
            assert color_at(pixels, panel.cell(row, column)) == tuple(table[step])
        assert panel.box.left > layout.bar.right and panel.box.right <= WIDTH - 8

    @pytest.mark.parametrize(("shape", "cells"), [((96, 24), 32), ((1536, 512), 85), ((1000, 30), 64)])
    def test_blocks_are_apart_and_no_cell_is_of_two(self, shape: tuple[int, int], cells: int) -> None:
        count = 4 if shape[0] == 1000 else 3
        blocks = ("q query", "k key", "v value", "o output")[:count]
        values = np.repeat(np.arange(1.0, count + 1), shape[0] // count)[:, None] * np.ones(shape)
        sight = scene({"w": values}, fields={"blocks": blocks, "heads": 2}, color_range=4.0)
        pixels, layout = picture_of(sight)
        rows = layout.block * count
        assert layout.block == cells - (0 if shape[0] < 256 or count == 4 else cells % 2) or layout.block * count <= 256
        colors = [color_at(pixels, layout.cell(row, 0)) for row in range(rows)]
        assert len(set(colors)) == count and colors == sorted(colors, key=colors.index)
        assert layout.cell(layout.block, 0).top - layout.cell(layout.block - 1, 0).bottom == 6
        assert_margins(pixels)


class TestEmbedding:
    def test_ranking_leaves_padding_out(self) -> None:
        first = normal(50, 16)
        now = first.copy()
        now[[3, 8]] += 1.0
        now[0] += 100.0
        fields = {"padding_index": 0}
        sight = scene({"emb": now}, before=[{"emb": first}], kinds={"emb": "embedding"}, fields=fields)
        picture = sight.snapshot.targets["weights"]["emb"].picture
        assert picture is not None and picture.rank is not None
        assert picture.rank.changed.tolist() in ([3, 8], [8, 3]) and len(picture.rank.norms) == 49
        (image,) = heatmap(sight)
        assert isinstance(image, Image)
        assert_margins(decoded(image))
        without = scene({"emb": first}, kinds={"emb": "embedding"}, fields=fields)
        assert len(next(iter(heatmap(without))).pixels) <= len(image.pixels)  # type: ignore[union-attr]


def test_what_has_no_name_is_a_flattened_matrix() -> None:
    sight = scene({"w": normal(4, 3, 16)})
    drawn = draw_heatmap(sight, "weights", sight.snapshot.targets["weights"]["w"])
    assert "flattened to 4×48" in drawn.caption
