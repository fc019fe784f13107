"""The rows of an embedding: their norms from the largest to the smallest, and those that changed most."""

from __future__ import annotations

import numpy as np

from lightning_weightviz.draw.chart import draw_profile
from lightning_weightviz.draw.geometry import Box
from lightning_weightviz.draw.number import number, percent
from lightning_weightviz.draw.page import CONTENT, GREY, MARGIN, WIDTH, Page
from lightning_weightviz.draw.text import BODY, SMALL
from lightning_weightviz.snapshot import Rank

HEIGHT = 150
AXIS = 80
"""Pixels of the numbers at the left of the chart."""
LIST = 200
"""Pixels of the list at its right."""
ROW = SMALL + 4


def draw_ranking(page: Page, rank: Rank, padding: int | None) -> None:
    """Puts the curve of norms and beside it the list of rows on the page, and moves `page.y` below them."""
    page.y += 8
    listed = len(rank.changed) > 0
    page.text(MARGIN, page.y, "norms of the entries, largest first", size=BODY, bold=True)
    right = WIDTH - MARGIN - (LIST if listed else 0)
    if listed:
        page.text(right + 24, page.y, "changed most", size=BODY, bold=True)
    page.y += ROW + 10
    draw_profile(page, Box(MARGIN + AXIS, page.y, right, page.y + HEIGHT), rank.norms.astype(np.float64), signed=False)
    lines = zip(rank.changed, rank.changes, strict=True)
    for index, (row, change) in enumerate(lines):
        y = page.y + index * ROW
        if y + ROW > page.y + HEIGHT + 4:
            break
        page.text(right + 24, y, f"entry {row}", size=SMALL)
        page.text(WIDTH - MARGIN, y, number(float(change)), size=SMALL, color=GREY, anchor="ra")
    page.y += HEIGHT + 12
    notes = [f"entry {padding} is padding: not trained, left out here"] if padding is not None else []
    if listed:
        sample = "" if rank.sampled == 1 else f", from {percent(rank.sampled)} of its values"
        notes.append(f"changed: distance of an entry from its start{sample}")
    if notes:
        page.paragraph(" · ".join(notes), size=SMALL, width=CONTENT)
