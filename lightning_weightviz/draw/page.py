"""A white page 720 pixels wide, made to be read at half that width on TensorBoard's card."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from lightning_weightviz.artifacts import Raster
from lightning_weightviz.draw.color import PAPER, Painted, Pixels, Rgb, Runs
from lightning_weightviz.draw.lettering import SHADES, Word, line
from lightning_weightviz.draw.palette import Indices, Palette, used
from lightning_weightviz.draw.text import BODY, SMALL, TITLE, broken_short, text_width

WIDTH = 720
MARGIN = 16
CONTENT = WIDTH - 2 * MARGIN
MOST_LINES = 12
"""Of a paragraph."""

INK: Rgb = (32, 33, 36)
GREY: Rgb = (88, 91, 96)
LINE: Rgb = (206, 208, 212)

Counts = npt.NDArray[np.integer]
"""How often each row, or each pixel of a row, is repeated."""
Fact = tuple[str, Rgb | None]
"""A short text and the colour that it explains, if any."""


def _shades(ink: Rgb) -> list[Rgb]:
    """An ink on white paper, from its lightest shade to itself."""
    shares = [level / SHADES for level in range(1, SHADES + 1)]
    red, green, blue = ([round(255 + (channel - 255) * share) for share in shares] for channel in ink)
    return list(zip(red, green, blue, strict=True))


BETWEEN = " · "
"""Parts of a line."""
_BEFORE = {"l": 0.0, "m": 0.5, "r": 1.0}
"""How much of a text is before its anchor."""
_INKS = {INK: 1, GREY: 1 + SHADES}
"""Where the shades of each ink begin in `_FIRST`."""
_FIRST: tuple[Rgb, ...] = (PAPER, *_shades(INK), *_shades(GREY), LINE)
"""The colours that each page's palette starts with: the paper, then those of texts."""


HEIGHT, MOST_HEIGHT = 500, 1500
"""Pixels of paper at first, and of the longest that is used again."""

_WHOLE = slice(None), slice(None)

_SPARE: deque[Indices] = deque(maxlen=2)
"""Paper of pages that are gone: memory that is new to the process costs more than all that is drawn on it."""


@lru_cache(maxsize=512)
def _stroke(points: tuple[tuple[int, int], ...], size: tuple[int, int], width: int) -> npt.NDArray[np.bool_]:
    """The pixels of a line in a picture of some width and height; not to be changed."""
    drawn = Image.new("L", size)
    ImageDraw.Draw(drawn).line(points, fill=1, width=width)
    return np.asarray(drawn) > 0


def _paper() -> Indices:
    """Blank paper, of the length that the last page had."""
    try:
        paper = _SPARE.pop()
    except IndexError:
        return np.zeros((HEIGHT, WIDTH), np.uint8)
    paper[...] = 0
    return paper


def _give_back(paper: Indices) -> None:
    """Keeps paper for the next page; nothing may refer to it any more."""
    if len(paper) <= MOST_HEIGHT:
        _SPARE.append(paper)


class Page:
    """Collects text and pictures from the top down; `raster` cuts it to its height.

    It is kept in indices of a palette, a byte a pixel, until it gets more colours than a palette holds.

    Attributes:
        y: Where the next thing may start, in pixels from the top.
    """

    def __init__(self) -> None:
        """Takes an empty page."""
        self._palette = Palette(_FIRST)
        self._canvas: npt.NDArray[np.uint8] = _paper()
        self.y = 8

    def __del__(self) -> None:
        """Gives the paper back."""
        if not self._is_full_color:
            _give_back(self._canvas)

    @property
    def _is_full_color(self) -> bool:
        """Whether the canvas holds colours, (height, width, 3), and not indices."""
        return self._canvas.ndim == 3

    def _reach(self, bottom: float) -> None:
        """Makes the paper longer where it ends above `bottom`."""
        height, *rest = self._canvas.shape
        if bottom > height:
            paper = 255 if self._is_full_color else 0
            longer = np.full((int(1.3 * bottom) - height, *rest), paper, np.uint8)
            self._canvas = np.concatenate([self._canvas, longer])

    def _part(self, x: int, y: int, height: int, width: int) -> tuple[npt.NDArray[np.uint8], tuple[slice, slice]]:
        """The part of the canvas below something that is put at (x, y), and which part of it is on the page."""
        if y + height > len(self._canvas):
            self._reach(y + height)
        if x >= 0 <= y and x + width <= WIDTH:
            return self._canvas[y : y + height, x : x + width], _WHOLE
        top, left = max(-y, 0), max(-x, 0)
        part = self._canvas[max(y, 0) : max(y + height, 0), max(x, 0) : max(x + width, 0)]
        return part, (slice(top, top + part.shape[0]), slice(left, left + part.shape[1]))

    def _mixed(self, colors: Pixels) -> npt.NDArray[np.uint8]:
        """Colours, (…, 3), as the canvas takes them."""
        if not self._is_full_color:
            indices = self._palette.find(colors)
            if indices is None and self._palette.has_tables and self._make_room():
                indices = self._palette.find(colors)
            if indices is not None:
                return indices
            indices, self._canvas = self._canvas, self._palette.colors.take(self._canvas, axis=0)
            _give_back(indices)
        return colors

    def _make_room(self) -> bool:
        """Takes colours of tables out of the palette that are nowhere on the canvas; False where there are none."""
        moved = self._palette.keep(used(self._canvas))
        if moved is None:
            return False
        self._canvas[...] = moved.take(self._canvas)
        return True

    def _mix(self, color: Rgb) -> int | npt.NDArray[np.uint8]:
        """One colour as the canvas takes it."""
        index = None if self._is_full_color else self._palette.index(color)
        return self._mixed(np.array(color, np.uint8)) if index is None else index

    def _cells(self, picture: Painted | Pixels | Runs) -> npt.NDArray[np.uint8]:
        """A picture as the canvas takes it; of a table that has no room the colours that are used."""
        if isinstance(picture, Runs):
            return picture.spread(self._cells(picture.colors))
        if not isinstance(picture, Painted):
            return self._mixed(picture)
        lookup = None if self._is_full_color else self._palette.whole(picture.table)
        if lookup is None:
            shown = used(picture.rows)
            mixed = self._mixed(picture.table[shown])
            lookup = np.zeros((len(picture.table), *mixed.shape[1:]), np.uint8)
            lookup[shown] = mixed
        return lookup.take(picture.rows, axis=0)

    def header(self, name: str, what: str, line: str) -> None:
        """First line: the name in bold and what it is; second line: epoch, step, range, what one cell means.

        A long name is set smaller, then broken; one that leaves no room for `what` pushes it to a line of its own.
        """
        size = next((s for s in range(TITLE, BODY, -1) if text_width(name, s, bold=True) <= CONTENT), BODY)
        lines = broken_short(name, CONTENT, size, bold=True, behind="./_")
        for text in lines:
            self.text(MARGIN, self.y, text, size=size, bold=True)
            self.y += size + 8
        right = MARGIN + text_width(lines[-1], size, bold=True) + 14
        beside = right + text_width(what) <= WIDTH - MARGIN
        if beside:
            self.text(right, self.y - 8, what, color=GREY, anchor="ls")
        for text in [line] if beside else [what, line]:
            # A little smaller rather than on a second line: what is below must not move when an epoch gains a digit.
            if text_width(text) > CONTENT >= text_width(text, SMALL):
                self.text(MARGIN, self.y + 1, text, size=SMALL, color=GREY)
                self.y += round(1.35 * BODY)
            else:
                self.paragraph(text)
        self.y += 8

    def paragraph(
        self, text: str, *, size: int = BODY, color: Rgb = GREY, left: int = MARGIN, width: int = CONTENT
    ) -> None:
        """Text over the whole width, or from `left` over `width` pixels, in at most `MOST_LINES` lines."""
        for part in broken_short(text, width, size, most=MOST_LINES):
            self.text(left, self.y, part, size=size, color=color)
            self.y += round(1.35 * size)

    def facts(self, facts: Iterable[Fact], *, size: int = SMALL) -> None:
        """Short texts in a row, each behind a square of its colour if it has one; those without room go below."""
        x: float = MARGIN
        height = round(1.35 * size)
        for text, color in facts:
            square = 0 if color is None else size
            width = square + text_width(text, size)
            if x > MARGIN and x + width > WIDTH - MARGIN:
                x = MARGIN
                self.y += height
            if color is not None:
                self.rectangle((x, self.y + 4, x + size - 7, self.y + size - 3), color)
            self.text(x + square, self.y, text, size=size, color=GREY)
            x += width + 18
        self.y += height

    def text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        size: int = BODY,
        bold: bool = False,
        color: Rgb = INK,
        anchor: str = "la",
    ) -> None:
        """Text at a point; `anchor` as Pillow's: l, m, r across, a (ascender), m, s (baseline), d down."""
        down = anchor[1]
        if share := _BEFORE[anchor[0]]:
            x -= share * text_width(text, size, bold)
        # The parts of a line are more likely to have been on a page before than the whole.
        parts = text.split(BETWEEN)
        for index, part in enumerate(parts):
            words = BETWEEN.lstrip() + part if index else part
            if words:
                start = x % 2
                self._ink(line(words, size, bold, down, _INKS[color], start), round(x - start), round(y))
            if index + 1 < len(parts):
                x += text_width(f"{words} ", size, bold)

    def _ink(self, word: Word, x: int, y: int) -> None:
        """Puts a word with the left end of its anchor at (x, y)."""
        indices, paper = word.indices, word.paper
        part, shown = self._part(x + word.left, y + word.top, *indices.shape)
        if shown is not _WHOLE:
            indices, paper = indices[shown], paper[shown]
        if self._is_full_color:
            inked = paper == 0
            part[inked] = self._palette.colors[indices[inked]]
        else:
            # Faster than a copy where there is ink.
            part &= paper
            part |= indices

    def paste(
        self,
        picture: Painted | Pixels | Runs,
        x: int,
        y: int,
        *,
        scale: tuple[int | Counts, int] = (1, 1),
        framed: bool = False,
    ) -> None:
        """Puts a picture with its upper left corner at (x, y); a frame goes around it, outside.

        Args:
            picture: (height, width).
            x: From the left.
            y: From the top.
            scale: How often each pixel is repeated down and across, so that a cell stays a cell; down each row may be
                as often as it likes.
            framed: Whether there is a frame.
        """
        down, across = scale
        cells = self._cells(picture)
        self._put(cells if across == 1 else np.repeat(cells, across, axis=1), x, y, down, framed)

    def paste_rows(
        self, picture: Painted, x: int, tops: Iterable[int], *, scale: tuple[int, Counts], framed: bool = False
    ) -> None:
        """Puts each row of a picture at a height of its own; `scale` says how often it is repeated, and each pixel."""
        down, across = scale
        wide = np.repeat(self._cells(picture), across, axis=1)
        for row, top in enumerate(tops):
            self._put(wide[row : row + 1], x, top, down, framed)

    def _put(self, wide: npt.NDArray[np.uint8], x: int, y: int, down: int | Counts, framed: bool) -> None:
        """Puts what the canvas takes at (x, y), each row repeated."""
        height = int(down.sum()) if isinstance(down, np.ndarray) else len(wide) * down
        width = wide.shape[1]
        self._reach(y + height + 1)
        if framed:
            self.rectangle((x - 1, y - 1, x + width, y + height), LINE)
        part, shown = self._part(x, y, height, width)
        if part.shape[0] == height and not isinstance(down, np.ndarray):
            # Each row goes where it is repeated at once: as large a picture on the way would be in new memory.
            rows = part.reshape(len(wide), down, *part.shape[1:])
            rows[...] = wide[:, None, shown[1]]
        else:
            part[...] = np.repeat(wide, down, axis=0)[shown]

    def line(self, points: list[tuple[float, float]], *, color: Rgb = LINE, width: int = 1) -> None:
        """A line through points."""
        (x, y), (end_x, end_y) = points[0], points[-1]
        whole = all(float(place).is_integer() for point in points for place in point)
        if len(points) == 2 and width == 1 and whole and (x == end_x or y == end_y):
            # Most are ticks, for which no image has to be made.
            self.rectangle((min(x, end_x), min(y, end_y), max(x, end_x), max(y, end_y)), color)
            return
        left, top = (int(min(places)) - width for places in zip(*points, strict=True))
        right, bottom = (int(max(places)) + width + 1 for places in zip(*points, strict=True))
        # Pillow draws from whole pixel to whole pixel, so the same line is drawn once.
        ends = tuple([(int(x - left), int(y - top)) for x, y in points])
        mask = _stroke(ends, (right - left, bottom - top), width)
        mixed = self._mix(color)
        part, shown = self._part(left, top, bottom - top, right - left)
        part[mask[shown]] = mixed

    def rectangle(self, box: tuple[float, float, float, float], color: Rgb) -> None:
        """A filled rectangle (left, top, right, bottom), right and bottom included."""
        left, top, right, bottom = map(int, box)
        mixed = self._mix(color)
        part, _ = self._part(left, top, bottom - top + 1, right - left + 1)
        part[...] = mixed

    def raster(self) -> Raster:
        """What was put on it, 720 pixels wide, a small margin below the last thing."""
        self._reach(self.y + 8)
        canvas = self._canvas[: self.y + 8]
        return Raster(canvas) if self._is_full_color else Raster(canvas, self._palette.colors)
