"""A few values over time: a line each, with its name at the right."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from lightning_weightviz.draw.chart import Plot, draw_ticks_below, draw_ticks_left, ticks
from lightning_weightviz.draw.color import Rgb
from lightning_weightviz.draw.geometry import Box, apart
from lightning_weightviz.draw.number import number
from lightning_weightviz.draw.page import CONTENT, GREY, INK, MARGIN, Page
from lightning_weightviz.draw.text import SMALL, fit, text_width

COLORS: tuple[Rgb, ...] = ((33, 102, 172), (213, 94, 0), (0, 128, 96), (117, 76, 163), (120, 94, 20))
"""Of the lines, in turn; all dark enough on white."""
WIDEST_NAME = 150
TO_NAMES = 22
"""Pixels from the chart to the names."""

Floats = npt.NDArray[np.float64]


def draw_lines(
    page: Page,
    axis: tuple[str, Floats],
    values: Floats,
    names: Sequence[str],
    *,
    place: tuple[int, int] = (MARGIN, CONTENT),
    height: int = 300,
) -> Plot:
    """Puts a chart on the page and moves `page.y` below it.

    Args:
        page: To draw on.
        axis: What time is counted in, and the times, (T,).
        values: (T, n); NaN where one is not known.
        names: Of the n lines; one that is empty is not written.
        place: From the left, and width, with all that belongs to it.
        height: Of the chart.
    """
    word, times = axis
    low, high = _range(values)
    names = [fit(name, WIDEST_NAME, SMALL) for name in names]
    left = place[0] + 12 + round(max(text_width(number(tick), SMALL) for tick in ticks(low, high)))
    right = place[0] + place[1] - TO_NAMES - round(max((text_width(name, SMALL) for name in names), default=0))
    box = Box(left, page.y, right, page.y + height)
    # One moment has no length in time: it is drawn as wide as the plot.
    alone = len(times) == 1
    span = (times[0] - 0.5, times[0] + 0.5) if alone else (float(times[0]), float(times[-1]))
    plot = Plot(box, span, (low, high))
    xs, ys = (np.array(span), np.repeat(values, 2, axis=0)) if alone else (times, values)
    if low < 0 < high:
        plot.level(0.0, GREY)
    for line in range(values.shape[1]):
        plot.line(xs, np.where(np.isfinite(ys[:, line]), ys[:, line], np.nan), COLORS[line % len(COLORS)], 2.0)
    plot.put(page)
    draw_ticks_left(page, plot, ticks(low, high))
    # The word takes the place of the ticks' texts that it would meet.
    end = place[0] + place[1] - text_width(word, SMALL) - 6
    marks = [(tick, number(tick, digits=9)) for tick in ticks(span[0], span[1], 5, whole=True)]
    free = [(tick, text) for tick, text in marks if plot.x.at(tick) + text_width(text, SMALL) / 2 <= end]
    draw_ticks_below(page, plot, free)
    page.text(place[0] + place[1], box.bottom + 9, word, size=SMALL, color=GREY, anchor="ra")
    _write_names(page, plot, values, names)
    page.y = box.bottom + 40
    return plot


def _range(values: Floats) -> tuple[float, float]:
    known = values[np.isfinite(values)]
    if not known.size:
        return -1.0, 1.0
    low, high = float(known.min()), float(known.max())
    margin = 0.04 * (high - low) or 0.1 * abs(low) or 1.0
    return low - margin, high + margin


def _write_names(page: Page, plot: Plot, values: Floats, names: Sequence[str]) -> None:
    """Each beside the end of its line, with a stroke of its colour to it; none of a line that has no value."""
    ends = []
    for line, name in enumerate(names):
        known = np.flatnonzero(np.isfinite(values[:, line]))
        if name and known.size:
            ends.append((plot.y.at(float(values[known[-1], line])), name, COLORS[line % len(COLORS)]))
    ends.sort(key=lambda one: one[0])
    places = apart([end for end, *_ in ends], SMALL + 3, plot.box.top + 8, plot.box.bottom - 8)
    for (end, name, color), at in zip(ends, places, strict=True):
        page.line([(plot.box.right + 1, end), (plot.box.right + 16, at)], color=color)
        page.text(plot.box.right + 20, at, name, size=SMALL, color=INK, anchor="lm")
