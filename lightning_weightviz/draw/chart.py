"""Parts of charts: scales with few round ticks, smooth bands and lines, bars, labels that keep apart."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from lightning_weightviz.draw.color import INFINITE, NAN, NO_VALUE, Pixels, Rgb
from lightning_weightviz.draw.geometry import Box, Scale, Values
from lightning_weightviz.draw.number import number
from lightning_weightviz.draw.page import GREY, INK, LINE, Page
from lightning_weightviz.draw.smooth import SMOOTH, Smooth
from lightning_weightviz.draw.text import SMALL, font, glyphs

BLUE: Rgb = (33, 102, 172)
PALE: Rgb = (209, 224, 240)
NAVY: Rgb = (8, 48, 107)

_ALONE = 2.0
"""Half the width in pixels of a band at a point that has no neighbour."""


def ticks(low: float, high: float, most: int = 4, *, whole: bool = False) -> list[float]:
    """At most `most` round values from `low` to `high`, evenly spaced by 1, 2, 2.5 or 5 times a power of ten.

    Args:
        low: Finite.
        high: Finite, at least `low`.
        most: At least 2.
        whole: Whether to give whole numbers alone.

    >>> ticks(-0.31, 0.27), ticks(0, 20, whole=True), ticks(3, 3)
    ([-0.2, 0.0, 0.2], [0.0, 10.0, 20.0], [3.0])
    """
    span = high - low
    if not span > 0 or not math.isfinite(span):
        return [float(low)]
    power = math.floor(math.log10(span / most)) if span / most > 1e-300 else -300
    for step in (multiple * 10.0**exponent for exponent in range(power, power + 3) for multiple in (1, 2, 2.5, 5)):
        if whole and step != round(step):
            continue
        # A hair of tolerance, so that an end that is a tick itself is not lost to rounding.
        first, last = math.ceil(low / step - 1e-6), math.floor(high / step + 1e-6)
        if last - first + 1 <= most:
            decimals = 2 - math.floor(math.log10(step))
            found = [round(index * step, decimals) + 0.0 for index in range(first, last + 1)]
            return found or [float(low)]
    return [float(low)]


class Plot:
    """A rectangle of the page for bands and lines, clipped to it.

    Attributes:
        x: Scale of the abscissa, in pixels of the page.
        y: Scale of the ordinate.
    """

    def __init__(self, box: Box, x: tuple[float, float], y: tuple[float, float]) -> None:
        """Takes the place on the page and the values at the edges of it."""
        self.box = box
        self.x = Scale(*x, box.left, box.right)
        self.y = Scale(*y, box.bottom, box.top)
        self._paper = Smooth(box.width, box.height)

    def band(self, xs: Values, lows: Values, highs: Values, color: Rgb) -> None:
        """Fills between two curves; where one of them is NaN there is a hole."""
        for x, low, high in self._runs(xs, lows, highs):
            self._paper.polygon([*zip(x, low, strict=True), *zip(x[::-1], high[::-1], strict=True)], color)

    def line(self, xs: Values, ys: Values, color: Rgb, width: float = 2.0) -> None:
        """A curve, `width` pixels wide, with holes where it is NaN."""
        for x, y in self._runs(xs, ys):
            self._paper.line([*zip(x, y, strict=True)], color, round(SMOOTH * width))

    def level(self, y: float, color: Rgb = LINE) -> None:
        """A horizontal line through the whole plot, one pixel wide."""
        self._paper.level(SMOOTH * round(self.y.at(y) - self.box.top), color)

    def put(self, page: Page) -> None:
        """Shows what was drawn."""
        page.paste(self._paper.averaged(), self.box.left, self.box.top, framed=True)

    def _runs(self, xs: Values, *curves: Values) -> list[list[list[float]]]:
        """Stretches without NaN, abscissae and ordinates, in enlarged pixels; a point alone gets a little width."""
        x = SMOOTH * (self.x.places(xs) - self.box.left)
        # Pillow takes points far outside, though not infinitely far.
        ys = [SMOOTH * np.minimum(np.maximum(self.y.places(c) - self.box.top, -1e4), 1e4) for c in curves]
        known = np.flatnonzero(np.isfinite(sum(ys, x)))
        if known.size == x.size > 1:
            return [[x.tolist(), *(y.tolist() for y in ys)]]
        runs = []
        for run in np.split(known, np.flatnonzero(np.diff(known) > 1) + 1):
            if run.size == 1:
                wide = x[run[0]] + SMOOTH * np.array([-_ALONE, _ALONE])
                runs.append([wide.tolist(), *(np.repeat(y[run], 2).tolist() for y in ys)])
            elif run.size:
                runs.append([x[run].tolist(), *(y[run].tolist() for y in ys)])
        return runs


def draw_ticks_left(page: Page, plot: Plot, values: Sequence[float]) -> None:
    """Short lines at the left of a plot, with their values."""
    for value in values:
        y = round(plot.y.at(value))
        page.line([(plot.box.left - 6, y), (plot.box.left - 1, y)], color=GREY)
        page.text(plot.box.left - 10, y, number(value), size=SMALL, color=GREY, anchor="rm")


def draw_ticks_below(page: Page, plot: Plot, labels: Sequence[tuple[float, str]]) -> None:
    """Short lines below a plot, with their texts, kept within the page's margins by their anchors."""
    for value, text in labels:
        x = round(plot.x.at(value))
        page.line([(x, plot.box.bottom + 1), (x, plot.box.bottom + 6)], color=GREY)
        page.text(x, plot.box.bottom + 9, text, size=SMALL, color=GREY, anchor="ma")


def draw_value_bar(page: Page, scale: Scale, value: float, top: int, height: int, color: Rgb) -> None:
    """A horizontal bar from 0 to `value`; magenta and short for NaN, black and long for an infinity."""
    zero = round(scale.at(0.0))
    if math.isnan(value):
        page.rectangle((zero - 2, top, zero + 12, top + height - 1), NAN)
        return
    color = INFINITE if math.isinf(value) else color
    end = round(scale.at(min(max(value, scale.low), scale.high)))
    if end != zero:
        page.rectangle((min(zero, end), top, max(zero, end) - 1, top + height - 1), color)


def draw_profile(page: Page, box: Box, values: Values, *, signed: bool, start: Values | None = None) -> Plot:
    """Many values in falling order as one filled curve from 0, with three or four ticks at the left.

    Args:
        page: To draw on.
        box: Where.
        values: (n,), in any order; what is not finite is left out.
        signed: Whether the axis goes as far below 0 as above; else it starts at 0.
        start: Further values, (n,), that are a line alone, in falling order too.
    """
    ordered, before = (np.sort(one[np.isfinite(one)])[::-1] for one in (values, values[:0] if start is None else start))
    top = float(np.abs(np.concatenate([ordered, before])).max(initial=0.0)) * 1.05 or 1.0
    plot = Plot(box, (0.0, max(ordered.size - 1.0, 1.0)), (-top if signed else 0.0, top))
    ranks = np.arange(ordered.size, dtype=np.float64)
    plot.band(ranks, np.zeros(ordered.size), ordered, PALE)
    plot.line(ranks, ordered, BLUE)
    if before.size:
        plot.line(np.linspace(0.0, plot.x.high, before.size), before, INK, 1.0)
    if signed:
        plot.level(0.0, NO_VALUE)
    plot.put(page)
    draw_ticks_left(page, plot, ticks(plot.y.low, plot.y.high))
    return plot


def vertical(text: str, *, size: int = SMALL, color: Rgb = INK) -> Pixels:
    """A text that reads upwards: uint8, (its width, its height, 3), on white."""
    height, text = round(1.3 * size), glyphs(text)
    ink = Image.new("L", (math.ceil(font(size).getlength(text)) + 2, height))
    ImageDraw.Draw(ink).text((1, height / 2), text, font=font(size), fill=255, anchor="lm")
    # As few greys as on the page, which has to fit a palette.
    ink = ink.point([round(round(alpha / 255 * 7) / 7 * 255) for alpha in range(256)])
    turned = np.asarray(ink.transpose(Image.Transpose.ROTATE_90), np.float64)[:, :, None] / 255
    return np.rint(255 * (1 - turned) + np.array(color) * turned).astype(np.uint8)
