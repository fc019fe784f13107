"""The head's pictures and numbers, read back from the pixels and compared with plain numpy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from lightning_weightviz.artifacts import Image, Scalar
from lightning_weightviz.draw.chart import BLUE
from lightning_weightviz.draw.color import NO_VALUE, STEPS
from lightning_weightviz.snapshot import ClassPairs, ClassRows
from lightning_weightviz.views import Scene
from lightning_weightviz.views.classes.cosine import draw_cosine
from lightning_weightviz.views.classes.norms import MAX_BARS, draw_norms
from lightning_weightviz.views.classes.templates import MAX_TEMPLATES, draw_templates
from lightning_weightviz.views.classes.view import MAX_SCALAR_CLASSES, classes, draw_weights, unique
from lightning_weightviz.views.support.words import moment
from tests.support import scenes
from tests.support.pixels import MAGENTA, Pixels, assert_margins, centres, color_at, decoded, values_of
from tests.support.scenes import scene

NAME = "fc.weight"
Array = np.ndarray
LONG = "a class with a long name of eighty characters, as data sets of products have them"


def normal(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape)


def head_scene(
    weight: Array, bias: Array | None = None, names: Sequence[str] | None = None, templates: Array | None = None
) -> Scene:
    weights = {NAME: weight} if bias is None else {NAME: weight, "fc.bias": bias}
    return scene(weights, head=NAME, class_names=names, templates=templates)


def head_of(sight: Scene) -> ClassRows:
    (head,) = sight.snapshot.heads
    return head


def pairs_of(sight: Scene) -> ClassPairs:
    (pending,) = sight.pairs
    pairs = pending.result()
    assert pairs is not None
    return pairs


def images(sight: Scene) -> dict[str, Pixels]:
    return {artifact.tag: decoded(artifact) for artifact in classes(sight) if isinstance(artifact, Image)}


def scalars(sight: Scene) -> dict[str, float]:
    return {artifact.tag: artifact.value for artifact in classes(sight) if isinstance(artifact, Scalar)}


def test_no_head_no_artifacts() -> None:
    assert list(classes(scene({NAME: normal(3, 4)}))) == []


def test_tags_of_ten_classes() -> None:
    sight = head_scene(normal(10, 16), normal(10), templates=normal(10, 1, 4, 4))
    assert list(images(sight)) == ["classes/weights", "classes/cosine", "classes/norms", "classes/templates"]
    assert list(scalars(sight)) == [
        *(f"classes.norm/{index}" for index in range(10)),
        "classes.norm_spread/head",
        "classes.cosine_spread/head",
        "classes.simplex_distance/head",
    ]


def test_scalars_are_what_numpy_says() -> None:
    weight = normal(5, 8)
    found = scalars(head_scene(weight, names=["a", "b", "c", "d", "e"]))
    rows = weight - weight.mean(0)
    norms = np.linalg.norm(rows, axis=1)
    cosines = (rows @ rows.T / np.outer(norms, norms))[np.triu_indices(5, 1)]
    assert [found[f"classes.norm/{name}"] for name in "abcde"] == pytest.approx(norms.tolist())
    assert found["classes.norm_spread/head"] == pytest.approx(norms.std() / norms.mean())
    assert found["classes.cosine_spread/head"] == pytest.approx(cosines.std())


def test_what_is_undefined_is_not_logged() -> None:
    assert "classes.simplex_distance/head" not in scalars(head_scene(normal(10, 4)))
    assert list(scalars(head_scene(normal(2, 4)))) == ["classes.norm/0", "classes.norm/1"]
    assert list(scalars(head_scene(normal(1, 4)))) == ["classes.norm/0"]
    assert "classes.norm_spread/head" not in scalars(head_scene(np.ones((3, 4))))
    many = scalars(head_scene(normal(MAX_SCALAR_CLASSES + 1, 40)))
    assert not any(tag.startswith("classes.norm/") for tag in many)
    broken = head_scene(normal(3, 4))
    lost = replace(head_of(broken), norms=np.array([1.0, math.nan, 2.0]))
    pairs = scenes.known(replace(pairs_of(broken), cosine_spread=math.inf))
    lost_scene = replace(broken, snapshot=replace(broken.snapshot, heads=(lost,)), pairs=(pairs,))
    assert list(scalars(lost_scene)) == ["classes.norm/0", "classes.norm/2", "classes.simplex_distance/head"]


@pytest.mark.parametrize("names", [("a", "a"), ("a", "a", "a (0)"), ("x", "x (1)", "x"), ("a", "b")], ids=str)
def test_tags_of_classes_never_collide(names: tuple[str, ...]) -> None:
    found = unique(names)
    assert len(set(found)) == len(names) and all(found)
    assert all(tag.startswith(name) for tag, name in zip(found, names, strict=True))


def test_names_that_cannot_be_written_are_mended() -> None:
    sight = head_scene(normal(6, 8), names=["a\nb", "", "\x00", "  c ", "../d", "漢字" * 30])
    assert len(images(sight)) == 3
    tags = [tag for tag in scalars(sight) if tag.startswith("classes.norm/")]
    assert [tag.removeprefix("classes.norm/") for tag in tags] == ["a b", "1", "2", "c", "../d", "漢字" * 30]


def test_a_permuted_class_is_at_its_row() -> None:
    weight = normal(10, 40)
    order = [0, 1, 7, 3, 4, 5, 6, 2, 8, 9]
    raster, layout = draw_weights(head_scene(weight[order]), head_of(head_scene(weight[order])))
    pixels = raster.pixels
    assert np.array_equal(images(head_scene(weight[order]))["classes/weights"], pixels)
    limit = head_scene(weight[order]).memory.ranges[f"weights/{NAME}"]
    read = values_of(centres(pixels, layout.cells, layout.factor), limit).reshape(10, 40)
    assert np.abs(read - np.clip(weight, -limit, limit)[order]).max() <= limit / STEPS


def test_cosines_map_back_within_a_step_of_the_colours() -> None:
    weight = normal(10, 16)
    sight = head_scene(weight)
    drawn = draw_cosine(head_of(sight), pairs_of(sight), moment(sight.snapshot), "RdBu_r")
    pixels = images(sight)["classes/cosine"]
    assert np.array_equal(pixels, drawn.raster.pixels)
    cells = centres(pixels, drawn.box, (drawn.factor, drawn.factor))
    other = ~np.eye(10, dtype=bool)
    assert np.abs(values_of(cells[other], 1.0) - cosines_of(weight)[other]).max() <= 1 / STEPS
    assert {tuple(color) for color in cells[~other].tolist()} == {NO_VALUE}


def cosines_of(weight: Array) -> Array:
    rows = weight - weight.mean(0)
    norms = np.linalg.norm(rows, axis=1)
    return np.asarray(rows @ rows.T / np.outer(norms, norms))


def test_opposite_and_equal_classes_have_the_ends_of_the_colours() -> None:
    weight = np.array([[1.0, 0, 0], [1.0, 0, 0], [-1.0, 0, 0], [-1.0, 0, 0]])
    sight = head_scene(weight)
    drawn = draw_cosine(head_of(sight), pairs_of(sight), moment(sight.snapshot), "RdBu_r")
    cells = centres(drawn.raster.pixels, drawn.box, (drawn.factor, drawn.factor))
    red, blue = cells[0, 1].tolist(), cells[0, 2].tolist()
    assert values_of(np.array([red, blue], np.uint8), 1.0).tolist() == [1.0, -1.0]


@pytest.mark.parametrize("count", [30, 100, 300, 500])
def test_a_pair_of_twins_is_found_among_many_classes(count: int) -> None:
    weight = normal(count, 64)
    weight[count // 3] = weight[2 * count // 3]
    sight = head_scene(weight)
    drawn = draw_cosine(head_of(sight), pairs_of(sight), moment(sight.snapshot), "RdBu_r")
    cells = centres(drawn.raster.pixels, drawn.box, (drawn.factor, drawn.factor))
    size = len(cells)
    row, column = (index * size // count for index in (count // 3, 2 * count // 3))
    assert values_of(cells[row, column], 1.0) == pytest.approx(1.0, abs=1 / STEPS)
    assert drawn.box.right <= 640 and drawn.box.width >= 380


def test_nan_in_the_rows_is_magenta_and_a_row_of_zeros_grey() -> None:
    sight = head_scene(normal(4, 6))
    head, pairs = head_of(sight), pairs_of(sight)
    cosine = pairs.cosine.copy()
    cosine[1, 2] = cosine[2, 1] = math.nan
    for norms, color in ((head.norms, NO_VALUE), (np.full(4, math.nan), MAGENTA)):
        drawn = draw_cosine(replace(head, norms=norms), replace(pairs, cosine=cosine), "start", "RdBu_r")
        cells = centres(drawn.raster.pixels, drawn.box, (drawn.factor, drawn.factor))
        assert tuple(cells[1, 2].tolist()) == color and tuple(cells[1, 1].tolist()) == NO_VALUE


def test_a_class_of_twice_the_norm_has_a_bar_twice_as_long() -> None:
    directions = np.linalg.qr(normal(8, 8))[0][:4]
    weight = np.concatenate([directions, -directions])
    weight[[2, 6]] *= 2
    sight = head_scene(weight, bias=normal(8))
    drawn = draw_norms(head_of(sight), moment(sight.snapshot), "RdBu_r")
    assert np.array_equal(images(sight)["classes/norms"], drawn.raster.pixels)
    lengths = [int((box.of(drawn.raster.pixels)[4] == BLUE).all(axis=1).sum()) for box in drawn.bars]
    expected = [norm / drawn.top * drawn.bars[0].width for norm in np.linalg.norm(weight - weight.mean(0), axis=1)]
    assert lengths == pytest.approx(expected, abs=1)
    assert lengths[2] == pytest.approx(2 * lengths[1], abs=2)


def test_a_nan_bias_and_norm_are_magenta() -> None:
    head = replace(head_of(head_scene(normal(3, 4))), norms=np.array([1.0, math.nan, math.inf]))
    drawn = draw_norms(head, "start", "RdBu_r")
    assert (drawn.bars[1].of(drawn.raster.pixels)[3, 3:10] == MAGENTA).all()
    assert not (drawn.bars[0].of(drawn.raster.pixels) == MAGENTA).all(axis=2).any()


def test_templates_map_back_and_a_planted_one_is_at_its_place() -> None:
    templates = normal(10, 1, 28, 28)
    sight = head_scene(normal(10, 16), templates=templates)
    limit = sight.memory.ranges["classes/templates"]
    drawn = draw_templates(head_of(sight), moment(sight.snapshot), limit, "RdBu_r")
    assert np.array_equal(images(sight)["classes/templates"], drawn.raster.pixels)
    assert len(drawn.tiles) == 10
    for template, box in zip(templates, drawn.tiles, strict=True):
        read = values_of(centres(drawn.raster.pixels, box, (drawn.factor, drawn.factor)), limit).reshape(28, 28)
        assert np.abs(read - np.clip(template[0], -limit, limit)).max() <= limit / STEPS


def test_templates_in_colour_are_one_half_plus_half_the_weight() -> None:
    templates = normal(3, 3, 5, 6)
    sight = head_scene(normal(3, 16), templates=templates)
    drawn = draw_templates(head_of(sight), "start", 2.0, "RdBu_r")
    cells = centres(drawn.raster.pixels, drawn.tiles[1], (drawn.factor, drawn.factor))
    exact = 255 * (0.5 + 0.5 * np.clip(templates[1].transpose(1, 2, 0) / 2.0, -1, 1))
    assert np.abs(cells - exact).max() <= 0.51


@pytest.mark.parametrize("shape", [(1000, 3, 32, 32), (2, 1, 224, 224), (5, 2, 9, 40), (1, 1, 1, 900), (41, 1, 3, 3)])
def test_templates_of_any_shape_stay_on_the_page(shape: tuple[int, int, int, int]) -> None:
    head = replace(head_of(head_scene(normal(max(shape[0], 2), 4))), templates=normal(*shape).astype(np.float32))
    drawn = draw_templates(head, "start", 1.0, "RdBu_r")
    assert len(drawn.tiles) == min(shape[0], MAX_TEMPLATES)
    assert max(box.right for box in drawn.tiles) <= 706 and drawn.raster.pixels.shape[0] < 1000
    assert (drawn.raster.pixels[:, 708:] == 255).all()


def test_one_output_has_weights_and_norms_alone() -> None:
    sight = head_scene(normal(1, 8), bias=normal(1), names=["spam"], templates=normal(1, 1, 2, 4))
    assert list(images(sight)) == ["classes/weights", "classes/norms"]


def test_two_classes_show_their_difference_and_no_cosine() -> None:
    weight = normal(2, 20)
    sight = head_scene(weight)
    assert list(images(sight)) == ["classes/weights", "classes/norms"]
    raster, layout = draw_weights(sight, head_of(sight))
    limit = sight.memory.ranges[f"weights/{NAME}"]
    read = values_of(centres(raster.pixels, layout.cells, layout.factor), limit).reshape(3, 20)
    assert np.abs(read[2] - np.clip(weight[1] - weight[0], -limit, limit)).max() <= limit / STEPS
    _, pooled = draw_weights(sight := head_scene(normal(2, 900)), head_of(sight))
    assert pooled.cells.height // pooled.factor[0] == 2


@pytest.mark.parametrize("count", [1, 2, 3, 10, 23, 24, MAX_BARS, MAX_BARS + 1, 100, 1000])
@pytest.mark.parametrize("long", [False, True])
def test_nothing_leaves_the_page_and_nothing_is_too_tall(count: int, long: bool) -> None:
    names = [f"{LONG} {index}" for index in range(count)] if long else None
    templates = None if count == 1000 else normal(count, 1, 8, 8)
    sight = head_scene(normal(count, 12), bias=normal(count), names=names, templates=templates)
    for tag, pixels in images(sight).items():
        assert pixels.shape[1] == 720 and 150 < pixels.shape[0] < 1000, tag
        assert (pixels[:, 716:] == 255).all() and (pixels[:, :8] == 255).all(), tag
        assert (pixels[-6:] == 255).all(), tag


@pytest.mark.parametrize("value", [0.0, math.nan, math.inf, 1.0])
@pytest.mark.parametrize("count", [1, 2, 10, 40])
@pytest.mark.filterwarnings("ignore:.*:RuntimeWarning:tests.support.scenes")
def test_degenerate_heads_are_drawn(value: float, count: int) -> None:
    weight = np.full((count, 6), value)
    sight = head_scene(weight, bias=np.full(count, value), templates=np.full((count, 1, 2, 3), value))
    found = list(classes(sight))
    assert {"classes/weights", "classes/norms"} <= {artifact.tag for artifact in found}
    assert all(math.isfinite(artifact.value) for artifact in found if isinstance(artifact, Scalar))


def test_a_nan_weight_is_magenta_at_its_place() -> None:
    weight = normal(10, 30)
    weight[4, 7] = math.nan
    raster, layout = draw_weights(sight := head_scene(weight), head_of(sight))
    assert color_at(raster.pixels, layout.cell(4, 7)) == MAGENTA
    assert color_at(raster.pixels, layout.cell(4, 8)) != MAGENTA


@pytest.mark.parametrize("count", [2, 3, 12])
def test_answers_by_themselves_have_no_ideal_and_no_difference(count: int) -> None:
    weight = normal(count, 16)
    sight = head_scene(weight)
    head, pairs = scenes.classes_of(NAME, {NAME: weight}, multi_label=True)
    sight = replace(sight, snapshot=replace(sight.snapshot, heads=(head,)), pairs=(scenes.known(pairs),))
    made = {artifact.tag: artifact for artifact in classes(sight)}
    assert {"classes/weights", "classes/cosine", "classes/norms"} <= set(made)
    assert "classes.simplex_distance/head" not in made
    for tag in ("classes/weights", "classes/cosine", "classes/norms"):
        image = made[tag]
        assert isinstance(image, Image)
        assert_margins(decoded(image))
    _, layout = draw_weights(sight, head)
    assert layout.cells.height // layout.factor[0] == count
