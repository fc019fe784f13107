"""What a person would do with a picture: decode it, look at a place, read a value off its colour."""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
from matplotlib import colormaps
from PIL import Image as PillowImage

from lightning_weightviz.artifacts import Image
from lightning_weightviz.draw.matrix import Box

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
