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
        self._places = {_number(color): index for index, color in enumerate(first)}

    @property
    def colors(self) -> Pixels:
        """uint8, (n, 3)."""
        packed = np.array(list(self._places), np.uint32)
        return np.stack([packed >> 16, packed >> 8 & 255, packed & 255], axis=1).astype(np.uint8)

    def index(self, color: Rgb) -> int | None:
        """The index of one colour; None where there is no room for it."""
        place = self._places.setdefault(_number(color), len(self._places))
        if place < MOST_COLORS:
            return place
        del self._places[_number(color)]
        return None

    def find(self, colors: Pixels) -> Indices | None:
        """The index of each colour, (…), of uint8, (…, 3); None where there is no room for so many new ones."""
        if colors.size <= 3 * MOST_COLORS:
            found = self._indices(_packed(colors).ravel().tolist())
            return None if found is None else found.reshape(colors.shape[:-1])
        # Counting stops at the 257th colour, so a picture in full colour pays little for the question.
        picture = Image.fromarray(np.ascontiguousarray(colors).reshape(1, -1, 3))
        counts: list[tuple[int, Any]] | None = picture.getcolors(MOST_COLORS)
        if counts is None:
            return None
        distinct = sorted(_number(color) for _, color in counts)
        indices = self._indices(distinct)
        if indices is None:
            return None
        # Neighbours are mostly alike: of each run one is looked up. The bytes are blue, green, red and 0.
        packed = np.frombuffer(picture.tobytes("raw", "BGRX"), "<u4")
        begins = np.concatenate([[0], np.flatnonzero(packed[1:] != packed[:-1]) + 1])
        found = indices[np.searchsorted(np.array(distinct, "<u4"), packed[begins])]
        lengths = np.diff(begins, append=packed.size)
        return np.repeat(found, lengths).reshape(colors.shape[:-1])

    def _indices(self, colors: list[int]) -> Indices | None:
        places = self._places
        new = dict.fromkeys([color for color in colors if color not in places])
        if len(places) + len(new) > MOST_COLORS:
            return None
        for color in new:
            places[color] = len(places)
        return np.frombuffer(bytes(map(places.__getitem__, colors)), np.uint8)


def _number(color: Rgb) -> int:
    """Red, green and blue in one number of 24 bits."""
    return color[0] << 16 | color[1] << 8 | color[2]


def _packed(colors: Pixels) -> npt.NDArray[np.uint32]:
    """The number of each colour."""
    wide = colors.astype(np.uint32)
    return np.asarray(wide[..., 0] << 16 | wide[..., 1] << 8 | wide[..., 2], np.uint32)
