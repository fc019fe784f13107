"""When the cells of the overview's strips are of: epochs or steps below the last strips."""

from __future__ import annotations

from lightning_weightviz.draw.chart import ticks
from lightning_weightviz.draw.number import number
from lightning_weightviz.draw.page import GREY, Page
from lightning_weightviz.draw.text import SMALL, text_width
from lightning_weightviz.memory import Memory
from lightning_weightviz.views.overview.layout import STRIP, StripLayout
from lightning_weightviz.views.support.time_axis import time_axis

LENGTH = 5
"""Of a tick, in pixels."""
BETWEEN_LABELS = 10


def draw_time_ticks(page: Page, layout: StripLayout, memory: Memory) -> None:
    """Ticks and their times below the last strip of each column, and at the left what they count."""
    word, times = time_axis(memory)
    labels = [when(time) for time in times.tolist()]
    marked = _marked(times.tolist())
    top = layout.tops[-1] + STRIP + 1
    for column, left in enumerate(layout.lefts):
        taken: list[tuple[float, float]] = []
        for index in marked:
            cell, half = layout.cell(-1, column, index), text_width(labels[index], SMALL) / 2
            middle = (cell.left + cell.right) / 2
            place = min(max(middle, left + half), left + layout.size[0] - half)
            ends = place - half - BETWEEN_LABELS / 2, place + half + BETWEEN_LABELS / 2
            if all(ends[1] <= start or end <= ends[0] for start, end in taken):
                taken.append(ends)
                page.line([(middle, top), (middle, top + LENGTH)], color=GREY)
                page.text(place, top + LENGTH, labels[index], size=SMALL, color=GREY, anchor="ma")
    page.text(layout.names_right, top + LENGTH, word, size=SMALL, color=GREY, anchor="ra")


def _marked(times: list[float]) -> list[int]:
    """Which snapshots are to have a tick: the first, the last, and those at round times, as far as there is room."""
    last = len(times) - 1
    rounds = [times.index(time) for time in ticks(times[0], times[-1], most=4, whole=True) if time in times]
    return list(dict.fromkeys([0, last, *rounds]))


def when(time: float) -> str:
    """A time, short.

    >>> when(20), when(12340), when(2.5e6)
    ('20', '12.3k', '2.5M')
    """
    if abs(time) < 1e4:
        return number(time, digits=4)
    return f"{number(time / 1e3)}k" if abs(time) < 1e6 else f"{number(time / 1e6)}M"
