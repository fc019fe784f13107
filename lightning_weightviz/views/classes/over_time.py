"""Norms and biases of the classes from the start on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lightning_weightviz.artifacts import Raster
from lightning_weightviz.draw.number import shape_text
from lightning_weightviz.draw.page import CONTENT, MARGIN, Page
from lightning_weightviz.draw.text import SMALL
from lightning_weightviz.memory import Memory
from lightning_weightviz.snapshot import ClassRows
from lightning_weightviz.views.support.lines import draw_lines
from lightning_weightviz.views.support.time_axis import counts_epochs, moment_word

BETWEEN = 20
HEIGHT = 220
DASH = 0.04
"""Of the chart's width."""
MOST_LINES = 30
"""Of more classes there are too many lines to tell apart."""
MOST_NAMED = 10
"""Of more lines those at the top and at the bottom are named."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Over:
    """The classes of a head over time.

    Attributes:
        axis: What time is counted in, and the times, (t ≥ 2,).
        norms: float64, (t, C), of centred rows; of the first snapshot that knew the head, and of the newest.
        biases: float64, (t, C); None where the head has none.
        since: The first moment in words, for instance ``the start``.
        is_cut: Whether there were snapshots between the first two.
    """

    axis: tuple[str, Floats]
    norms: Floats
    biases: Floats | None
    since: str
    is_cut: bool = False


def over_time(memory: Memory, head: ClassRows) -> Over | None:
    """What is kept of a head; None where that is one moment, or of another one of its name."""
    times, values = memory.past.classes.get(head.name, ((), np.zeros((0, 2, 0), np.float32)))
    if len(times) < 2 or values.shape[2] != len(head.norms):
        return None
    known = values.astype(np.float64)
    by_epoch = counts_epochs(time.epoch for time in times)
    axis = np.array([time.epoch if by_epoch else time.step for time in times], np.float64)
    biases = None if head.bias is None else known[:, 1]
    return Over(
        axis=("epoch" if by_epoch else "step", axis),
        norms=known[:, 0],
        biases=biases,
        since=moment_word(times[0], by_epoch=by_epoch),
        is_cut=times[1].ordinal - times[0].ordinal > 1,
    )


def draw_over_time(head: ClassRows, when: str, over: Over) -> Raster:
    """Draws the norms and, at their right, the biases, a line a class."""
    page = Page()
    page.header("classes over time", f"{head.name} {shape_text(head.own_shape)}", when)
    charts = [("norm over time", over.norms)]
    if over.biases is not None:
        charts.append(("bias over time", over.biases))
    width = (CONTENT - BETWEEN * (len(charts) - 1)) // len(charts)
    top = page.y + round(1.4 * SMALL)
    for place, (title, values) in enumerate(charts):
        left = MARGIN + place * (width + BETWEEN)
        page.text(left, top - round(1.4 * SMALL), title, size=SMALL)
        page.y = top
        names = _named(values[-1], head.class_names)
        draw_lines(page, *_from_a_dash(over, values), names, place=(left, width), height=HEIGHT)
    if len(over.norms) > 2:
        page.paragraph(f"{over.since} and the newest {len(over.norms) - 1} snapshots", size=SMALL)
    return page.raster()


def _from_a_dash(over: Over, values: Floats) -> tuple[tuple[str, Floats], Floats]:
    """The axis and the values; where the lines are cut the start is a dash, as nothing is known of the way from it."""
    word, times = over.axis
    if not over.is_cut:
        return over.axis, values
    end = times[0] + DASH * (times[-1] - times[0])
    missing = np.full_like(values[:1], np.nan)
    return (word, np.array([times[0], end, end, *times[1:]])), np.concatenate(
        [values[:1], values[:1], missing, values[1:]]
    )


def _named(newest: Floats, names: Sequence[str]) -> list[str]:
    """All names, or of many lines those that end at the top and at the bottom."""
    if len(names) <= MOST_NAMED:
        return list(names)
    order = [place for place in np.argsort(newest, kind="stable").tolist() if np.isfinite(newest[place])]
    ends = {*order[: MOST_NAMED // 2], *order[-(MOST_NAMED // 2) :]}
    return [name if place in ends else "" for place, name in enumerate(names)]
