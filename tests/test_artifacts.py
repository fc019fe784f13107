"""Pictures as PNG: every pixel as it was given, small where the colours are few."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from lightning_weightviz.artifacts import Raster


@pytest.mark.parametrize("colors", [1, 2, 16, 17, 256])
def test_indices_come_back_as_the_colours_of_the_palette(colors: int) -> None:
    rng = np.random.default_rng(colors)
    palette = rng.integers(0, 256, (colors, 3), np.uint8)
    values = rng.integers(0, colors, (30, 40)).astype(np.uint8)
    raster = Raster(values, palette)
    assert raster.size == (30, 40)
    assert np.array_equal(raster.pixels, palette[values])
    picture = Image.open(io.BytesIO(raster.png))
    assert picture.mode == "P"
    assert np.array_equal(np.asarray(picture.convert("RGB")), palette[values])


def test_full_colour_comes_back() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)
    raster = Raster(pixels)
    assert raster.size == (30, 40)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(raster.png))), pixels)


def test_a_palette_takes_a_fraction_of_the_bytes() -> None:
    palette = np.random.default_rng(0).integers(0, 256, (200, 3), np.uint8)
    raster = Raster(np.random.default_rng(1).integers(0, 200, (200, 200)).astype(np.uint8), palette)
    assert len(raster.png) < 0.4 * len(Raster(raster.pixels).png)
