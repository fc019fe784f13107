"""Histograms as pictures and as JSON, for loggers that have none of their own."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from lightning_weightviz.artifacts import Batch, Histogram, Image
from lightning_weightviz.draw.chart import BLUE, Plot, draw_ticks_below, draw_ticks_left, ticks
from lightning_weightviz.draw.geometry import Box
from lightning_weightviz.draw.number import number
from lightning_weightviz.draw.page import MARGIN, WIDTH, Page
from lightning_weightviz.draw.text import SMALL, text_width

MOST_PICTURES = 24
"""Histograms drawn in one snapshot: those of the most values. Each takes milliseconds of the training thread."""

_HEIGHT = 240
_LONGEST_NAME = 400
"""In characters: longer names fill the picture, and take seconds to be broken into lines."""


def drawn_histograms(batch: Batch) -> Iterator[Image]:
    """Pictures of a batch's `largest_histograms`, under their tags."""
    return (draw_histogram(histogram, batch.step, batch.epoch) for histogram in largest_histograms(batch))


def largest_histograms(batch: Batch) -> list[Histogram]:
    """Those of the most values, in their order; at most `MOST_PICTURES`."""
    found = [artifact for artifact in batch.artifacts if isinstance(artifact, Histogram)]
    largest = sorted(found, key=lambda histogram: int(histogram.counts.sum()), reverse=True)[:MOST_PICTURES]
    kept = {histogram.tag for histogram in largest}
    return [histogram for histogram in found if histogram.tag in kept]


def draw_histogram(histogram: Histogram, step: int, epoch: int) -> Image:
    """Bars whose area is the count, as bins differ in width a little."""
    # No font has what is not printable, and a line break would move what is below.
    shown = "".join(character if character.isprintable() else "\ufffd" for character in histogram.tag)
    if len(shown) > _LONGEST_NAME:
        shown = f"{shown[: _LONGEST_NAME // 2]}…{shown[1 - _LONGEST_NAME // 2 :]}"
    group, _, name = shown.partition("/")
    when = f"epoch {epoch} · step {step}"
    page = Page()
    page.header(name or group, group.replace(".", " · "), f"{when} · share of the values in each 1 % of the width")
    low, high = float(histogram.edges[0]), float(histogram.edges[-1])
    total = max(int(histogram.counts.sum()), 1)
    density = histogram.counts / total / (np.diff(histogram.edges) / (high - low)) / 100
    top = 1.05 * float(density.max(initial=0.0)) or 1.0
    marks = ticks(0.0, top)
    left = MARGIN + 12 + round(max(text_width(number(mark), SMALL) for mark in marks))
    box = Box(left, page.y, WIDTH - MARGIN, page.y + _HEIGHT)
    plot = Plot(box, (low, high), (0.0, top))
    plot.band(np.repeat(histogram.edges, 2)[1:-1], np.zeros(2 * len(density)), np.repeat(density, 2), BLUE)
    plot.put(page)
    draw_ticks_left(page, plot, marks)
    # Texts at the very ends would leave the page.
    inner = [mark for mark in ticks(low, high, most=6) if 0.04 <= (mark - low) / (high - low) <= 0.96]
    draw_ticks_below(page, plot, [(mark, number(mark)) for mark in inner])
    page.y = box.bottom + 40
    page.facts([(fact, None) for fact in _facts(histogram, total)])
    return Image(histogram.tag, page.raster(), f"{name or group}, {when}, histogram")


def _facts(histogram: Histogram, total: int) -> list[str]:
    return [
        f"{total:,} values".replace(",", " "),
        f"min {number(histogram.minimum)}",
        f"mean {number(histogram.total / total)}",
        f"max {number(histogram.maximum)}",
    ]


def histogram_record(histogram: Histogram) -> dict[str, Any]:
    """A histogram in JSON: ``minimum, maximum, sum, sum_squares, edges, counts``; null where it is not finite."""
    return {
        "minimum": finite(histogram.minimum),
        "maximum": finite(histogram.maximum),
        "sum": finite(histogram.total),
        "sum_squares": finite(histogram.squares),
        "edges": histogram.edges.tolist(),
        "counts": histogram.counts.tolist(),
    }


def finite(value: float) -> float | None:
    """JSON has no NaN and no infinity."""
    return float(value) if math.isfinite(value) else None
