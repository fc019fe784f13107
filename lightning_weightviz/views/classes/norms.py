"""Norms and biases of a head's classes: named bars, or sorted curves where there are many."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lightning_weightviz.artifacts import Raster
from lightning_weightviz.draw.chart import BLUE, draw_profile, draw_value_bar
from lightning_weightviz.draw.color import NAN, paint_signed
from lightning_weightviz.draw.geometry import Box, Scale
from lightning_weightviz.draw.matrix import round_up
from lightning_weightviz.draw.number import number, percent, shape_text
from lightning_weightviz.draw.page import GREY, INK, LINE, MARGIN, WIDTH, Fact, Page
from lightning_weightviz.draw.text import SMALL, fit, text_width
from lightning_weightviz.snapshot import ClassRows
from lightning_weightviz.views.classes.over_time import Over
from lightning_weightviz.views.support.words import plus_minus

MAX_BARS = 30
"""Up to so many classes have a bar each, with name and number."""
NAME = 150
"""Pixels of a class name beside a bar."""
END_NAME = 115
"""Pixels of a class name at an end of a curve: three in a line."""
ROW = SMALL + 4
"""Pixels of a row that bears a text."""


@dataclass(frozen=True)
class NormBars:
    """Drawn norms.

    Attributes:
        raster: 720 pixels wide.
        bars: For each class the place that its norm's bar fills if it is the largest; none where curves are drawn.
        top: The norm that fills that place.
    """

    raster: Raster
    bars: tuple[Box, ...] = ()
    top: float = 0.0


def draw_norms(head: ClassRows, when: str, colormap: str, over: Over | None = None) -> NormBars:
    """Draws the norm of each centred row and, signed, each bias: named bars, or sorted curves for many classes.

    Args:
        head: The classes.
        when: The moment.
        colormap: Of biases.
        over: What they were at first, which is marked; None where that is not known.
    """
    count = len(head.class_names)
    page = Page()
    centred = "as they are: multi-label" if head.multi_label else "centred over the classes"
    rows = f"its {head.line}" if head.single else f"{head.line}s {centred}"
    page.header("class norms", f"{head.name} {shape_text(head.own_shape)}", f"{when} · {rows}")
    if head.single:
        page.paragraph("one output: positive = second class", size=SMALL)
    if count <= MAX_BARS:
        bars, top = _named_bars(page, head, colormap, over)
    else:
        bars, top = (), 0.0
        _profiles(page, head, over)
    mean = float(head.norms.mean())
    facts: list[Fact] = [(f"at {over.since}", INK)] if over is not None else []
    if count > 2 and mean > 0 and np.isfinite(mean):
        facts.append((f"norm: mean {number(mean)}, spread {percent(norm_spread(head))} of it", None))
    if not head.single:
        answer = "is predicted" if head.multi_label else "wins"
        facts.append((f"a longer {head.line} or a higher bias: the class {answer} more easily", None))
    if facts:
        page.facts(facts)
    return NormBars(page.raster(), bars, top)


def norm_spread(head: ClassRows) -> float:
    """Standard deviation of the norms over their mean; NaN where that is 0 or not finite."""
    mean = float(head.norms.mean())
    # In units of the mean, as the squares of the largest norms are none.
    return float((head.norms / mean).std()) if 0 < mean < np.inf else float("nan")


def _named_bars(page: Page, head: ClassRows, colormap: str, over: Over | None) -> tuple[tuple[Box, ...], float]:
    """One row per class: name, bar and number of the norm, and of the bias where there is one."""
    names = [fit(name, NAME, SMALL) for name in head.class_names]
    left = MARGIN + round(max(text_width(name, SMALL) for name in names)) + 10
    half = (WIDTH - MARGIN - left - 24) // 2
    width = half if head.bias is not None else 2 * half
    columns = [(head.norms, "norm", left, width, None if over is None else over.norms[0])]
    if head.bias is not None:
        start = None if over is None or over.biases is None else over.biases[0]
        columns.append((head.bias, "bias", left + half + 24, half, start))
    height = max(ROW, min(34, 340 // len(names)))
    top = page.y + ROW + 6
    for row, name in enumerate(names):
        page.text(left - 10, top + (row + 0.5) * height, name, size=SMALL, anchor="rm")
    bottom = top + height * len(names)
    low_color, high_color = paint_signed(np.array([-0.75, 0.75]), 1.0, colormap).pixels.tolist()
    scales = []
    for values, word, start, width, before in columns:
        shown = values if before is None else np.concatenate([values, before])
        limit = round_up(float(np.abs(shown[np.isfinite(shown)]).max(initial=0.0)))
        texts = [number(float(value), signed=word == "bias") for value in values]
        number_width = round(max(text_width(text, SMALL) for text in texts))
        scale = Scale(-limit if word == "bias" else 0.0, limit, start, start + width - number_width - 8)
        scales.append(scale)
        page.text(
            start, page.y, f"{word} {plus_minus(limit) if word == 'bias' else f'0 to {number(limit)}'}", size=SMALL
        )
        for row, value in enumerate(values):
            color = BLUE if word == "norm" else tuple(high_color if value > 0 else low_color)
            draw_value_bar(page, scale, float(value), top + row * height + 3, height - 6, color)
            middle = top + (row + 0.5) * height
            if before is not None and np.isfinite(before[row]):
                mark = round(scale.at(float(before[row])))
                page.rectangle((mark - 1, top + row * height + 1, mark, top + (row + 1) * height - 2), INK)
            page.text(start + width, middle, texts[row], size=SMALL, color=GREY, anchor="rm")
        page.line([(scale.at(0.0), top - 2), (scale.at(0.0), bottom + 1)], color=LINE)
    page.y = bottom + 8
    left, right = round(scales[0].start), round(scales[0].end)
    bars = tuple(Box(left, top + r * height + 3, right, top + (r + 1) * height - 3) for r in range(len(names)))
    return bars, scales[0].high


def _profiles(page: Page, head: ClassRows, over: Over | None) -> None:
    """The norms in falling order, then the biases, each with the names at its ends; those of the start are a line."""
    starts = (None, None) if over is None else (over.norms[0], None if over.biases is None else over.biases[0])
    for values, word, start in ((head.norms, "norm", starts[0]), (head.bias, "bias", starts[1])):
        if values is None:
            continue
        known = np.flatnonzero(np.isfinite(values))
        page.text(MARGIN, page.y, f"{word} of {known.size} classes, sorted", size=SMALL)
        page.y += ROW + 4
        box = Box(MARGIN + 76, page.y, WIDTH - MARGIN, page.y + 150)
        draw_profile(page, box, np.asarray(values), signed=word == "bias", start=start)
        page.y = box.bottom + 8
        order = known[np.argsort(-values[known], kind="stable")]
        for words, ends in (("highest", order[:3]), ("lowest", order[::-1][:3])):
            texts = [f"{fit(head.class_names[i], END_NAME, SMALL)} {number(float(values[i]))}" for i in ends]
            page.facts([(f"{words}:", None), *((text, None) for text in texts)])
        if known.size < len(values):
            page.facts([(f"not finite: {len(values) - known.size} classes", NAN)])
        page.y += 10
