"""A white page 720 pixels wide, made to be read at half that width on TensorBoard's card."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

import numpy as np
from matplotlib import get_data_path
from PIL import Image, ImageDraw, ImageFont

from lightning_weightviz.draw.color import Pixels, Rgb

WIDTH = 720
MARGIN = 16
CONTENT = WIDTH - 2 * MARGIN

TITLE = 27
BODY = 20
SMALL = 18

INK: Rgb = (32, 33, 36)
GREY: Rgb = (88, 91, 96)
LINE: Rgb = (206, 208, 212)

_SHADES = 7
"""Greys between paper and ink at the edges of letters: few, so that they fit a palette beside a colour table."""


@lru_cache(maxsize=16)
def font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which comes with matplotlib."""
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(Path(get_data_path()) / "fonts" / "ttf" / name), size)


@lru_cache(maxsize=4096)
def text_width(text: str, size: int = BODY, bold: bool = False) -> float:
    """Width in pixels."""
    return font(size, bold).getlength(text)


def fit(text: str, width: float, size: int = BODY, bold: bool = False) -> str:
    """`text`, its middle replaced by … where it is wider than `width` pixels: both ends of a name tell the most."""
    if text_width(text, size, bold) <= width:
        return text
    keep = len(text) - 1
    while keep > 2:
        shortened = f"{text[: (keep + 1) // 2]}…{text[len(text) - keep // 2 :]}"
        if text_width(shortened, size, bold) <= width:
            return shortened
        keep -= 1
    return "…"


def fit_name(name: str, width: float, size: int = BODY, bold: bool = False) -> str:
    """A parameter's name, its words from the left on cut to a letter until it is not wider than `width` pixels.

    Numbers stay, as they tell the layers apart; what is still too wide is cut by `fit`.

    >>> fit_name("encoder.layers.10.self_attn.weight", 200, 18)
    'e.l.10.self_attn.weight'
    """
    words = name.split(".")
    for index in range(len(words) - 1):
        if text_width(".".join(words), size, bold) <= width:
            break
        if not words[index].isdigit():
            words[index] = words[index][:1]
    return fit(".".join(words), width, size, bold)


def broken(text: str, width: float, size: int = BODY, bold: bool = False, behind: str = " ") -> list[str]:
    """`text` in lines of at most `width` pixels, broken behind one of the characters in `behind`, else anywhere."""
    lines = [""]
    for word in re.findall(f"[^{behind}]*[{behind}]?", text):
        if text_width((lines[-1] + word).rstrip(), size, bold) > width and lines[-1]:
            lines.append("")
        while text_width(word.rstrip(), size, bold) > width:
            fits = (count for count in range(len(word), 1, -1) if text_width(word[:count], size, bold) <= width)
            length = next(fits, 1)
            if length == len(word):
                break
            lines[-1:] = [word[:length], ""]
            word = word[length:]
        lines[-1] += word
    return [line.rstrip() for line in lines]


_STEPS = [round(round(alpha / 255 * _SHADES) / _SHADES * 255) for alpha in range(256)]


@lru_cache(maxsize=4096)
def _mask(text: str, size: int, bold: bool, down: str) -> tuple[Image.Image, int, int]:
    """The ink of a text in `_SHADES` steps, and where it goes from its left end at the height `down` of an anchor."""
    anchor = f"l{down}"
    left, top, right, bottom = font(size, bold).getbbox(text, anchor=anchor)
    x, y = int(left) - 1, int(top) - 1
    ink = Image.new("L", (int(right) - x + 1, int(bottom) - y + 1))
    ImageDraw.Draw(ink).text((-x, -y), text, font=font(size, bold), fill=255, anchor=anchor)
    return ink.point(_STEPS), x, y


class Page:
    """Collects text and pictures from the top down; `pixels` cuts it to its height.

    Attributes:
        y: Where the next thing may start, in pixels from the top.
    """

    def __init__(self) -> None:
        """Takes an empty page."""
        self._image = Image.new("RGB", (WIDTH, 800), "white")
        self._draw = ImageDraw.Draw(self._image)
        self.y = 8

    def _reach(self, bottom: float) -> None:
        """Makes the paper longer where it ends above `bottom`."""
        if bottom > self._image.height:
            longer = Image.new("RGB", (WIDTH, 2 * int(bottom)), "white")
            longer.paste(self._image)
            self._image, self._draw = longer, ImageDraw.Draw(longer)

    def header(self, name: str, what: str, line: str) -> None:
        """First line: the name in bold and what it is; second line: epoch, step, range, what one cell means.

        A long name is set smaller, then broken; one that leaves no room for `what` pushes it to a line of its own.
        """
        size = next((s for s in range(TITLE, BODY, -1) if text_width(name, s, bold=True) <= CONTENT), BODY)
        lines = broken(name, CONTENT, size, bold=True, behind="./_")
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
        """Text over the whole width, or from `left` over `width` pixels, broken into lines between words."""
        for line in broken(text, width, size):
            self.text(left, self.y, line, size=size, color=color)
            self.y += round(1.35 * size)

    def facts(self, facts: Iterable[tuple[str, Rgb | None]], *, size: int = SMALL) -> None:
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
        across, down = anchor[0], anchor[1]
        x -= {"l": 0.0, "m": 0.5, "r": 1.0}[across] * text_width(text, size, bold)
        # Word by word, as the same ones are on every page and a line of them is not.
        for word in text.split(" "):
            if word:
                ink, left, top = _mask(word, size, bold, down)
                corner = round(x) + left, round(y) + top
                self._reach(corner[1] + ink.height)
                self._image.paste(color, corner, ink)
            x += text_width(f"{word} ", size, bold)

    def paste(self, pixels: Pixels, x: int, y: int, *, framed: bool = False) -> None:
        """Puts a picture with its upper left corner at (x, y); a frame goes around it, outside."""
        height, width = pixels.shape[:2]
        self._reach(y + height + 1)
        if framed:
            self._draw.rectangle((x - 1, y - 1, x + width, y + height), outline=LINE)
        self._image.paste(Image.fromarray(pixels), (x, y))

    def line(self, points: list[tuple[float, float]], *, color: Rgb = LINE, width: int = 1) -> None:
        """A line through points."""
        self._reach(max(y for _, y in points) + width)
        self._draw.line(points, fill=color, width=width)

    def rectangle(self, box: tuple[float, float, float, float], color: Rgb) -> None:
        """A filled rectangle (left, top, right, bottom), right and bottom included."""
        self._reach(box[3] + 1)
        self._draw.rectangle(box, fill=color)

    def pixels(self) -> Pixels:
        """uint8 (height, 720, 3), a small margin below the last thing."""
        self._reach(self.y + 8)
        return np.asarray(self._image.crop((0, 0, WIDTH, self.y + 8)))
