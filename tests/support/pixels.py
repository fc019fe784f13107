"""What a person would do with a picture: decode it, look at a place, read a value off its colour."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib import colormaps
from PIL import Image as PillowImage

from lightning_weightviz.artifacts import Image
from lightning_weightviz.draw.geometry import Box
from lightning_weightviz.draw.matrix import MatrixLayout
from lightning_weightviz.views import Scene
from lightning_weightviz.views.heatmap.view import draw_heatmap, heatmap

Array = np.ndarray[Any, Any]
Pixels = npt.NDArray[np.uint8]
MAGENTA = (255, 0, 255)
BLACK = (0, 0, 0)


def decoded(image: Image) -> Pixels:
    """The pixels of the PNG that a logger gets."""
    return np.asarray(PillowImage.open(io.BytesIO(image.png)).convert("RGB"))


def color_at(pixels: Pixels, box: Box) -> tuple[int, int, int]:
    """The one colour of a box."""
    colors = np.unique(box.of(pixels).reshape(-1, 3), axis=0)
    assert len(colors) == 1, f"{box} holds {len(colors)} colours"
    return int(colors[0][0]), int(colors[0][1]), int(colors[0][2])


def values_of(colors: npt.NDArray[np.uint8], limit: float, colormap: str = "RdBu_r") -> npt.NDArray[np.float64]:
    """Values of colours, (n, 3), between −limit and +limit, to a 2,000th of the range; nearest colour wins."""
    shares = np.linspace(0, 1, 2001)
    table = 255 * colormaps[colormap].resampled(2001)(np.arange(2001))[:, :3]
    distinct, places = np.unique(colors.reshape(-1, 3), axis=0, return_inverse=True)
    nearest = ((distinct[:, None, :] - table) ** 2).sum(axis=2).argmin(axis=1)
    return np.asarray((2 * shares[nearest] - 1) * limit, np.float64)[places.ravel()]


def centres(pixels: Pixels, box: Box, factor: tuple[int, int]) -> Pixels:
    """One pixel of each cell, (h, w, 3), having seen that each cell is of one colour."""
    part = box.of(pixels)
    cells = part[:: factor[0], :: factor[1]]
    assert np.array_equal(np.repeat(np.repeat(cells, factor[0], axis=0), factor[1], axis=1), part)
    return cells


def normal(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape)


def picture_of(sight: Scene) -> tuple[Pixels, MatrixLayout]:
    """The one heatmap of a scene, decoded from its PNG, and its layout."""
    (image,) = heatmap(sight)
    ((target, measurements),) = sight.snapshot.targets.items()
    (measurement,) = measurements.values()
    layout = draw_heatmap(sight, target, measurement).layout
    assert isinstance(image, Image) and isinstance(layout, MatrixLayout)
    return decoded(image), layout


def range_of(sight: Scene) -> float:
    (limit,) = (limit for key, limit in sight.memory.ranges.items() if ":" not in key)
    return limit


def expect_color(sight: Scene, value: float) -> tuple[int, int, int]:
    """The colour that matplotlib gives a value's hundredth of the range."""
    step = round(100 * value / range_of(sight)) + 100
    color = np.rint(255 * np.array(colormaps[sight.style.colormap].resampled(201)(step)[:3]))
    return int(color[0]), int(color[1]), int(color[2])


def assert_margins(pixels: Pixels) -> None:
    """No ink at the page's edges, where it would be cut."""
    for edge in (pixels[:, :8], pixels[:, -8:], pixels[:4], pixels[-4:]):
        assert (edge == 255).all()
