"""Pictures of few colours with smooth edges: drawn larger, a byte a pixel, and averaged down where colours meet."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from lightning_weightviz.artifacts import MOST_COLORS
from lightning_weightviz.draw.color import PAPER, Painted, Pixels, Rgb, Runs

SMOOTH = 2
"""Things are drawn this many times larger; `Smooth.averaged` is written for 2."""

Points = Sequence[tuple[float, float]]


class Smooth:
    """White paper for polygons, lines and rectangles, in pixels that are half as large as those of the picture.

    Args:
        width: Of the picture, in pixels.
        height: Of the picture, in pixels.
    """

    def __init__(self, width: int, height: int) -> None:
        # Indices rather than colours: a quarter of the memory to fill and to read.
        self._image = Image.new("L", (SMOOTH * width, SMOOTH * height))
        self._draw = ImageDraw.Draw(self._image)
        self._places: dict[Rgb, int] = {PAPER: 0}

    def polygon(self, points: Points, color: Rgb) -> None:
        """A filled polygon."""
        ink = self._ink(color)
        self._draw.polygon(points, fill=ink)

    def line(self, points: Points, color: Rgb, width: int) -> None:
        """A line through points, `width` of the small pixels wide."""
        ink = self._ink(color)
        self._draw.line(points, fill=ink, width=width, joint="curve")

    def level(self, top: int, color: Rgb) -> None:
        """A line across the whole picture, as thick as one of its pixels."""
        ink = self._ink(color)
        self._draw.rectangle((0, top, self._image.width, top + SMOOTH - 1), fill=ink)

    def averaged(self) -> Runs | Pixels:
        """The picture: each pixel the mean of four small ones, as Pillow's `reduce` gives it."""
        if self._image.mode != "L":
            return np.asarray(self._image.reduce(SMOOTH))
        # Two small pixels side by side as one number, of each pixel the upper two and, a line later, the lower two.
        lines = np.asarray(self._image).view(np.uint16)
        height, width = len(lines) // SMOOTH, lines.shape[1]
        pairs = lines.ravel()
        # Neighbours are mostly alike: of each run one is looked at. Each line of pixels begins one.
        changes = np.ones(pairs.size, np.bool_)
        np.not_equal(pairs[1:], pairs[:-1], out=changes[1:])
        begins = np.logical_or.reduce(changes.reshape(height, SMOOTH, width), axis=1)
        begins[:, 0] = True
        places = np.flatnonzero(begins)
        upper = places + places // width * width
        fours = pairs[upper].astype(np.uint32) << 16 | pairs[upper + width]
        kinds, kind = np.unique(fours, return_inverse=True)
        table = self._means(kinds.view(np.uint8).reshape(-1, SMOOTH**2))
        few = len(table) <= MOST_COLORS
        colors = Painted(kind.astype(np.uint8)[None], table) if few else table[kind][None]
        return Runs(colors, np.diff(places, append=height * width), (height, width))

    def _means(self, fours: Pixels) -> Pixels:
        """The mean colour, (n, 3), of four indices, (n, 4), halves rounded up."""
        colors = np.array(list(self._places), np.uint16)
        means: Pixels = ((colors[fours].sum(axis=1, dtype=np.uint16) + 2) >> 2).astype(np.uint8)
        return means

    def _ink(self, color: Rgb) -> int | Rgb:
        """A colour as the paper takes it: its index, until there are more colours than a byte tells apart."""
        if self._image.mode == "L":
            place = self._places.setdefault(color, len(self._places))
            if place < MOST_COLORS:
                return place
            colors = np.array(list(self._places), np.uint8)
            self._image = Image.fromarray(colors[np.asarray(self._image)])
            self._draw = ImageDraw.Draw(self._image)
        return color
