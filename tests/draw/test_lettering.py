"""Words as masks: a number put together from its digits is the number that Pillow sets, pixel by pixel."""

from __future__ import annotations

import random

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageDraw

from lightning_weightviz.draw.lettering import SHADES, Word, word
from lightning_weightviz.draw.text import BODY, NUMERIC, SMALL, TITLE, advance, font

SIGNS = sorted(NUMERIC)
PAIRS = [first + second for first in SIGNS for second in SIGNS]
WORDS = ["".join(random.Random(seed).choices(SIGNS, k=2 + seed % 9)) for seed in range(200)]
REAL = ["±0.251", "−1.2e−05", "128×784", "0…127", "12.3%", "<0.1%", "epoch", "weights,", "fi", "größe", "猫"]


def paper(placed: Word) -> npt.NDArray[np.uint8]:
    """Its shades, 0 to `SHADES`, on paper whose middle is where its anchor is."""
    levels = np.zeros((200, 600), np.uint8)
    height, width = placed.indices.shape
    levels[100 + placed.top :, 100 + placed.left :][:height, :width] = placed.indices
    return levels


def by_pillow(text: str, size: int, bold: bool, down: str) -> npt.NDArray[np.uint8]:
    ink = Image.new("L", (600, 200))
    ImageDraw.Draw(ink).text((100, 100), text, font=font(size, bold), fill=255, anchor=f"l{down}")
    return np.rint(np.asarray(ink) / 255 * SHADES).astype(np.uint8)


@pytest.mark.parametrize("bold", [False, True])
@pytest.mark.parametrize("size", [SMALL, BODY, TITLE])
def test_words_are_those_of_pillow(size: int, bold: bool) -> None:
    for number, text in enumerate([*SIGNS, *PAIRS, *WORDS, *REAL]):
        down = "amsd"[number % 4]
        assert np.array_equal(paper(word(text, size, bold, down, 1)), by_pillow(text, size, bold, down)), (text, down)
        assert advance(text, size, bold) == font(size, bold).getlength(text), text


def test_shades_begin_where_the_ink_does() -> None:
    black, grey = word("0.25", SMALL, False, "a", 1), word("0.25", SMALL, False, "a", 8)
    inked = black.indices > 0
    assert np.array_equal(black.paper, np.where(inked, 0, 255)) and np.array_equal(black.paper, grey.paper)
    assert np.array_equal(grey.indices[inked], black.indices[inked] + 7)
    assert not grey.indices[~inked].any()
