"""Distributions: how the percentiles of a parameter's values move over time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lightning_weightviz.artifacts import Artifact, Image, Raster
from lightning_weightviz.draw.chart import NAVY, Plot, draw_ticks_below, draw_ticks_left, ticks
from lightning_weightviz.draw.color import INFINITE, NAN, Rgb
from lightning_weightviz.draw.geometry import Box, apart
from lightning_weightviz.draw.number import number
from lightning_weightviz.draw.page import GREY, INK, LINE, MARGIN, WIDTH, Page
from lightning_weightviz.draw.text import SMALL, text_width
from lightning_weightviz.memory import FEW, OVERVIEW_STATISTICS, key_of, statistics_key
from lightning_weightviz.snapshot import Measurement, Parameter, Target
from lightning_weightviz.views import Scene, view
from lightning_weightviz.views.support.lines import draw_lines
from lightning_weightviz.views.support.time_axis import time_axis
from lightning_weightviz.views.support.words import describe, moment, one_line, value_facts

BANDS: Mapping[str, tuple[int, int, Rgb]] = {
    "all": (0, 8, (222, 235, 247)),
    "87%": (1, 7, (181, 211, 233)),
    "68%": (2, 6, (129, 180, 217)),
    "middle 38%": (3, 5, (75, 143, 197)),
}
"""Share of the values in a band, by the two `PERCENTILES` at its edges, and its colour."""

EDGE: Rgb = (150, 189, 220)
"""Of the lines at the extremes."""

HEIGHT = 300
WIDEST = 3.0
"""The extremes are drawn in full where they lie within this many times the 87 % band, else cut off and written."""
MARK = 8
"""Height in pixels of the line of marks at times with NaN or infinities."""
_BROKEN = ((OVERVIEW_STATISTICS.index("inf_count"), INFINITE), (OVERVIEW_STATISTICS.index("nan_count"), NAN))
"""Which statistics are marked, the later over the earlier, and their colours."""


@dataclass(frozen=True)
class Distribution:
    """A drawn distribution.

    Attributes:
        raster: 720 pixels wide.
        plot: The chart, with its scales in pixels of the page.
        caption: One line of plain text.
    """

    raster: Raster
    plot: Plot
    caption: str


@view("distribution", over_time=True)
def distribution(scene: Scene) -> Iterator[Artifact]:
    """Images ``<target>.distribution/<parameter>`` of every pictured parameter."""
    for target, measurements in scene.snapshot.targets.items():
        for name, measurement in measurements.items():
            shown = measurement.picture is not None and measurement.parameter.size > 0
            if shown and scene.affords(key_of(target, name)):
                drawn = draw_distribution(scene, target, measurement)
                yield Image(f"{target}.distribution/{name}", drawn.raster, drawn.caption)


def draw_distribution(scene: Scene, target: Target, measurement: Measurement) -> Distribution:
    """Draws the fan of a pictured parameter, or of a few values a line each."""
    memory, parameter = scene.memory, measurement.parameter
    if parameter.size <= FEW and key_of(target, parameter.name) in memory.vectors:
        return _draw_few(scene, target, measurement)
    key = key_of(target, parameter.name)
    percentiles = memory.percentiles[key].astype(np.float64)
    axis, times = time_axis(memory)
    low, high = value_range(percentiles)
    marks = ticks(low, high)
    what, when = describe(parameter, target), moment(scene.snapshot)

    page = Page()
    page.header(parameter.name, what, f"{when} · distribution of the {target} over time")
    left = MARGIN + 12 + round(max(text_width(number(tick), SMALL) for tick in marks))
    names = [*_labels(percentiles, low, high)]
    right = WIDTH - MARGIN - 22 - round(max(text_width(name, SMALL) for name, _ in names))
    box = Box(left, page.y, right, page.y + HEIGHT)
    # One moment has no length in time: it is drawn as wide as the plot.
    span = (float(times[0]), float(times[-1])) if len(times) > 1 else (times[0] - 0.5, times[0] + 0.5)
    plot = Plot(box, span, (low, high))
    draw_fan(plot, *((times, percentiles) if len(times) > 1 else (np.array(span), np.repeat(percentiles, 2, axis=0))))
    plot.put(page)
    _mark_broken(page, plot, memory.statistics.get(statistics_key(target, parameter.name)), times)

    draw_ticks_left(page, plot, marks)
    moments = ticks(times[0], times[-1], most=6, whole=True)
    draw_ticks_below(page, plot, [(tick, number(tick, digits=9)) for tick in moments])
    page.text(WIDTH - MARGIN, box.bottom + 9, axis, size=SMALL, color=GREY, anchor="ra")
    _write_labels(page, plot, names)
    page.y = box.bottom + 40
    page.facts(_facts(measurement))
    caption = f"{one_line(parameter.name)}, {what}, {when}, distribution over time"
    return Distribution(page.raster(), plot, caption)


def _draw_few(scene: Scene, target: Target, measurement: Measurement) -> Distribution:
    """A few values, whose percentiles would be between them: a line each, by name."""
    memory, parameter = scene.memory, measurement.parameter
    values = memory.vectors[key_of(target, parameter.name)].astype(np.float64)
    axis, times = time_axis(memory)
    what, when = describe(parameter, target), moment(scene.snapshot)
    page = Page()
    each = f"each of the {parameter.size} values" if parameter.size > 1 else "its value"
    page.header(parameter.name, what, f"{when} · {each} over time")
    plot = draw_lines(page, (axis, times), values, _names_of_few(scene, parameter))
    _mark_broken(page, plot, memory.statistics.get(statistics_key(target, parameter.name)), times)
    page.facts(value_facts(measurement.statistics, None, 1.0))
    return Distribution(page.raster(), plot, f"{one_line(parameter.name)}, {what}, {when}, each value over time")


def _names_of_few(scene: Scene, parameter: Parameter) -> list[str]:
    """Classes of a head's bias, else indices as the user counts them."""
    for head in scene.snapshot.heads:
        is_bias = parameter.name == head.name.removesuffix("weight").removesuffix("kernel") + "bias"
        if is_bias and len(head.class_names) == parameter.size:
            return [one_line(name) or str(index) for index, name in enumerate(head.class_names)]
    if len(parameter.shape) < 2:
        return [str(index) for index in range(parameter.size)]
    order = -1 if parameter.is_transposed else 1
    return [", ".join(map(str, index[::order])) for index in np.ndindex(parameter.shape)]


def value_range(percentiles: npt.NDArray[np.float64]) -> tuple[float, float]:
    """The values at the chart's edges: all of them, or three times the 87 % band where that is less."""
    known = percentiles[np.isfinite(percentiles).all(axis=1)]
    if not known.size:
        return -1.0, 1.0
    low, high = float(known[:, 0].min()), float(known[:, 8].max())
    inner_low, inner_high = float(known[:, 1].min()), float(known[:, 7].max())
    inner = inner_high - inner_low
    if inner > 0 and high - low > WIDEST * inner:
        room = (WIDEST - 1) / 2 * inner
        low, high = max(low, inner_low - room), min(high, inner_high + room)
    margin = 0.04 * (high - low) or 0.1 * abs(low) or 1.0
    return low - margin, high + margin


def draw_fan(plot: Plot, times: npt.NDArray[np.float64], percentiles: npt.NDArray[np.float64]) -> None:
    """Bands from the outermost in, their edges, the line of 0 and the median."""
    for first, last, color in BANDS.values():
        plot.band(times, percentiles[:, first], percentiles[:, last], color)
    for column in (0, 8):
        plot.line(times, percentiles[:, column], EDGE, 1.0)
    if plot.y.low < 0 < plot.y.high:
        plot.level(0.0, GREY)
    plot.line(times, percentiles[:, 4], NAVY, 2.5)


def _labels(percentiles: npt.NDArray[np.float64], low: float, high: float) -> Iterator[tuple[str, float]]:
    """What stands at the right of the chart, from the top down, and the value that it points to."""
    known = percentiles[np.isfinite(percentiles).all(axis=1)]
    if not known.size:
        yield "no finite value", 0.0
        return
    last = known[-1]
    if last[0] == last[8]:
        yield f"all {number(last[4])}", last[4]
        return
    yield (f"all: to {number(last[8])} ↑", high) if last[8] > high else ("all", last[8])
    for name, (_, upper, _) in list(BANDS.items())[1:]:
        yield name, last[upper]
    yield "median", last[4]
    if last[0] < low:
        yield f"all: to {number(last[0])} ↓", low


def _write_labels(page: Page, plot: Plot, labels: list[tuple[str, float]]) -> None:
    """Each beside what it names, with a line to it where it had to move."""
    ends = [plot.y.at(value) for _, value in labels]
    places = apart(ends, SMALL + 4, plot.box.top + 8, plot.box.bottom - 8)
    for (text, _), end, place in zip(labels, ends, places, strict=True):
        page.line([(plot.box.right + 1, end), (plot.box.right + 16, place)], color=LINE)
        page.text(plot.box.right + 20, place, text, size=SMALL, color=INK if text == "median" else GREY, anchor="lm")


def _mark_broken(
    page: Page, plot: Plot, statistics: npt.NDArray[np.float32] | None, times: npt.NDArray[np.float64]
) -> None:
    """Marks at the bottom of the chart from each time with NaN or infinities to the next time."""
    if statistics is None or not (statistics[:, [place for place, _ in _BROKEN]] > 0).any():
        return
    edges = [*plot.x.places(times[:-1]), plot.box.right] if len(times) > 1 else [plot.box.left, plot.box.right]
    starts = edges if len(times) > 1 else edges[:1]
    for place, color in _BROKEN:
        for index in np.flatnonzero(statistics[:, place] > 0):
            left = min(starts[index], plot.box.right - MARK)
            right = edges[index + 1] if index + 1 < len(edges) else plot.box.right
            page.rectangle((left, plot.box.bottom - MARK, right - 1, plot.box.bottom - 1), color)


def _facts(measurement: Measurement) -> list[tuple[str, Rgb | None]]:
    """The numbers of now."""
    values = measurement.percentiles
    facts: list[tuple[str, Rgb | None]] = []
    if np.isfinite(values).all():
        facts.append((f"now: median {number(values[4])}", NAVY))
        for name in ("middle 38%", "68%", "all"):
            low, high, color = BANDS[name]
            facts.append((f"{name} {number(values[low])} to {number(values[high])}", color))
    broken = value_facts(measurement.statistics, None, 1.0)
    return facts + [fact for fact in broken if fact[1] is not None]
