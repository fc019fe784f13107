"""What `Smooth` is short for: a picture in full colour, twice as large, that Pillow makes smaller."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from lightning_weightviz.draw.color import Pixels, Rgb
from lightning_weightviz.draw.smooth import Points


class InColor:
    """Takes the place of `Smooth`."""

    def __init__(self, width: int, height: int) -> None:
        self._image = Image.new("RGB", (2 * width, 2 * height), "white")
        self._draw = ImageDraw.Draw(self._image)

    def polygon(self, points: Points, color: Rgb) -> None:
        self._draw.polygon(points, fill=color)

    def line(self, points: Points, color: Rgb, width: int) -> None:
        self._draw.line(points, fill=color, width=width, joint="curve")

    def level(self, top: int, color: Rgb) -> None:
        self._draw.rectangle((0, top, self._image.width, top + 1), fill=color)

    def averaged(self) -> Pixels:
        return np.asarray(self._image.reduce(2))
