"""Text as it is set: fonts, widths, and what is done to what is too wide."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

from matplotlib import get_data_path
from PIL import ImageFont

TITLE = 27
BODY = 20
SMALL = 18


@lru_cache(maxsize=16)
def font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which comes with matplotlib."""
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(Path(get_data_path()) / "fonts" / "ttf" / name), size)


def text_width(text: str, size: int = BODY, bold: bool = False) -> float:
    """Width in pixels."""
    # Word by word, as the same ones are on every page and a line of them is not.
    words = text.split(" ")
    return sum(advance(word, size, bold) for word in words) + (len(words) - 1) * advance(" ", size, bold)


@lru_cache(maxsize=4096)
def advance(word: str, size: int, bold: bool) -> float:
    """How far the next word is moved by this one, in pixels."""
    return font(size, bold).getlength(word)


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
