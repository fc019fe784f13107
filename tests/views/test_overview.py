"""The overview: every parameter's strips at their place, in the colour of their value; what is broken stands out."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from matplotlib import colormaps

from lightning_weightviz.artifacts import Image
from lightning_weightviz.draw.color import NO_VALUE, STEPS
from lightning_weightviz.draw.page import LINE, Page
from lightning_weightviz.draw.text import BODY, SMALL, text_width
from lightning_weightviz.snapshot import TrainingFacts
from lightning_weightviz.views import VIEWS, Scene
from lightning_weightviz.views.overview.columns import decades, growth, growth_factors
from lightning_weightviz.views.overview.layout import MAX_MIDDLE, MAX_TALL
from lightning_weightviz.views.overview.view import Overview, draw_overview, overview
from lightning_weightviz.views.support.angle import degrees
from tests.support.pixels import BLACK, MAGENTA, Pixels, color_at, decoded, values_of
from tests.support.scenes import scene

Array = np.ndarray[Any, Any]
Color = tuple[int, int, int]


def normal(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape)


def layers(count: int, *, seed: int = 0) -> dict[str, Array]:
    return {f"layers.{index}.weight": normal(4, 4, seed=seed + index) for index in range(count)}


def picture_of(sight: Scene) -> tuple[Pixels, Overview]:
    """The one overview of a scene, decoded from its PNG, and its layout."""
    (image,) = overview(sight)
    assert isinstance(image, Image)
    ((target, _),) = sight.snapshot.targets.items()
    return decoded(image), draw_overview(sight, target)


def color_of(pixels: Pixels, drawn: Overview, title: str, row: int, time: int) -> Color:
    return color_at(pixels, drawn.layout.cell(row, drawn.titles.index(title), time))


def magnitude(share: float) -> Color:
    color = 255 * np.array(colormaps["cividis"].resampled(STEPS + 1)(round(share * STEPS))[:3])
    red, green, blue = np.rint(color).astype(int).tolist()
    return red, green, blue


def test_one_image_for_each_target_over_time() -> None:
    weights = {"fc.weight": normal(3, 4), "fc.bias": normal(3)}
    assert [image.tag for image in overview(scene(weights))] == ["overview/weights"]
    assert [image.tag for image in overview(scene(weights, target="gradients"))] == ["overview/gradients"]
    assert VIEWS["overview"].over_time


@pytest.mark.parametrize("count", [1, 3, MAX_TALL + 1, MAX_MIDDLE + 1, 161])
def test_zeros_have_their_share_of_the_colours_at_their_row(count: int) -> None:
    weights = layers(count)
    row = count // 2
    weights[f"layers.{row}.weight"][:2] = 0.0
    pixels, drawn = picture_of(scene(weights, unpictured=list(weights)))
    assert color_of(pixels, drawn, "zeros", row, 0) == magnitude(0.5)
    others = {color_of(pixels, drawn, "zeros", other, 0) for other in range(count) if other != row}
    assert others <= {magnitude(0.0)}
    assert color_of(pixels, drawn, "zeros", -1, 0) == magnitude(0.5 / count)


@pytest.mark.parametrize("count", [2, MAX_TALL + 1, MAX_MIDDLE + 1, 900])
def test_no_change_at_all_is_white_and_the_least_change_is_not(count: int) -> None:
    first = layers(count)
    now = first | {f"layers.{count // 2}.weight": first[f"layers.{count // 2}.weight"] * (1 + 1e-9)}
    pixels, drawn = picture_of(scene(now, before=[first, first], unpictured=list(first)))
    row = count // 2 // drawn.layout.per_line * drawn.layout.per_line
    colors = [color_of(pixels, drawn, "change", row, time) for time in range(3)]
    assert colors[1:] == [(255, 255, 255), magnitude(0.0)]
    assert color_of(pixels, drawn, "change", 0, 2) == (255, 255, 255)
    if count <= MAX_MIDDLE:
        cell = drawn.layout.cell(0, drawn.titles.index("change"), 2)
        assert (pixels[cell.bottom, cell.left : cell.right] == LINE).all()


def test_growth_is_white_at_the_start_and_red_at_four_times() -> None:
    values = normal(6, 6)
    moments = [{"w": factor * values} for factor in (1.0, 2.0, 0.5, 16.0)]
    pixels, drawn = picture_of(scene({"w": 4.0 * values}, before=moments))
    colors = np.array([color_of(pixels, drawn, "size (rms)", 0, time) for time in range(5)], np.uint8)
    assert values_of(colors, 1.0) == pytest.approx([0.0, 0.5, -0.5, 1.0, 1.0], abs=1 / STEPS)


def test_turning_by_a_right_angle_fills_the_scale() -> None:
    first, other = np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])
    pixels, drawn = picture_of(scene({"w": other}, before=[{"w": first}, {"w": first + other}]))
    found = [color_of(pixels, drawn, "turned", 0, time) for time in range(3)]
    assert found == [magnitude(0.0), magnitude(0.5), magnitude(1.0)]


def test_change_is_on_a_logarithmic_scale() -> None:
    values = normal(6, 6)
    moments = [{"w": values}, {"w": 1.01 * values}]
    pixels, drawn = picture_of(scene({"w": 2.02 * values}, before=moments))
    assert color_of(pixels, drawn, "change", 0, 1) == magnitude(1 / 3)
    assert color_of(pixels, drawn, "change", 0, 2) == magnitude(1.0)


@pytest.mark.parametrize("count", [3, MAX_TALL + 5, 161, 900])
def test_a_broken_layer_is_found_at_its_row_from_its_time_on(count: int) -> None:
    good, bad = layers(count), layers(count)
    row = 2 * count // 3
    bad[f"layers.{row}.weight"] = np.full((4, 4), math.nan)
    bad["layers.0.weight"][1, 2] = -math.inf
    pixels, drawn = picture_of(scene(bad, before=[good, good, bad], unpictured=list(good)))
    line = row // drawn.layout.per_line
    for title in drawn.titles:
        assert color_of(pixels, drawn, title, row, 1) not in {MAGENTA, BLACK}
        assert color_of(pixels, drawn, title, row, 2) == color_of(pixels, drawn, title, row, 3) == MAGENTA
        assert color_of(pixels, drawn, title, 0, 3) == BLACK
        assert color_of(pixels, drawn, title, -1, 3) == MAGENTA
    magenta = (pixels[:, drawn.layout.lefts[0] + drawn.layout.size[0] - 2] == MAGENTA).all(axis=1)
    tops = drawn.layout.tops
    expected = {*range(tops[line], tops[line] + drawn.layout.size[1]), *range(tops[-1], tops[-1] + 18)}
    assert set(np.flatnonzero(magenta).tolist()) == expected


def test_what_is_not_defined_is_grey() -> None:
    pixels, drawn = picture_of(scene({"b": np.ones(4)}, before=[{"b": np.zeros(4)}] * 2))
    assert color_of(pixels, drawn, "size (rms)", 0, 1) == NO_VALUE
    assert color_of(pixels, drawn, "turned", 0, 2) == NO_VALUE


def test_weights_that_start_at_0_have_no_growth_and_what_comes_later_has() -> None:
    zero, tiny, late = np.zeros((2, 2)), np.full((2, 2), 1e-9), np.full((2, 2), math.nan)
    moments = [{"a": zero, "b": zero + 1, "c": late}, {"a": tiny, "b": tiny, "c": zero + 1}]
    pixels, drawn = picture_of(scene({"a": zero + 1, "b": zero + 4, "c": zero + 4}, before=moments))
    assert {color_of(pixels, drawn, "size (rms)", 0, time) for time in range(3)} == {NO_VALUE}
    red = color_of(pixels, drawn, "size (rms)", 1, 2)
    assert red == color_of(pixels, drawn, "size (rms)", 2, 2) != NO_VALUE


def test_gradients_that_start_at_0_grow_from_the_first_that_is_not() -> None:
    ones = np.ones((2, 2))
    pixels, drawn = picture_of(scene({"a": 4 * ones}, before=[{"a": 0 * ones}, {"a": ones}], target="gradients"))
    assert color_of(pixels, drawn, "growth", 0, 0) == NO_VALUE
    found = np.array([color_of(pixels, drawn, "growth", 0, time) for time in (1, 2)], np.uint8)
    assert values_of(found, 1.0) == pytest.approx([0.0, 1.0], abs=1 / STEPS)


def test_gradients_share_one_scale_of_sizes() -> None:
    pixels, drawn = picture_of(scene({"a": np.full((2, 2), 0.1), "b": np.full((2, 2), 10.0)}, target="gradients"))
    assert color_of(pixels, drawn, "size (rms)", 0, 0) == magnitude(0.5)
    assert color_of(pixels, drawn, "size (rms)", 1, 0) == magnitude(1.0)


def test_scales_by_hand() -> None:
    assert degrees(np.array([0.0, 1.0, 2.0, 0.5, 2.1])).tolist() == pytest.approx([0, 90, 180, 60, 180])
    shares = decades(np.array([1.0, 0.1, 1e-3, 0.0, 5.0, math.nan]), 1.0, 3)
    assert shares.tolist() == pytest.approx([1, 2 / 3, 0, 0, 1, math.nan], nan_ok=True)
    sizes = np.array([[0.0, 2.0, 4.0, 0.0, math.nan], [math.nan, 2.0, 8.0, 0.0, math.nan]])
    neutral, grown = growth(growth_factors(sizes)).tolist()
    assert all(math.isnan(share) for share in neutral)
    assert grown == pytest.approx([math.nan, 0, 1, -1, math.nan], nan_ok=True)
    from_zero = growth(growth_factors(sizes, from_zero=True))[0]
    assert from_zero.tolist() == pytest.approx([math.nan, 0, 0.5, -1, math.nan], nan_ok=True)


def test_times_fill_the_strip_without_a_gap() -> None:
    for times in (1, 2, 7, 65):
        moments = [{"w": normal(2, 2, seed=seed)} for seed in range(times)]
        _, drawn = picture_of(scene(moments[-1], before=moments[:-1]))
        boxes = [drawn.layout.cell(0, 0, time) for time in range(times)]
        assert boxes[0].left == drawn.layout.lefts[0]
        assert boxes[-1].right == drawn.layout.lefts[0] + drawn.layout.size[0]
        assert all(a.right == b.left and a.width > 0 for a, b in itertools.pairwise(boxes))


@pytest.mark.parametrize("count", [1, 12, 13, 32, 33, 161, 800, 1700])
def test_nothing_leaves_the_page_and_nothing_is_too_tall(count: int) -> None:
    name = "model.encoder.layers.11.self_attention.output_projection_with_a_long_name"
    weights = {f"{name}.{index}.weight": np.ones(1) for index in range(count)}
    pixels, _ = picture_of(scene(weights, epochs=1, unpictured=list(weights)))
    assert 250 < pixels.shape[0] < 1400
    assert (pixels[:, :8] == 255).all() and (pixels[:, 714:] == 255).all() and (pixels[-6:] == 255).all()


@pytest.mark.parametrize("count", [MAX_TALL, MAX_TALL + 1, MAX_MIDDLE, MAX_MIDDLE + 1])
def test_names_begin_within_the_page_and_keep_their_numbers(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    words = "backbone.layer{0}.{0}.attention_projection.output_dense_{0}.weight"
    sight = scene({words.format(index): np.ones(1) for index in range(count)})
    written = texts_with_places(sight, monkeypatch)
    assert min(left for left, _ in written) >= 16 - 2
    if count <= MAX_MIDDLE:
        # All names begin with "backbone.", which is said once.
        names = [text for _, text in written if text.endswith("weight")]
        assert [name.split(".")[0].lstrip("layer") for name in names] == [str(index) for index in range(count)]
        assert not any("…" in name for name in names)


def test_equal_words_of_names_are_cut_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["attention_projection.output_dense_of_a_block.weight", "norm.weight"]
    weights = {f"layers.{index}.{word}": np.ones(1) for index in range(8) for word in words}
    weights["head.weight"] = np.ones(1)
    names = [text for _, text in texts_with_places(scene(weights), monkeypatch) if text.endswith(".weight")]
    cut = [f"l.{i}.{word}" for i in range(8) for word in ("a.o.weight", "n.weight")]
    assert names == [*cut, "head.weight"]


@pytest.mark.parametrize("count", [MAX_TALL, MAX_TALL + 1, MAX_MIDDLE])
def test_each_row_has_its_numbers(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = [0.5 + index / 100 for index in range(count)]
    written = texts_with_places(scene({f"l{i}.w": np.full(1, size) for i, size in enumerate(sizes)}), monkeypatch)
    assert {f"{size:g}" for size in sizes} <= {text for _, text in written}


def texts_with_places(sight: Scene, monkeypatch: pytest.MonkeyPatch) -> list[tuple[float, str]]:
    """All texts of an overview, each with its left end."""
    written: list[tuple[float, str]] = []
    text = Page.text

    def listen(page: Page, x: float, y: float, words: str, **options: Any) -> None:
        width = text_width(words, options.get("size", BODY), options.get("bold", False))
        written.append((x - {"l": 0.0, "m": 0.5, "r": 1.0}[options.get("anchor", "la")[0]] * width, words))
        text(page, x, y, words, **options)

    monkeypatch.setattr(Page, "text", listen)
    draw_overview(sight, "weights")
    return written


@pytest.mark.parametrize("epochs", [0, 1, 20, 64, 200])
@pytest.mark.parametrize("count", [3, 60])
def test_epochs_stand_below_their_cells(epochs: int, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = layers(count)
    sight = scene(weights, before=[weights] * epochs, unpictured=list(weights))
    written = texts_with_places(sight, monkeypatch)
    below = written[[text for _, text in written].index("epoch") - 1 :: -1]
    labels = list(itertools.takewhile(lambda one: one[1].isdigit(), below))[::-1]
    drawn = draw_overview(sight, "weights")
    per_column = len(labels) // len(drawn.titles)
    assert per_column >= min(2, epochs + 1) and len(labels) == per_column * len(drawn.titles)
    for column in range(len(drawn.titles)):
        for left, text in labels[column * per_column : (column + 1) * per_column]:
            cell = drawn.layout.cell(-1, column, sight.memory.epochs.tolist().index(int(text)))
            assert left <= (cell.left + cell.right) / 2 <= left + text_width(text, SMALL) + 1
    assert {"0", str(epochs)} <= {text for _, text in labels}


def test_what_is_of_no_training_has_no_times(monkeypatch: pytest.MonkeyPatch) -> None:
    sight = scene({"w": normal(3, 3)})
    texts = [text for _, text in texts_with_places(sight, monkeypatch)]
    still = replace(sight, snapshot=replace(sight.snapshot, timeless=True))
    timeless = [text for _, text in texts_with_places(still, monkeypatch)]
    assert "epoch" in texts and "epoch" not in timeless


def test_steps_are_told_where_an_epoch_has_several_snapshots(monkeypatch: pytest.MonkeyPatch) -> None:
    sight = scene({"w": normal(3, 3)}, epochs=3)
    memory = replace(sight.memory, epochs=np.array([0, 0, 1, 1]), steps=np.array([0, 500, 12_345, 20_000]))
    texts = [text for _, text in texts_with_places(replace(sight, memory=memory), monkeypatch)]
    assert "step" in texts and texts.count("20k") == 4 and "epoch" not in texts


def test_a_size_beyond_its_colours_bears_its_factor(monkeypatch: pytest.MonkeyPatch) -> None:
    ones = np.ones((2, 2))
    factors = {"far": 50.0, "near": 3.9, "small": 0.02, "gone": 0.0}
    now = {name: factor * ones for name, factor in factors.items()}
    texts = {text for _, text in texts_with_places(scene(now, before=[dict.fromkeys(now, ones)]), monkeypatch)}
    assert {"×50", "×0.02"} <= texts
    assert not {"×3.9", "×0", "×1"} & texts


def test_of_thin_rows_the_farthest_beyond_their_colours_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    first = layers(MAX_MIDDLE + 1)
    now = {name: {7: 50.0, 9: 1e-3, 20: 5.0}.get(row, 1.0) * one for row, (name, one) in enumerate(first.items())}
    written = texts_of(scene(now, before=[first]), "weights", monkeypatch)
    assert "size beyond the colours: 9.weight ×0.001, 7.weight ×50 and 1 more" in written
    few = texts_of(scene({"a": 50 * np.ones(2)}, before=[{"a": np.ones(2)}]), "weights", monkeypatch)
    assert not any("beyond" in text for text in few)


@pytest.mark.parametrize("epochs", [0, 2])
@pytest.mark.parametrize("target", ["weights", "gradients", "updates"])
@pytest.mark.parametrize("value", [0.0, math.nan, math.inf, 1.0, 1e38, 1e-38])
@pytest.mark.filterwarnings("ignore:.*:RuntimeWarning:tests.support.scenes")
def test_degenerate_values_are_drawn(value: float, target: Any, epochs: int) -> None:
    weights = {"fc.weight": np.full((2, 3), value)}
    pixels, drawn = picture_of(scene(weights, before=[weights] * epochs, target=target))
    assert color_of(pixels, drawn, "zeros", 0, epochs) != (255, 255, 255)


def texts_of(sight: Scene, target: Any, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paragraphs of an overview."""
    written: list[str] = []
    paragraph = Page.paragraph

    def listen(page: Page, text: str, **options: Any) -> None:
        written.append(text)
        paragraph(page, text, **options)

    monkeypatch.setattr(Page, "paragraph", listen)
    draw_overview(sight, target)
    return written


def test_the_headline_is_the_gravest_finding_and_else_the_motion(monkeypatch: pytest.MonkeyPatch) -> None:
    start, now = ({name: normal(4, 4, seed=seed) for name in ("a.weight", "b.weight")} for seed in (0, 1))
    quiet = scene(now, before=[start])
    assert any(text.startswith("The weights have ") for text in texts_of(quiet, "weights", monkeypatch))
    one = replace(quiet, findings=("a.weight has grown",))
    assert "a.weight has grown" in texts_of(one, "weights", monkeypatch)
    several = replace(quiet, findings=("a.weight has grown", "b", "c"))
    written = texts_of(several, "weights", monkeypatch)
    assert "a.weight has grown · and 2 more" in written
    assert not any(text.startswith("The weights have ") for text in written)


def test_zeros_and_nan_are_not_all_zeros(monkeypatch: pytest.MonkeyPatch) -> None:
    zeros = np.zeros((3, 3))
    written = texts_of(scene({"a": zeros, "b": np.where(np.eye(3) > 0, np.nan, zeros)}), "weights", monkeypatch)
    assert "all zeros: a" in written


@pytest.mark.parametrize(("steps", "told"), [(45, " · 45 steps an epoch"), (1, " · 1 step an epoch"), (None, "")])
def test_steps_of_an_epoch_are_in_the_header(steps: int | None, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    quiet = scene({"fc.weight": normal(3, 4)}, epochs=3)
    training = TrainingFacts(steps_per_epoch=steps)
    sight = replace(quiet, snapshot=replace(quiet.snapshot, training=training))
    assert f"epoch 3 · step 134{told}" in texts_of(sight, "weights", monkeypatch)


def test_gradients_have_no_headline(monkeypatch: pytest.MonkeyPatch) -> None:
    sight = replace(scene({"fc.weight": normal(3, 4)}, target="gradients"), findings=("fc.weight has grown",))
    assert "fc.weight has grown" not in texts_of(sight, "gradients", monkeypatch)


@pytest.mark.parametrize("finding", ["x" * 300, "a.weight " * 90, "größe\nhas 猫 grown", "a"])
def test_any_headline_stays_on_the_page(finding: str) -> None:
    raster = draw_overview(replace(scene(layers(3)), findings=(finding,)), "weights").raster
    assert raster.size[1] == 720 and raster.size[0] < 1200
