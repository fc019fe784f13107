from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from matplotlib import colormaps

from lightning_weightviz.artifacts import Image
from lightning_weightviz.draw.dead import DEAD
from lightning_weightviz.draw.matrix import STRIP_PAPER, MatrixLayout
from lightning_weightviz.draw.page import GREY, INK, LINE, WIDTH
from lightning_weightviz.views import Scene
from lightning_weightviz.views.heatmap.view import heatmap
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

NAME = "fc1.weight"
LONG_NAME = "model.encoder.layers.11.self_attention.output_projection_with_a_long_name.weight"


def test_every_cell_has_the_colour_of_its_weight() -> None:
    values = normal(40, 60)
    sight = scene({NAME: values})
    pixels, layout = picture_of(sight)
    limit = range_of(sight)
    read = values_of(centres(pixels, layout.cells, layout.factor), limit).reshape(40, 60)
    assert np.abs(read - np.clip(values, -limit, limit)).max() <= limit / 100


def test_every_cell_of_a_pooled_matrix_has_the_colour_of_its_extreme() -> None:
    values = normal(300, 784)
    sight = scene({NAME: values})
    pixels, layout = picture_of(sight)
    limit = range_of(sight)
    read = values_of(centres(pixels, layout.cells, layout.factor), limit).reshape(256, 256)
    rows, columns = np.arange(300) * 256 // 300, np.arange(784) * 256 // 784
    for row, column in np.random.default_rng(1).integers(256, size=(200, 2)):
        block = values[rows == row][:, columns == column]
        extreme = np.clip(block.flat[np.abs(block).argmax()], -limit, limit)
        assert abs(read[row, column] - extreme) <= limit / 100


@pytest.fixture(scope="module")
def planted() -> dict[str, tuple[Scene, Pixels, MatrixLayout]]:
    """A small and a large matrix with one of everything that matters, at the same shares of height and width."""
    scenes = {}
    for size, spread in (("small", 0.02), ("large", 0.02)):
        length = 48 if size == "small" else 4096
        values = (spread * normal(length, length)).astype(np.float32)
        place = length // 48
        values[5 * place, 7 * place] = 10 * spread
        values[9 * place, 30 * place] = -10 * spread
        values[20 * place, 11 * place] = np.nan
        values[33 * place, 40 * place] = -np.inf
        values[25 * place] = 0
        values[:, 17 * place] = 0
        sight = scene({NAME: values})
        scenes[size] = sight, *picture_of(sight)
    return scenes


@pytest.mark.parametrize("size", ["small", "large"])
class TestPlanted:
    def cell(self, size: str, row: int, column: int) -> tuple[int, int]:
        """The cell of a place of the planting, in the 48 or the 256 cells of an axis."""
        if size == "small":
            return row, column
        return row * 85 * 256 // 4096, column * 85 * 256 // 4096

    @pytest.mark.parametrize(("place", "sign"), [((5, 7), 1), ((9, 30), -1)])
    def test_ten_sigma_weight(self, planted: Any, size: str, place: tuple[int, int], sign: int) -> None:
        sight, pixels, layout = planted[size]
        assert color_at(pixels, layout.cell(*self.cell(size, *place))) == expect_color(sight, sign * range_of(sight))

    @pytest.mark.parametrize(("place", "color"), [((20, 11), MAGENTA), ((33, 40), BLACK)])
    def test_not_finite(self, planted: Any, size: str, place: tuple[int, int], color: tuple[int, int, int]) -> None:
        _, pixels, layout = planted[size]
        cells = centres(pixels, layout.cells, layout.factor)
        found = np.argwhere((cells == color).all(axis=2)).tolist()
        assert found == [list(self.cell(size, *place))]

    def test_dead_row_and_column(self, planted: Any, size: str) -> None:
        _, pixels, layout = planted[size]
        row, column = self.cell(size, 25, 17)
        assert layout.row_strip is not None and layout.column_strip is not None
        rows = (layout.row_strip.of(pixels)[:: layout.factor[0]] == DEAD).all(axis=(1, 2))
        columns = (layout.column_strip.of(pixels)[:, :: layout.factor[1]] == DEAD).all(axis=(0, 2))
        assert np.flatnonzero(rows).tolist() == [row]
        assert np.flatnonzero(columns).tolist() == [column]

    def test_legend_names_what_is_not_finite(self, planted: Any, size: str) -> None:
        _, pixels, layout = planted[size]
        below = pixels[layout.cells.bottom + 60 :].reshape(-1, 3)
        for color in (MAGENTA, BLACK, DEAD):
            assert (below == color).all(axis=1).sum() > 50


def test_no_legend_for_what_is_not_there() -> None:
    pixels, layout = picture_of(scene({NAME: normal(20, 20)}))
    below = pixels[layout.cells.bottom + 60 :].reshape(-1, 3)
    for color in (MAGENTA, BLACK, DEAD):
        assert not (below == color).all(axis=1).any()


def test_sign_flip() -> None:
    values = normal(30, 30)
    flipped = values.copy()
    row, column = np.unravel_index(np.abs(values - 1).argmin(), values.shape)
    flipped[row, column] *= -1
    sight, other = scene({NAME: values}, color_range=2.0), scene({NAME: flipped}, color_range=2.0)
    (before, layout), (after, _) = picture_of(sight), picture_of(other)
    changed = (centres(before, layout.cells, layout.factor) != centres(after, layout.cells, layout.factor)).any(axis=2)
    assert np.argwhere(changed).tolist() == [[row, column]]
    assert color_at(before, layout.cell(int(row), int(column))) == expect_color(sight, 1.0)
    assert color_at(after, layout.cell(int(row), int(column))) == expect_color(sight, -1.0)


def test_row_strip_has_the_length_of_the_norm() -> None:
    values = normal(12, 50) * np.arange(1, 13)[:, None]
    pixels, layout = picture_of(scene({NAME: values}))
    assert layout.row_strip is not None
    paper = (layout.row_strip.of(pixels)[:: layout.factor[0]] == STRIP_PAPER).all(axis=2).sum(axis=1)
    lengths = (layout.row_strip.width - paper) / layout.row_strip.width * layout.strip_tops[0]
    assert np.abs(lengths - np.linalg.norm(values, axis=1)).max() <= layout.strip_tops[0] / layout.row_strip.width


def test_column_strip_shows_the_range_of_pooled_norms() -> None:
    values = normal(64, 512)
    values[:, 100] *= 3
    sight = scene({NAME: values})
    pixels, layout = picture_of(sight)
    assert layout.column_strip is not None
    strip = layout.column_strip.of(pixels)[:, :: layout.factor[1]]
    tall = (strip != STRIP_PAPER).any(axis=2).sum(axis=0)
    assert tall.argmax() == 50
    assert len(np.unique(strip[:, 50], axis=0)) == 3


@pytest.mark.parametrize("value", [0.0, 0.25, -3.0, 1e-30, 1e30])
def test_constant_matrix(value: float) -> None:
    sight = scene({NAME: np.full((6, 9), value, np.float32)})
    pixels, layout = picture_of(sight)
    cells = centres(pixels, layout.cells, layout.factor).reshape(-1, 3)
    assert {tuple(color) for color in cells.tolist()} == {
        expect_color(sight, np.clip(value, -range_of(sight), range_of(sight)))
    }


def test_nothing_finite() -> None:
    pixels, layout = picture_of(scene({NAME: np.full((3, 4), np.nan)}))
    assert color_at(pixels, layout.cells) == MAGENTA


SHAPES = [
    (1, 1),
    (1, 7),
    (7, 1),
    (1, 300),
    (300, 1),
    (2, 100_000),
    (10, 64),
    (128, 784),
    (64, 10),
    (256, 256),
    (190, 190),
]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("scale", [1.0, 3.3e-11])
def test_page_is_used_and_nothing_is_cut(shape: tuple[int, int], scale: float) -> None:
    pixels, layout = picture_of(scene({NAME: scale * normal(*shape)}))
    assert pixels.shape[1] == WIDTH and pixels.shape[0] <= 800
    assert_margins(pixels)
    ink = np.flatnonzero((pixels != 255).any(axis=(0, 2)))
    assert ink.max() > 0.9 * WIDTH
    assert layout.cells.width >= 0.33 * WIDTH
    assert layout.cells.height >= 90
    boxes = [box for box in (layout.cells, layout.row_strip, layout.column_strip, layout.bar) if box is not None]
    for index, box in enumerate(boxes):
        assert 0 <= box.left < box.right <= WIDTH and 0 <= box.top < box.bottom <= len(pixels)
        for other in boxes[index + 1 :]:
            assert (
                box.right <= other.left or other.right <= box.left or box.bottom <= other.top or other.bottom <= box.top
            )


@pytest.mark.parametrize(
    "values", [normal(30, 200), normal(200), normal(16, 3, 5, 5)], ids=["matrix", "vector", "filters"]
)
def test_long_name(values: Array) -> None:
    (image,) = heatmap(scene({LONG_NAME: values}))
    assert isinstance(image, Image)
    assert image.tag == f"weights.heatmap/{LONG_NAME}"
    assert_margins(decoded(image))


def test_name_is_not_shortened() -> None:
    """Names that differ in one character anywhere make different headers."""
    names = [LONG_NAME[:place] + "#" + LONG_NAME[place + 1 :] for place in range(0, len(LONG_NAME), 8)]
    headers = set()
    for name in names:
        (image,) = heatmap(scene({name: np.ones((2, 2))}))
        assert isinstance(image, Image)
        headers.add(image.pixels[:64].tobytes())
    assert len(headers) == len(names)


@pytest.mark.parametrize("shape", [(256, 256), (40, 60), (300,), (8, 1, 5, 5)])
def test_png_has_a_palette_and_loses_nothing(shape: Sequence[int]) -> None:
    (image,) = heatmap(scene({NAME: normal(*shape)}, epochs=3))
    assert isinstance(image, Image)
    assert image.png[25] == 3, "not a palette"
    assert np.array_equal(decoded(image), image.pixels)


def test_colour_filters_lose_nothing() -> None:
    (image,) = heatmap(scene({NAME: normal(64, 3, 7, 7)}))
    assert isinstance(image, Image)
    assert np.array_equal(decoded(image), image.pixels)


@pytest.fixture(scope="module")
def ramp() -> Scene:
    return scene({NAME: np.linspace(-1, 1, 12).reshape(3, 4)}, color_range=1.0)


@pytest.mark.parametrize("colormap", sorted(colormaps))
def test_every_colormap(ramp: Scene, colormap: str) -> None:
    pixels, layout = picture_of(replace(ramp, style=replace(ramp.style, colormap=colormap)))
    for index, value in enumerate(np.linspace(-1, 1, 12)):
        row = int(np.rint(value * 100)) + 100
        expected = np.rint(255 * np.array(colormaps[colormap].resampled(201)(row)[:3]))
        assert color_at(pixels, layout.cell(index // 4, index % 4)) == tuple(expected)


def test_zero_is_the_middle_of_the_map() -> None:
    pixels, layout = picture_of(scene({NAME: np.array([[-1.0, 0.0, 1.0]])}))
    assert color_at(pixels, layout.cell(0, 1)) == tuple(
        np.rint(255 * np.array(colormaps["RdBu_r"].resampled(3)(1)[:3]))
    )


def test_same_weights_have_the_same_bytes_at_any_epoch() -> None:
    values = normal(60, 60)
    early, late = scene({NAME: values}, epochs=3), scene({NAME: values}, epochs=9)
    assert range_of(early) == range_of(late)
    (first, layout), (second, _) = picture_of(early), picture_of(late)
    header = layout.cells.top - 30
    assert not np.array_equal(first[:header], second[:header])
    assert np.array_equal(first[header:], second[header:])


def test_epoch_with_more_digits_moves_nothing() -> None:
    values = normal(128, 784)
    (_, early), (_, late) = picture_of(scene({NAME: values}, epochs=1)), picture_of(scene({NAME: values}, epochs=12))
    assert early == late


def test_tags_of_all_targets_and_pictured_parameters() -> None:
    weights = {"a.weight": normal(3, 4), "a.bias": normal(3), "b.weight": normal(5, 3)}
    for target in ("weights", "gradients", "updates"):
        sight = scene(weights, target=target, unpictured=["b.weight"])
        assert [artifact.tag for artifact in heatmap(sight)] == [
            f"{target}.heatmap/a.weight",
            f"{target}.heatmap/a.bias",
        ]


def test_matrix_larger_than_the_page_is_pooled_further() -> None:
    values = np.zeros((900, 1000), np.float32)
    values[450, 999] = 1.0
    sight = scene({NAME: values}, image_size=2000, color_range=1.0)
    pixels, layout = picture_of(sight)
    cells = centres(pixels, layout.cells, layout.factor)
    assert np.argwhere((cells == expect_color(sight, 1.0)).all(axis=2)).tolist() == [[450 * 512 // 900, 511]]


def test_text_is_ink_on_paper() -> None:
    (image,) = heatmap(scene({NAME: normal(8, 8)}))
    assert isinstance(image, Image)
    colors = {tuple(color) for color in image.pixels.reshape(-1, 3).tolist()}
    assert {INK, GREY, LINE} <= colors and len(colors) <= 256
