"""A finished picture: its pixels, and its PNG."""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from PIL import Image as PillowImage

MOST_COLORS = 256
"""Of a PNG with a palette."""


@dataclass(frozen=True)
class Raster:
    """A picture in RGB or, a third of that and faster to encode, in indices of a palette.

    Attributes:
        values: uint8, (height, width, 3), RGB; or (height, width), rows of `palette`.
        palette: uint8, (n ≤ 256, 3); None for RGB.
    """

    values: npt.NDArray[np.uint8]
    palette: npt.NDArray[np.uint8] | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.values.shape[0], self.values.shape[1]

    @cached_property
    def pixels(self) -> npt.NDArray[np.uint8]:
        """uint8, (height, width, 3), RGB."""
        return self.values if self.palette is None else self.palette.take(self.values, axis=0)

    @cached_property
    def png(self) -> bytes:
        """The picture as PNG, with a palette where 256 colours hold it, else as RGB."""
        picture = PillowImage.fromarray(self.values)
        if self.palette is not None:
            picture.putpalette(self.palette.tobytes())
        buffer = io.BytesIO()
        # A quarter of the usual level's time for a fifth more bytes.
        picture.save(buffer, format="PNG", compress_level=2)
        return buffer.getvalue()
