"""Scales, ticks and curves, looked at in the pixels they make."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lightning_weightviz.draw.chart import BLUE, Plot, draw_profile, draw_value_bar, ticks, vertical
from lightning_weightviz.draw.color import INFINITE, NAN
from lightning_weightviz.draw.geometry import Box, Scale, apart
from lightning_weightviz.draw.page import INK, Page

GREEN = (0, 128, 0)


@pytest.mark.parametrize("span", [1e-30, 3.7e-7, 0.31, 1.0, 20.0, 999.0, 6.02e23])
@pytest.mark.parametrize("share", [-1.0, -0.5, 0.0, 3.0])
def test_ticks_are_few_round_even_and_within(span: float, share: float) -> None:
    low, high = share * span, share * span + span
    found = np.array(ticks(low, high))
    assert 2 <= len(found) <= 4
    assert found.min() >= low - 1e-5 * span and found.max() <= high + 1e-5 * span
    steps = np.diff(found)
    assert np.allclose(steps, steps[0], rtol=1e-6)
    digits = f"{steps[0]:.6e}".split("e")[0]
    assert digits in {"1.000000", "2.000000", "2.500000", "5.000000"}


def test_whole_ticks_are_whole() -> None:
    for high in range(1, 200):
        found = ticks(0, high, most=6, whole=True)
        assert 2 <= len(found) <= 6 and all(tick == int(tick) for tick in found)


def test_ticks_of_nothing() -> None:
    assert ticks(3.0, 3.0) == [3.0]
    assert ticks(0.0, math.inf) == [0.0]


def test_scale_places_ends_middle_and_nan() -> None:
    scale = Scale(-1.0, 3.0, 100, 20)
    assert [scale.at(value) for value in (-1.0, 1.0, 3.0)] == [100, 60, 20]
    assert math.isnan(scale.at(math.nan))
    assert Scale(2.0, 2.0, 0, 10).at(2.0) == 5


def test_labels_keep_apart_and_inside() -> None:
    places = apart([10, 11, 12, 95, 99], 10, 0, 100)
    assert min(np.diff(places)) >= 10 and places[0] >= 0 and places[-1] <= 100
    assert apart([10.0, 50.0], 10, 0, 100) == [10.0, 50.0]


def drawn(plot: Plot) -> np.ndarray:
    page = Page()
    page.y = 300
    plot.put(page)
    return page.raster().pixels


def test_a_band_fills_from_low_to_high_and_stops_at_nan() -> None:
    plot = Plot(Box(20, 20, 120, 120), (0, 10), (0, 10))
    xs = np.arange(11.0)
    lows, highs = np.full(11, 2.0), np.full(11, 6.0)
    lows[5] = np.nan
    plot.band(xs, lows, highs, GREEN)
    pixels = drawn(plot)
    filled = (pixels == GREEN).all(axis=2)
    assert np.flatnonzero(filled[:, 40]).tolist() == list(range(60, 100))
    columns = np.flatnonzero(filled[80])
    assert columns[0] == 20 and columns[-1] == 119 and not set(range(62, 78)) & set(columns.tolist())


def test_curves_with_a_hole_are_those_of_its_sides() -> None:
    xs, ys = np.arange(11.0), np.array([1.0, 5, 2, 4, np.nan, np.nan, 6, 3, 9, 1, 2])
    whole, sides = (Plot(Box(20, 20, 120, 120), (0, 10), (0, 10)) for _ in range(2))
    for plot, parts in ((whole, [slice(None)]), (sides, [slice(0, 4), slice(6, None)])):
        for part in parts:
            plot.band(xs[part], np.zeros(11)[part], ys[part], GREEN)
            plot.line(xs[part], ys[part] + 0.5, BLUE, 2.5)
    pixels = drawn(whole)
    assert np.array_equal(pixels, drawn(sides))
    assert (pixels[20:120, 55:74] == 255).all() and (pixels[20:120, 24:50] != 255).any()


def test_a_point_without_neighbours_is_seen() -> None:
    plot = Plot(Box(20, 20, 120, 120), (0, 10), (0, 10))
    ys = np.full(11, np.nan)
    ys[4] = 5.0
    plot.band(np.arange(11.0), ys - 3, ys + 3, GREEN)
    assert (drawn(plot)[70, 59:61] == GREEN).all()


def test_a_curve_far_outside_draws_nothing_inside() -> None:
    plot = Plot(Box(20, 20, 120, 120), (0, 1), (0, 1))
    plot.line(np.array([0.0, 1.0]), np.array([1e30, 1e30]), GREEN)
    assert not (drawn(plot) == GREEN).all(axis=2).any()


@pytest.mark.parametrize(
    ("value", "columns", "color"),
    [
        (0.5, range(60, 80), GREEN),
        (-1.0, range(20, 60), GREEN),
        (9.0, range(60, 100), GREEN),
        (math.inf, range(60, 100), INFINITE),
        (0.0, range(0), GREEN),
        (math.nan, range(58, 73), NAN),
    ],
)
def test_a_bar_reaches_from_zero_to_its_value(value: float, columns: range, color: tuple[int, int, int]) -> None:
    page = Page()
    page.y = 40
    draw_value_bar(page, Scale(-1.0, 1.0, 20, 100), value, 10, 5, color if math.isfinite(value) else GREEN)
    assert np.flatnonzero((page.raster().pixels[12] == color).all(axis=1)).tolist() == list(columns)


def test_a_profile_falls_and_leaves_out_what_is_not_finite() -> None:
    page = Page()
    values = np.array([1.0, np.nan, 3.0, 2.0, np.inf])
    plot = draw_profile(page, Box(80, 10, 380, 110), values, signed=False)
    page.y = 120
    pixels = page.raster().pixels
    assert plot.x.high == 2 and plot.y.low == 0 and plot.y.high == pytest.approx(3.15)
    heights = [np.flatnonzero((pixels[:, x] == BLUE).all(axis=1)).mean() for x in (82, 230, 377)]
    assert heights == pytest.approx([plot.y.at(v) for v in (3, 2, 1)], abs=2)
    assert draw_profile(Page(), Box(80, 10, 380, 110), np.full(3, np.nan), signed=True).y.high == 1


def test_upward_text_is_turned_text() -> None:
    turned = vertical("airplane")
    assert turned.shape[0] > 2 * turned.shape[1]
    assert (turned == INK).all(axis=2).any() and (turned[0] == 255).all()
