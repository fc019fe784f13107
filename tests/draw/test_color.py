from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from matplotlib import colormaps

from lightning_weightviz.draw.color import (
    INFINITE,
    MAGNITUDE,
    NAN,
    NO_VALUE,
    STEPS,
    magnitude_table,
    paint_magnitude,
    paint_signed,
    signed_table,
)
from lightning_weightviz.draw.color_bar import paint_bar, paint_flat_bar, paint_magnitude_bar


def test_zero_is_exactly_the_middle_and_the_ends_are_the_maps_ends() -> None:
    painted = paint_signed(np.array([-2.0, 0.0, 2.0]), 2.0, "RdBu_r").pixels
    expected = [colormaps["RdBu_r"].resampled(3)(place)[:3] for place in range(3)]
    assert np.array_equal(painted, np.rint(255 * np.array(expected)))


def test_beyond_the_range_is_the_end() -> None:
    painted = paint_signed(np.array([-1e30, -2.0, 2.0, 1e30]), 2.0, "RdBu_r").pixels
    assert np.array_equal(painted[0], painted[1]) and np.array_equal(painted[2], painted[3])


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_not_finite(dtype: type[np.floating[Any]]) -> None:
    values = np.array([[np.nan, np.inf], [-np.inf, 0.0]], dtype=np.float64).astype(dtype)
    for painted in (paint_signed(values, 1.0, "RdBu_r").pixels, paint_magnitude(values, 1.0).pixels):
        assert painted.shape == (2, 2, 3) and painted.dtype == np.uint8
        assert [tuple(color) for color in painted.reshape(-1, 3)[:3].tolist()] == [NAN, INFINITE, INFINITE]


@pytest.mark.parametrize("limit", [1e-45, 1e-38, 1e-9, 1.0, 1e9, 3e38])
def test_ranges_of_any_size(limit: float) -> None:
    shares = np.array([-1.0, 0.0, 1.0], np.float32)
    values = shares * np.float32(limit)
    painted = paint_signed(values, float(values[2]), "RdBu_r").pixels
    assert np.array_equal(painted, paint_signed(shares, 1.0, "RdBu_r").pixels)


def test_a_step_is_a_hundredth_of_the_range() -> None:
    values = np.linspace(-1, 1, 2 * STEPS + 1)
    painted = paint_signed(values, 1.0, "RdBu_r").pixels
    assert np.array_equal(painted, signed_table("RdBu_r")[:-2])
    assert np.array_equal(paint_signed(values + 0.004, 1.0, "RdBu_r").pixels, painted)


@pytest.mark.parametrize("colormap", ["RdBu_r", "viridis", "coolwarm", "PuOr"])
def test_what_is_broken_or_missing_is_no_colour_of_the_map(colormap: str) -> None:
    colors = {tuple(color) for color in signed_table(colormap)[:-2].tolist()}
    assert not {NAN, INFINITE, NO_VALUE} & colors


def test_magnitude_rises_from_zero() -> None:
    painted = paint_magnitude(np.array([0.0, 1.0, 2.0, 9.0]), 2.0).pixels
    expected = [colormaps[MAGNITUDE].resampled(3)(place)[:3] for place in (0, 1, 2, 2)]
    assert np.abs(painted - np.rint(255 * np.array(expected))).max() <= 2
    assert not {NAN, INFINITE, NO_VALUE} & {tuple(color) for color in magnitude_table()[:-2].tolist()}


def test_magnitude_of_nothing_but_zeros() -> None:
    nothing = paint_magnitude(np.zeros(3), 0.0).pixels
    assert np.array_equal(nothing, paint_magnitude(np.zeros(3), 1.0).pixels)


def test_marked_places_have_their_colour_and_the_others_keep_theirs() -> None:
    painted = paint_signed(np.array([[-1.0, 0.0], [0.5, 1.0]]), 1.0, "RdBu_r")
    marked = painted.mark(np.array([[False], [True]]), NO_VALUE).pixels
    assert np.array_equal(marked[0], painted.pixels[0])
    assert (marked[1] == NO_VALUE).all()


def test_bars() -> None:
    bar = paint_bar(201, 3, "RdBu_r").pixels
    assert np.array_equal(bar[:, 0], signed_table("RdBu_r")[:-2][::-1])
    assert np.array_equal(paint_flat_bar(3, 201, "RdBu_r").pixels[0], signed_table("RdBu_r")[:-2])
    assert np.array_equal(paint_magnitude_bar(2, 101).pixels[0], magnitude_table()[:-2])


def test_a_trimmed_table_holds_what_is_shown_and_no_more() -> None:
    painted = paint_signed(np.array([[-1.0, 0.5, 0.5], [np.nan, 0.5, -1.0]]), 1.0, "RdBu_r")
    trimmed = painted.trimmed()
    assert np.array_equal(trimmed.pixels, painted.pixels)
    assert len(trimmed.table) == 3 and trimmed.rows.dtype == np.uint8
