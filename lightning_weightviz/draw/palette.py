"""The colours of one picture: an index for each of at most 256."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from lightning_weightviz.artifacts import MOST_COLORS
from lightning_weightviz.draw.color import Pixels, Rgb

Indices = npt.NDArray[np.uint8]


class Palette:
    """Grows by the colours that are asked for.

    Args:
        first: The colours that it starts with, no two alike.
    """

    def __init__(self, first: Sequence[Rgb]) -> None:
        self._places = {color: index for index, color in enumerate(first)}

    @property
    def colors(self) -> Pixels:
        """uint8, (n, 3)."""
        return np.array(list(self._places), np.uint8)

    def find(self, colors: Pixels) -> Indices | None:
        """The index of each colour, (…), of uint8, (…, 3); None where there is no room for so many new ones."""
        if colors.size <= 3 * MOST_COLORS:
            row = [(red, green, blue) for red, green, blue in colors.reshape(-1, 3).tolist()]
            found = self._indices(row)
            return None if found is None else found.reshape(colors.shape[:-1])
        # Counting stops at the 257th colour, so a picture in full colour pays little for the question.
        picture = Image.fromarray(np.ascontiguousarray(colors).reshape(1, -1, 3))
        counts: list[tuple[int, Any]] | None = picture.getcolors(MOST_COLORS)
        if counts is None:
            return None
        distinct = sorted(color for _, color in counts)
        indices = self._indices(distinct)
        if indices is None:
            return None
        return indices[np.searchsorted(_packed(np.array(distinct, np.uint8)), _packed(colors))]

    def _indices(self, colors: Sequence[Rgb]) -> Indices | None:
        new = set(colors).difference(self._places)
        if len(self._places) + len(new) > MOST_COLORS:
            return None
        for color in sorted(new):
            self._places[color] = len(self._places)
        return np.array([self._places[color] for color in colors], np.uint8)


def _packed(colors: Pixels) -> npt.NDArray[np.uint32]:
    """Red, green and blue of each colour in one number of 24 bits, that sorts as they do."""
    wide = colors.astype(np.uint32)
    return np.asarray(wide[..., 0] << 16 | wide[..., 1] << 8 | wide[..., 2], np.uint32)
