"""What stands at the left of the overview's strips."""

from __future__ import annotations

from collections.abc import Sequence

from lightning_weightviz.draw.geometry import apart
from lightning_weightviz.draw.page import GREY, MARGIN, WIDTH, Page
from lightning_weightviz.draw.text import SMALL, fit, fit_name, fit_names, text_width
from lightning_weightviz.views.overview.layout import (
    LINE_TO_BLOCK,
    MAX_TALL,
    MIDDLE,
    STRIP,
    TEXT,
    TO_BASELINE,
    Row,
    StripLayout,
)


def write_names(page: Page, rows: Sequence[Row], layout: StripLayout) -> None:
    """Names of the rows, or of their blocks, and the last row's below a line."""
    right, width = layout.names_right, layout.names_width
    page.line([(MARGIN, layout.tops[-1] - TEXT - 5), (WIDTH - MARGIN, layout.tops[-1] - TEXT - 5)])
    _write_two(page, rows[-1], rows[-1].name, layout.tops[-1], width)
    if layout.blocks:
        _write_blocks(page, layout)
        return
    has_two = len(rows) <= MAX_TALL + 1
    room = width if has_two else width - max(text_width(row.only_line[1], SMALL) for row in rows)
    names = fit_names(tuple(row.name for row in rows[:-1]), room, SMALL, has_two)
    for row, name, top in zip(rows, names, layout.tops[:-1], strict=False):
        if has_two:
            _write_two(page, row, name, top, width)
        else:
            text = name + row.only_line[1]
            page.text(right, top + layout.size[1] - MIDDLE / 2 + 4, text, size=SMALL, anchor="rm")


def _write_two(page: Page, row: Row, name: str, top: int, width: int) -> None:
    """The name beside the number, and what is below it beside the strip."""
    page.text(MARGIN, top - TO_BASELINE, name, size=SMALL, bold=True, anchor="ls")
    page.text(MARGIN, top + STRIP / 2, fit(row.second_line, width, SMALL), size=SMALL, color=GREY, anchor="lm")


def _write_blocks(page: Page, layout: StripLayout) -> None:
    """Each beside its rows, with a line to them where the one above takes the room."""
    tops, height, blocks = layout.tops, layout.size[1], layout.blocks
    right = layout.names_right
    ends = [(tops[b.first // layout.per_line], tops[(b.end - 1) // layout.per_line] + height) for b in blocks]
    middles = [(top + bottom) / 2 for top, bottom in ends]
    places = apart(middles, SMALL + 3, tops[0] + SMALL / 2, max(ends[-1][1], tops[0] + SMALL * len(blocks)))
    for block, (top, bottom), middle, place in zip(blocks, ends, middles, places, strict=True):
        page.line([(right + 4, top), (right + 4, bottom - 1)], color=GREY)
        page.line([(right - 6, place), (right + 4, middle)])
        name = fit_name(block.name, layout.names_width, SMALL)
        page.text(right - LINE_TO_BLOCK + 4, place, name, size=SMALL, anchor="rm")
