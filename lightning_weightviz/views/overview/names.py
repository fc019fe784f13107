"""What stands at the left of the overview's strips."""

from __future__ import annotations

from collections.abc import Sequence

from lightning_weightviz.draw.geometry import apart
from lightning_weightviz.draw.page import GREY, MARGIN, WIDTH, Page
from lightning_weightviz.draw.text import SMALL, fit, fit_name, text_width
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
    _write_two(page, rows[-1], layout.tops[-1], width)
    if layout.blocks:
        _write_blocks(page, layout)
        return
    for row, top in zip(rows, layout.tops[:-1], strict=False):
        if len(rows) <= MAX_TALL + 1:
            _write_two(page, row, top, width)
        else:
            name, behind = row.only_line
            text = fit_name(name, width - text_width(behind, SMALL), SMALL) + behind
            page.text(right, top + layout.size[1] - MIDDLE / 2 + 4, text, size=SMALL, anchor="rm")


def _write_two(page: Page, row: Row, top: int, width: int) -> None:
    """The name beside the number, and what is below it beside the strip."""
    name = fit_name(row.name, width, SMALL, bold=True)
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
