"""Where the overview's rows, strips and names go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lightning_weightviz.draw.geometry import Box
from lightning_weightviz.draw.page import MARGIN, WIDTH
from lightning_weightviz.draw.text import SMALL, text_width
from lightning_weightviz.views.support.name_groups import Block, group

WIDEST_NAMES = 290
"""Pixels of the names at the left, at most."""
BETWEEN_COLUMNS = 12
STRIP = 18
TEXT = 24
"""Pixels of a line of text above a strip."""
TALL, MIDDLE = TEXT + STRIP + 8, 30
"""From one row to the next where it has two lines at the left, and where it has one."""
MIDDLE_STRIP = 9
MAX_TALL, MAX_MIDDLE = 12, 32
"""Up to so many rows are so high; more are thin, and named by block."""
ALL_THIN = 720
"""Height in pixels of all thin rows together, at most."""
THICKEST = 12
BETWEEN = 3
"""Pixels between two blocks of thin rows."""
LINE_TO_BLOCK = 14
TO_BASELINE = 4
"""From a strip up to the text above it."""


@dataclass(frozen=True)
class Row:
    """What stands at the left of a row's strips.

    Attributes:
        name: Of the parameter.
        below: A second line, where there is room for one.
        note: A word about it, behind the second line or else behind the name; none at thin rows.
    """

    name: str
    below: str = ""
    note: str = ""

    @property
    def second_line(self) -> str:
        """What is below the name where there is room."""
        return " · ".join(filter(None, (self.below, self.note)))

    @property
    def only_line(self) -> tuple[str, str]:
        """The name, and what is behind it where nothing is below."""
        return self.name, f" · {self.note}" if self.note else ""


@dataclass(frozen=True)
class StripLayout:
    """Where the strips are.

    Attributes:
        lefts: Of each column, in pixels.
        tops: Of each line of strips; the last one is the last row's.
        size: Width of every strip, and height.
        per_line: Rows in a line: more than one where there are more rows than pixels.
        times: T, the number of cells in a strip.
        blocks: Parts of the network, where rows are too thin for a name each; else none.
    """

    lefts: tuple[int, ...]
    tops: tuple[int, ...]
    size: tuple[int, int]
    per_line: int
    times: int
    blocks: tuple[Block, ...] = ()

    @property
    def names_right(self) -> int:
        """Where the names end."""
        return self.lefts[0] - BETWEEN_COLUMNS

    @property
    def names_width(self) -> int:
        """Pixels of the names."""
        return self.names_right - MARGIN - (LINE_TO_BLOCK if self.blocks else 0)

    def cell(self, row: int, column: int, time: int) -> Box:
        """The pixels of one value of a row but the last; of -1 as row, of the last."""
        width, height = self.size
        top, height = (self.tops[-1], STRIP) if row < 0 else (self.tops[row // self.per_line], height)
        left, right = (self.lefts[column] + -(-width * t // self.times) for t in (time, time + 1))
        return Box(left, top, right, top + height)


def plan(top: int, rows: Sequence[Row], columns: int, times: int) -> StripLayout:
    """Places all rows from `top` on, the last one apart; at least two."""
    parts = len(rows) - 1
    per_line, blocks = 1, list[Block]()
    if parts <= MAX_TALL:
        tops, height = [top + TEXT + TALL * row for row in range(parts)], STRIP
    elif parts <= MAX_MIDDLE:
        tops, height = [top + TEXT + MIDDLE * row for row in range(parts)], MIDDLE_STRIP
    else:
        per_line = -(-parts // ALL_THIN)
        blocks = group([row.name for row in rows[:-1]])
        height = min(THICKEST, max(1, ALL_THIN // parts))
        begins = {block.first // per_line for block in blocks} - {0}
        tops = []
        for line in range(-(-parts // per_line)):
            top += BETWEEN if line in begins else 0
            tops.append(top)
            top += height
    left = MARGIN + min(WIDEST_NAMES, _needed(rows, blocks)) + BETWEEN_COLUMNS + (LINE_TO_BLOCK if blocks else 0)
    width = (WIDTH - MARGIN - left + BETWEEN_COLUMNS) // columns - BETWEEN_COLUMNS
    lefts = tuple(left + (width + BETWEEN_COLUMNS) * index for index in range(columns))
    tops.append(tops[-1] + height + TEXT + 14)
    return StripLayout(lefts, tuple(tops), (width, height), per_line, times, tuple(blocks))


def _needed(rows: Sequence[Row], blocks: Sequence[Block]) -> int:
    """Pixels of the widest text at the left."""
    last, parts = rows[-1], rows[:-1]
    bold, plain = [last.name, last.below, "colours"], list[str]()
    if blocks:
        plain += [block.name for block in blocks]
    elif len(parts) <= MAX_TALL:
        bold += [row.name for row in parts]
        plain += [row.second_line for row in parts]
    else:
        plain += ["".join(row.only_line) for row in parts]
    widths = [text_width(text, SMALL, bold=True) for text in bold] + [text_width(text, SMALL) for text in plain]
    return round(max(widths)) + 6
