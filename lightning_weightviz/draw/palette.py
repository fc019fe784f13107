"""The colours of one picture: an index for each of at most 256."""

from __future__ import annotations

from functools import lru_cache
from itertools import count
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

    def __init__(self, first: tuple[Rgb, ...]) -> None:
        self._first = first
        self._places = dict(_started(first))
        self._tables: dict[bytes, Indices] = {}

    @property
    def colors(self) -> Pixels:
        """uint8, (n, 3)."""
        # Of the four bytes of a number the first is 0.
        return np.array(list(self._places), ">u4").view(np.uint8).reshape(-1, 4)[:, 1:]

    @property
    def has_tables(self) -> bool:
        """Whether there may be colours that are not used: those of tables, taken in as a whole."""
        return bool(self._tables)

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
            found = _taken_in(self._places, _packed(colors).ravel().tolist())
            return None if found is None else found.reshape(colors.shape[:-1])
        # Counting stops at the 257th colour, so a picture in full colour pays little for the question.
        picture = Image.fromarray(np.ascontiguousarray(colors).reshape(1, -1, 3))
        counts: list[tuple[int, Any]] | None = picture.getcolors(MOST_COLORS)
        if counts is None:
            return None
        distinct = sorted(_number(color) for _, color in counts)
        indices = _taken_in(self._places, distinct)
        if indices is None:
            return None
        # Neighbours are mostly alike: of each run one is looked up. The bytes are blue, green, red and 0.
        packed = np.frombuffer(picture.tobytes("raw", "BGRX"), "<u4")
        begins = np.concatenate([[0], np.flatnonzero(packed[1:] != packed[:-1]) + 1])
        found = indices[np.searchsorted(np.array(distinct, "<u4"), packed[begins])]
        lengths = np.diff(begins, append=packed.size)
        return np.repeat(found, lengths).reshape(colors.shape[:-1])

    def whole(self, table: Pixels) -> Indices | None:
        """The index of each row of a table, (n, 3), used or not; None where there is no room for all of them."""
        key = table.tobytes()
        if key not in self._tables:
            if len(self._places) == len(self._first):
                # So begin most pages.
                places, found = _started_with(self._first, key)
                self._places = dict(places)
            else:
                found = _taken_in(self._places, _numbers(key))
            if found is None:
                return None
            self._tables[key] = found
        return self._tables[key]

    def keep(self, indices: npt.NDArray[np.integer]) -> Indices | None:
        """Forgets all colours but those that it started with and those of some indices, ascending; their new indices.

        Returns:
            uint8, of as many as there were: what takes the place of each index. None where none is forgotten.
        """
        colors = list(self._places)
        kept = np.union1d(np.arange(len(self._first)), indices)
        if len(kept) == len(colors):
            return None
        moved = np.zeros(len(colors), np.uint8)
        moved[kept] = np.arange(len(kept))
        self._places = {colors[index]: place for place, index in enumerate(kept.tolist())}
        self._tables.clear()
        return moved


def _taken_in(places: dict[int, int], colors: list[int]) -> Indices | None:
    """The places of colours, new ones behind the others; None where there is no room for so many."""
    new = dict.fromkeys([color for color in colors if color not in places])
    if len(places) + len(new) > MOST_COLORS:
        return None
    places.update(zip(new, count(len(places)), strict=False))
    return np.frombuffer(bytes(map(places.__getitem__, colors)), np.uint8)


@lru_cache(maxsize=4)
def _started(first: tuple[Rgb, ...]) -> dict[int, int]:
    """The places of the colours that a palette starts with; not to be changed."""
    return {_number(color): index for index, color in enumerate(first)}


@lru_cache(maxsize=16)
def _started_with(first: tuple[Rgb, ...], table: bytes) -> tuple[dict[int, int], Indices | None]:
    """The same with a table behind them, and the index of each of its rows; not to be changed."""
    places = dict(_started(first))
    return places, _taken_in(places, _numbers(table))


def used(indices: Indices) -> npt.NDArray[np.intp]:
    """Which indices there are, ascending, in an array of two dimensions."""
    return np.flatnonzero(Image.fromarray(np.ascontiguousarray(indices)).histogram())


def _number(color: Rgb) -> int:
    """Red, green and blue in one number of 24 bits."""
    return color[0] << 16 | color[1] << 8 | color[2]


@lru_cache(maxsize=16)
def _numbers(table: bytes) -> list[int]:
    """The number of each colour of a table."""
    numbers: list[int] = _packed(np.frombuffer(table, np.uint8).reshape(-1, 3)).tolist()
    return numbers


def _packed(colors: Pixels) -> npt.NDArray[np.uint32]:
    """The number of each colour."""
    wide = colors.astype(np.uint32)
    return np.asarray(wide[..., 0] << 16 | wide[..., 1] << 8 | wide[..., 2], np.uint32)
