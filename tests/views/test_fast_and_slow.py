"""What makes drawing fast changes no pixel: each view's pictures, drawn with every shortcut and with none."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
import pytest

from lightning_weightviz import png
from lightning_weightviz.artifacts import Image
from lightning_weightviz.draw import chart, color, lettering, page, palette
from lightning_weightviz.views import VIEWS, Scene
from tests.support.in_color import InColor
from tests.support.pixels import decoded, normal
from tests.support.scenes import scene


def network() -> Scene:
    """Of each layout some, several epochs old."""
    weights = {
        "conv1.weight": normal(8, 3, 5, 5, seed=1),
        "conv2.weight": normal(16, 8, 3, 3, seed=2),
        "fc1.weight": normal(300, 700, seed=3),
        "fc1.bias": normal(300, seed=4),
        "fc2.weight": normal(5, 40, seed=5),
        "fc2.bias": normal(5, seed=6),
    }
    weights["fc1.weight"][4] = 0.0
    weights["conv2.weight"][3, 2, 1, 1] = np.nan
    return scene(weights, epochs=3, head="fc2.weight", templates=normal(5, 1, 8, 8, seed=7).astype(np.float32))


@contextmanager
def no_shortcuts() -> Iterator[None]:
    """Full colours, words as Pillow sets them, each anew and in whole lines, curves in colour, new paper, and zlib."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(palette, "MOST_COLORS", len(page._FIRST))
        patch.setattr(palette, "_started_with", palette._started_with.__wrapped__)
        patch.setattr(lettering, "NUMERIC", frozenset())
        patch.setattr(page, "line", lettering.line.__wrapped__)
        patch.setattr(page, "_stroke", page._stroke.__wrapped__)
        patch.setattr(chart, "Smooth", InColor)
        patch.setattr(color.Painted, "trimmed", lambda painted: painted)
        patch.setattr(page, "BETWEEN", "\0")
        patch.setattr(lettering, "_set", lettering._set.__wrapped__)
        patch.setattr(page, "_give_back", lambda paper: None)
        patch.setattr(png, "deflate", zlib)
        page._SPARE.clear()
        yield


def pictures(name: str) -> dict[str, npt.NDArray[np.uint8]]:
    return {one.tag: decoded(one) for one in VIEWS[name].draw(network()) if isinstance(one, Image)}


@pytest.mark.parametrize("name", [name for name in VIEWS if name not in ("histogram", "statistics")])
def test_no_shortcut_changes_a_pixel(name: str) -> None:
    with no_shortcuts():
        expected = pictures(name)
    for _ in range(2):
        found = pictures(name)
        assert found.keys() == expected.keys() and found
        for tag, pixels in found.items():
            np.testing.assert_array_equal(pixels, expected[tag], tag)


def test_without_shortcuts_a_picture_is_in_full_colour() -> None:
    with no_shortcuts():
        image = next(one for one in VIEWS["heatmap"].draw(network()) if isinstance(one, Image))
    assert image.raster.palette is None
