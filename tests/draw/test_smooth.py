"""Curves drawn in indices are those that Pillow draws in colours and makes smaller."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from lightning_weightviz.draw.color import Painted, Rgb, Runs
from lightning_weightviz.draw.page import Page
from lightning_weightviz.draw.smooth import Smooth
from tests.support.in_color import InColor

WIDTH, HEIGHT = 90, 41


def colors(count: int, seed: int) -> list[Rgb]:
    chosen = np.random.default_rng(seed).integers(0, 256, (count, 3)).tolist()
    return [(255, 255, 255), *((red, green, blue) for red, green, blue in chosen)]


def scribble(paper: Smooth | InColor, inks: list[Rgb], seed: int) -> None:
    """Polygons, lines of each thickness and levels, in and beyond the picture."""
    random = np.random.default_rng(seed)
    for _ in range(max(12, len(inks))):
        points = [(float(x), float(y)) for x, y in random.uniform((-30, -30), (210, 110), (5, 2))]
        ink, other = (inks[place] for place in random.integers(len(inks), size=2))
        paper.polygon(points, ink)
        paper.line(points[::-1], other, int(random.integers(1, 7)))
        paper.level(2 * int(random.integers(HEIGHT)), ink)


def pixels(paper: Smooth | InColor) -> npt.NDArray[np.uint8]:
    page = Page()
    page.paste(paper.averaged(), 10, 5)
    page.y = HEIGHT
    return page.raster().pixels[5 : 5 + HEIGHT, 10 : 10 + WIDTH]


@pytest.mark.parametrize("count", [1, 2, 7, 60, 400])
@pytest.mark.parametrize("seed", range(4))
def test_it_is_what_pillow_draws_in_colour(count: int, seed: int) -> None:
    papers = Smooth(WIDTH, HEIGHT), InColor(WIDTH, HEIGHT)
    for paper in papers:
        scribble(paper, colors(count, seed), seed)
    found, expected = (pixels(paper) for paper in papers)
    assert (expected != 255).any()
    np.testing.assert_array_equal(found, expected)


def test_means_of_many_colours_are_more_than_a_palette_holds() -> None:
    paper = Smooth(WIDTH, HEIGHT)
    scribble(paper, colors(60, 0), 0)
    averaged = paper.averaged()
    assert isinstance(averaged, Runs) and not isinstance(averaged.colors, Painted)


def test_nothing_is_white() -> None:
    assert (pixels(Smooth(WIDTH, HEIGHT)) == 255).all()
