"""Distributions of ten or fewer values: a line each, with its name at its end."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from lightning_weightviz.artifacts import Image
from lightning_weightviz.draw.page import Page
from lightning_weightviz.draw.text import SMALL, text_width
from lightning_weightviz.memory import FEW
from lightning_weightviz.views import Scene
from lightning_weightviz.views.distribution import BANDS, distribution
from lightning_weightviz.views.support.lines import COLORS, draw_lines
from tests.support.pixels import MAGENTA, decoded, normal
from tests.support.scenes import scene
from tests.support.written import listening

Pixels = np.ndarray[Any, Any]


def picture(sight: Scene) -> Pixels:
    image = next(iter(distribution(sight)))
    assert isinstance(image, Image)
    return decoded(image)


def has(pixels: Pixels, color: tuple[int, int, int]) -> bool:
    return bool((pixels == color).all(axis=2).any())


@pytest.mark.parametrize("shape", [(FEW,), (2, 5), (1, 1, 3, 3), (1,), (2, 3)])
def test_a_few_are_lines_and_more_are_bands(shape: tuple[int, ...]) -> None:
    few = picture(scene({"w": normal(*shape)}, epochs=3))
    assert has(few, COLORS[0]) and not has(few, BANDS["68%"][2])
    many = picture(scene({"w": normal(FEW + 1)}, epochs=3))
    assert has(many, BANDS["68%"][2]) and not has(many, COLORS[1])


def test_each_line_is_at_its_values_and_named_at_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    lines, page = listening(monkeypatch), Page()
    values = np.array([[0.0, 4.0], [2.0, 4.0], [4.0, 0.0]])
    plot = draw_lines(page, ("epoch", np.array([0.0, 1.0, 2.0])), values, ["rises", "falls"])
    pixels = page.raster().pixels
    for line in range(2):
        for time in (0.5, 1.5):
            rows = np.flatnonzero((pixels[:, round(plot.x.at(time))] == COLORS[line]).all(axis=1))
            assert rows.mean() == pytest.approx(plot.y.at(float(values[int(time) : int(time) + 2, line].mean())), abs=2)
    assert lines.index("falls") > lines.index("rises") and {"rises", "falls", "epoch"} <= set(lines)


@pytest.mark.parametrize("width", [220, 340, 688])
@pytest.mark.parametrize("last", [1, 3, 16, 900, 123_456])
def test_no_time_meets_the_word_beside_it(width: int, last: int, monkeypatch: pytest.MonkeyPatch) -> None:
    places: list[tuple[float, float, str]] = []
    text, page = Page.text, Page()

    def listen(self: Page, x: float, y: float, words: str, **options: Any) -> None:
        half = text_width(words, SMALL) * {"l": 0.0, "m": 0.5, "r": 1.0}[options.get("anchor", "la")[0]]
        places.append((x - half, x - half + text_width(words, SMALL), words))
        text(self, x, y, words, **options)

    monkeypatch.setattr(Page, "text", listen)
    times = np.linspace(0, last, 5)
    draw_lines(page, ("epoch", times), np.ones((5, 1)), [""], place=(16, width))
    ((start, _, _),) = [place for place in places if place[2] == "epoch"]
    assert all(right < start for left, right, words in places if words.isdigit() and left > 40)


def test_names_are_those_of_the_classes_and_else_indices(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = listening(monkeypatch)
    weights = {"fc.bias": normal(3), "fc.weight": normal(3, 8)}
    picture(scene(weights, epochs=2, head="fc.weight", class_names=["cat", "dog", "\n"]))
    assert {"cat", "dog", "2"} <= set(lines)
    lines.clear()
    picture(scene({"w": normal(2, 2)}, epochs=2))
    assert {"0, 0", "0, 1", "1, 0", "1, 1"} <= set(lines)


@pytest.mark.filterwarnings("ignore:.*:RuntimeWarning:tests.support.scenes")
@pytest.mark.parametrize("epochs", [0, 1, 90])
@pytest.mark.parametrize("value", [0.0, 1e-40, 3e38, math.nan, math.inf, -7.0])
def test_any_value_is_drawn_within_the_page(value: float, epochs: int) -> None:
    now = normal(4)
    now[1] = value
    pixels = picture(scene({"w": now}, before=[{"w": normal(4)}] * epochs))
    assert (pixels[:, :8] == 255).all() and (pixels[:, 714:] == 255).all()
    assert has(pixels, MAGENTA) == math.isnan(value)


def test_a_line_ends_where_its_value_is_not_known() -> None:
    now = np.array([math.nan, 1.0])
    pixels = picture(scene({"w": now}, before=[{"w": np.array([0.0, 1.0])}] * 3))
    assert has(pixels, COLORS[0])
    gone = picture(scene({"w": now}, before=[{"w": now}] * 3))
    assert not has(gone, COLORS[0]) and has(gone, COLORS[1])


def test_of_kernels_that_are_drawn_by_their_norms_no_single_value_is_known() -> None:
    assert has(picture(scene({"w": normal(1, 2, 1, 5)}, epochs=3)), BANDS["68%"][2])
