"""Text as it is set: fonts, widths, and what is done to what is too wide."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from pathlib import Path

from matplotlib import get_data_path
from PIL import ImageFont

TITLE = 27
BODY = 20
SMALL = 18

LONGEST = 1000
"""Characters of a text that are looked at: of a longer one the first half and the last."""

NUMERIC = frozenset("0123456789.,−+±×%…:<>e–")
"""Signs of numbers: the font neither kerns nor joins them, so that each may be set by itself."""

_NUMBER_AT_END = re.compile(r".*?(\d{0,4})$", re.DOTALL)
"""Of a word of a name, the number that it ends with."""

MOST_MARKS = 2
"""Accents and the like on one letter."""


@lru_cache(maxsize=16)
def font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which comes with matplotlib."""
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(Path(get_data_path()) / "fonts" / "ttf" / name), size)


def glyphs(text: str) -> str:
    r"""What is drawn of a text: � for what has no glyph, no marks that only steer how text is set, few on a letter.

    >>> glyphs("two\nlines"), glyphs("x\u200dy"), glyphs("caf\udce9")
    ('two�lines', 'xy', 'caf�')
    """
    if text.isascii() and text.isprintable():
        return text
    kept, marks = [], 0
    for letter in text:
        kind = unicodedata.category(letter)
        marks = marks + 1 if kind in ("Mn", "Me") else 0
        # Marks pile up, off the page at last.
        if kind != "Cf" and marks <= MOST_MARKS:
            kept.append(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}")
    return "".join(kept)


@lru_cache(maxsize=4096)
def text_width(text: str, size: int = BODY, bold: bool = False) -> float:
    """Width in pixels."""
    # Word by word, as the same ones are on every page and a line of them is not.
    words = text.split(" ")
    return sum(advance(word, size, bold) for word in words) + (len(words) - 1) * advance(" ", size, bold)


@lru_cache(maxsize=4096)
def advance(word: str, size: int, bold: bool) -> float:
    """How far the next word is moved by this one, in pixels."""
    if len(word) > 1 and NUMERIC.issuperset(word):
        return sum(advance(letter, size, bold) for letter in word)
    return font(size, bold).getlength(glyphs(word))


@lru_cache(maxsize=512)
def fit(text: str, width: float, size: int = BODY, bold: bool = False) -> str:
    """`text`, its middle replaced by … where it is wider than `width` pixels: both ends of a name tell the most."""
    text = _within_reach(text)
    if text_width(text, size, bold) <= width:
        return text

    def shortened(keep: int) -> str:
        return f"{text[: (keep + 1) // 2]}…{text[len(text) - keep // 2 :]}"

    keep = _most(len(text) - 1, lambda count: text_width(shortened(count), size, bold) <= width)
    return shortened(keep) if keep > 2 else "…"


def _within_reach(text: str) -> str:
    """`text`, without its middle where it is so long that measuring it would take its time."""
    return text if len(text) <= LONGEST else f"{text[: LONGEST // 2]}…{text[-LONGEST // 2 :]}"


def _most(most: int, fits: Callable[[int], bool]) -> int:
    """The largest count up to `most` that fits, where fewer fit wherever more do; 0 where none does."""
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low


def _fitting(word: str, width: float, size: int, bold: bool) -> int:
    """How many characters of a word `width` pixels hold."""
    return _most(len(word), lambda count: text_width(word[:count], size, bold) <= width)


@lru_cache(maxsize=512)
def fit_name(name: str, width: float, size: int = BODY, bold: bool = False) -> str:
    """A parameter's name, its words from the left on cut to a letter until it is not wider than `width` pixels.

    Numbers stay, as they tell the layers apart; what is still too wide is cut by `fit`.

    >>> fit_name("encoder.layers.10.self_attn.weight", 200, 18), fit_name("backbone.layer2.1.conv1.weight", 200, 18)
    ('e.l.10.self_attn.weight', 'b.l2.1.conv1.weight')
    """
    (fitted,) = fit_names((name,), width, size, bold)
    return fitted


@lru_cache(maxsize=512)
def fit_names(names: tuple[str, ...], width: float, size: int = BODY, bold: bool = False) -> tuple[str, ...]:
    """`fit_name` of several; of those that begin with one word as many words are cut, so that equal ones stay equal."""
    all_words = [_within_reach(name).split(".") for name in names]
    counts: dict[str, int] = {}
    for words in all_words:
        most = len(words) - 1
        whole = _most(most, partial(_fits_with, words, width, size, bold))
        counts[words[0]] = max(counts.get(words[0], 0), most - whole)
    return tuple(fit(_cut(words, counts[words[0]]), width, size, bold) for words in all_words)


def _fits_with(words: Sequence[str], width: float, size: int, bold: bool, whole: int) -> bool:
    """Whether a name of which so many words before the last stay whole is not too wide."""
    return text_width(_cut(words, len(words) - 1 - whole), size, bold) <= width


def _cut(words: Sequence[str], count: int) -> str:
    """The first `count` words, but never the last one, cut to a letter and the number at their end."""
    count = min(count, len(words) - 1)
    cut = (word if word.isdigit() else word[:1] + _NUMBER_AT_END.sub(r"\1", word[1:]) for word in words[:count])
    return ".".join([*cut, *words[count:]])


@lru_cache(maxsize=512)
def broken(text: str, width: float, size: int = BODY, bold: bool = False, behind: str = " ") -> tuple[str, ...]:
    """`text` in lines of at most `width` pixels, broken behind one of the characters in `behind`, else anywhere."""
    text = _within_reach(text)
    if text_width(text.rstrip(), size, bold) <= width:
        return (text.rstrip(),)
    lines = [""]
    for word in re.findall(f"[^{behind}]*[{behind}]?", text):
        if text_width((lines[-1] + word).rstrip(), size, bold) > width and lines[-1]:
            lines.append("")
        while text_width(word.rstrip(), size, bold) > width:
            length = max(_fitting(word, width, size, bold), 1)
            if length == len(word):
                break
            lines[-1:] = [word[:length], ""]
            word = word[length:]
        lines[-1] += word
    return tuple(line.rstrip() for line in lines)


def broken_short(
    text: str, width: float, size: int = BODY, bold: bool = False, behind: str = " ", *, most: int = 4
) -> list[str]:
    """`broken`, at most `most` lines: of more the first ones and, behind …, the last."""
    lines = [*broken(text, width, size, bold, behind)]
    return lines if len(lines) <= most else [*lines[: most - 1], fit(f"…{lines[-1]}", width, size, bold)]
