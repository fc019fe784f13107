"""Spectrum: the singular values of a matrix next to those of noise of the same spread, now and over time."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lightning_weightviz.artifacts import Artifact, Image, Raster
from lightning_weightviz.draw.chart import Plot
from lightning_weightviz.draw.color import NAN, Rgb
from lightning_weightviz.draw.geometry import Box
from lightning_weightviz.draw.number import number
from lightning_weightviz.draw.page import GREY, INK, MARGIN, WIDTH, Fact, Page
from lightning_weightviz.draw.text import SMALL, text_width
from lightning_weightviz.memory import SpectralPoint, key_of
from lightning_weightviz.snapshot import Measurement, Spectrum, Target
from lightning_weightviz.views import Scene, view
from lightning_weightviz.views.support.edge_scale import EdgeScale
from lightning_weightviz.views.support.time_axis import counts_epochs
from lightning_weightviz.views.support.words import describe, moment, one_line

NOISE: Rgb = (226, 228, 231)
"""Behind all that noise would hold as well."""
WITHIN: Rgb = (134, 150, 166)
"""Values within the edge."""
BEYOND: Rgb = (217, 95, 2)
"""Values beyond it."""
EXPECTED: Rgb = (88, 91, 96)
"""What noise of the same spread would have."""
THIN = 16
"""Rows or columns below which learning may fill all directions, so that none stands out."""
HEIGHT = 190
BAR = 8
"""Width of a bar in pixels."""
ROOM = 1.2
"""Height of the chart as a multiple of its highest bar, so that words stand above it."""
LEAST = 12
"""Height in pixels of a bar that stands for one value, at least."""


@dataclass(frozen=True)
class SpectrumPage:
    """A drawn spectrum.

    Attributes:
        raster: 720 pixels wide.
        now: The bars, x in `scale`; None where no matrix has a spectrum.
        over_time: The lines, y in `scale`; None before there are two points.
        scale: Of multiples of the edge.
        caption: One line of plain text.
    """

    raster: Raster
    now: Plot | None
    over_time: Plot | None
    scale: EdgeScale
    caption: str


@view("spectrum", over_time=True, needs_spectra=True)
def spectrum(scene: Scene) -> Iterator[Artifact]:
    """Images ``<target>.spectrum/<parameter>`` of pictured matrices whose singular values were measured."""
    for target, measurements in scene.snapshot.targets.items():
        for name, measurement in measurements.items():
            shown = measurement.picture is not None and scene.affords(key_of(target, name))
            if shown and measurement.spectrum is not None:
                drawn = draw_spectrum(scene, target, measurement, measurement.spectrum)
                yield Image(f"{target}.spectrum/{name}", drawn.raster, drawn.caption)


def draw_spectrum(scene: Scene, target: Target, measurement: Measurement, found: Spectrum) -> SpectrumPage:
    """Draws the spectrum of a pictured matrix; of stacked ones of all, each by its own edge."""
    parameter = measurement.parameter
    points = scene.memory.spectra.get(key_of(target, parameter.name), ())
    relative = found.relative
    highest = max([float(relative.max(initial=0.0)), *(float(point.largest.max(initial=0.0)) for point in points)])
    scale = EdgeScale(highest)
    what, when = describe(parameter, target), moment(scene.snapshot)

    page = Page()
    page.header(parameter.name, what, f"{when} · spectrum: what was learned, next to noise")
    for sentence in sentences(found):
        page.paragraph(sentence, color=INK)
    now = over_time = None
    if relative.size:
        page.text(MARGIN, page.y, "singular values, in multiples of the edge of noise", size=SMALL, color=GREY)
        page.y += round(1.5 * SMALL)
        now = _draw_now(page, found, scale)
        page.facts(_legend(found))
        if len(points) > 1:
            over_time = _draw_over_time(page, points, scale)
        page.facts(_facts(measurement, found))
    caption = f"{one_line(parameter.name)}, {what}, {when}, singular values"
    return SpectrumPage(page.raster(), now, over_time, scale, caption)


def sentences(found: Spectrum) -> Iterator[str]:
    """What there is to see, in words."""
    matrices = len(found.values)
    if broken := int((~found.known).sum()):
        verb = "holds" if broken == 1 else "hold"
        whose = f"the matrix {verb}" if matrices == 1 else f"{broken} of {matrices} matrices {verb}"
        yield f"no spectrum: {whose} NaN or infinities"
    if found.known.any() and not found.relative.size:
        yield "no spectrum: all values are equal, so there is no spread to compare with"
    if not found.relative.size:
        return
    count, largest = int(np.nansum(found.outliers)), float(found.relative.max())
    directions = int(found.known.sum()) * min(found.shape)
    of = f"of {directions} direction{'s' if directions > 1 else ''}"
    if count == 0:
        yield f"none {of} stands out from noise of the same spread"
    elif largest <= found.chance and found.complete:
        yield f"{count} {of} {_are(count)} just beyond the noise, no farther than by chance"
    else:
        least = "" if found.complete else "at least "
        yield f"{least}{count} {of} {_have(count)} left the noise, up to {number(largest)} times its edge"
    if min(found.shape) < THIN:
        yield f"too few directions to tell: what is learned may fill all of them where there are fewer than {THIN}"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _have(count: int) -> str:
    return "has" if count == 1 else "have"


def _draw_now(page: Page, found: Spectrum, scale: EdgeScale) -> Plot:
    """A bar for each stretch of values; what noise would have as a line."""
    box = Box(MARGIN + 4, page.y, WIDTH - MARGIN - 4, page.y + HEIGHT)
    plot = Plot(box, (0.0, scale.end), (0.0, 1.0))
    edges = np.linspace(0.0, scale.end, box.width // BAR + 1)
    # The edge of noise is one of bars too, so that each bar is of one colour.
    edges[np.argmin(np.abs(edges - 1.0))] = 1.0
    counts = np.histogram(scale.places(found.relative), edges)[0].astype(np.float64)
    expected = np.diff(noise_below(scale.values(edges), found.shape)) * found.relative.size
    within = edges[1:] <= 1.0
    if not found.complete:
        counts[within] = 0.0
    top = max(float(counts.max()), float(expected.max())) * ROOM
    _shade(plot, scale)
    heights = np.where(counts > 0, np.maximum(counts / top, LEAST / HEIGHT), 0.0)
    for left, right, height, inside in zip(edges[:-1], edges[1:], heights, within, strict=True):
        gap = (right - left) / BAR
        if height:
            ends = np.array([left, right - gap])
            plot.band(ends, np.zeros(2), np.full(2, height), WITHIN if inside else BEYOND)
    steps = np.repeat(edges, 2)[1:-1]
    shown = np.repeat(np.where(within, expected / top, np.nan), 2)
    plot.line(steps, shown, EXPECTED, 2.0)
    plot.put(page)
    edge = round(plot.x.at(1.0))
    page.text(edge - 10, box.top + 5, "noise", size=SMALL, color=GREY, anchor="ra")
    page.text(edge + 10, box.top + 5, "beyond noise", size=SMALL, color=GREY)
    for tick in scale.ticks:
        x = round(plot.x.at(scale.place(tick)))
        page.line([(x, box.bottom + 1), (x, box.bottom + 6)], color=GREY)
        _write_below(page, plot, x, number(tick))
    page.y = box.bottom + 12 + round(1.35 * SMALL)
    return plot


def noise_below(multiples: npt.NDArray[np.float64], shape: tuple[int, int]) -> npt.NDArray[np.float64]:
    """Share of the singular values of a large random matrix below multiples of its edge (Marchenko and Pastur)."""
    ratio = min(shape) / max(max(shape), 1)
    low, high = 1 - math.sqrt(ratio), 1 + math.sqrt(ratio)
    # In steps that are fine where the density rises steeply, at both ends.
    x = (low + high) / 2 - (high - low) / 2 * np.cos(np.linspace(0.0, math.pi, 2001))
    density = np.sqrt(np.maximum((high**2 - x**2) * (x**2 - low**2), 0.0)) / np.maximum(x, 1e-12)
    below = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2 * np.diff(x))])
    return np.interp(multiples * high, x, below / below[-1] if below[-1] > 0 else np.linspace(0.0, 1.0, len(x)))


def _shade(plot: Plot, scale: EdgeScale, *, upright: bool = False) -> None:
    """The part of a plot that noise fills."""
    if upright:
        plot.band(np.array([plot.x.low, plot.x.high]), np.zeros(2), np.ones(2), NOISE)
    else:
        plot.band(np.array([0.0, 1.0]), np.zeros(2), np.ones(2), NOISE)


def _draw_over_time(page: Page, points: Sequence[SpectralPoint], scale: EdgeScale) -> Plot:
    """A line for each of the largest values, from milestone to milestone."""
    most = max(len(one.largest) for one in points)
    by_epoch = counts_epochs([one.epoch for one in points])
    page.y += 10
    whose = f"the {most} largest" if most > 1 else "the only one"
    page.text(
        MARGIN,
        page.y,
        f"{whose} by {'epoch' if by_epoch else 'step'}, in multiples of the edge",
        size=SMALL,
        color=GREY,
    )
    page.y += round(1.5 * SMALL)
    left = MARGIN + 12 + round(max(text_width(number(tick), SMALL) for tick in scale.ticks))
    box = Box(left, page.y, WIDTH - MARGIN - 4, page.y + HEIGHT)
    plot = Plot(box, (0.0, len(points) - 1.0), (0.0, scale.end))
    _shade(plot, scale, upright=True)
    times = np.arange(len(points), dtype=np.float64)
    for rank in reversed(range(most)):
        values = np.array([one.largest[rank] if rank < len(one.largest) else np.nan for one in points], np.float64)
        beyond = bool(np.nan_to_num(values[-1]) > 1)
        plot.line(times, scale.places(values), BEYOND if beyond else WITHIN, 2.0 if beyond else 1.5)
    plot.put(page)
    for tick in scale.ticks:
        y = round(plot.y.at(scale.place(tick)))
        page.line([(box.left - 6, y), (box.left - 1, y)], color=GREY)
        page.text(box.left - 10, y, number(tick), size=SMALL, color=GREY, anchor="rm")
    end = float(WIDTH)
    # From the newest back, as far as there is room.
    for place in reversed(range(len(points))):
        text = number(points[place].epoch if by_epoch else points[place].step, digits=9)
        x, half = plot.x.at(place), text_width(text, SMALL) / 2
        if min(x + half, WIDTH - MARGIN) + 10 <= end:
            page.line([(x, box.bottom + 1), (x, box.bottom + 6)], color=GREY)
            end = _write_below(page, plot, x, text)
    page.y = box.bottom + 16 + round(1.35 * SMALL)
    return plot


def _write_below(page: Page, plot: Plot, x: float, text: str) -> float:
    """A tick's text within the margins; returns its left end."""
    half = text_width(text, SMALL) / 2
    middle = min(x, WIDTH - MARGIN - half)
    page.text(middle, plot.box.bottom + 9, text, size=SMALL, color=GREY, anchor="ma")
    return middle - half


def _legend(found: Spectrum) -> list[Fact]:
    facts: list[Fact] = [("within the noise", WITHIN)] if found.complete else []
    return [*facts, ("beyond it", BEYOND), ("a random matrix of the same spread", EXPECTED)]


def _facts(measurement: Measurement, found: Spectrum) -> list[Fact]:
    """The numbers of now."""
    facts: list[Fact] = []
    if len(found.values) == 1:
        facts.append((f"σ₁ {number(float(found.values[0, 0]))}", None))
        facts.append((f"edge {number(float(found.edges[0]))}", None))
    else:
        facts.append((f"{len(found.values)} matrices, each by its own edge", None))
        counts = found.outliers[found.known]
        least, most = f"{counts.min():.0f}", f"{counts.max():.0f}"
        facts.append((f"beyond noise: {least if least == most else f'{least} to {most}'} of each", None))
    if not math.isnan(found.effective_rank):
        facts.append((f"effective rank {number(found.effective_rank)} of {min(found.shape)}", None))
    if not found.complete:
        facts.append((f"the {found.values.shape[1]} largest by Lanczos' iteration; the rest is not measured", None))
    if broken := int((~found.known).sum()):
        facts.append((f"without a spectrum: {broken}", NAN))
    return facts
