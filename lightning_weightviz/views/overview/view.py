"""The overview: all parameters on one picture, what each statistic was over time and is now."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lightning_weightviz.artifacts import Artifact, Image, Raster
from lightning_weightviz.draw.number import number, shape_text
from lightning_weightviz.draw.page import Page
from lightning_weightviz.draw.text import SMALL
from lightning_weightviz.snapshot import TOTAL, Parameter, Target
from lightning_weightviz.views import Scene, view
from lightning_weightviz.views.overview.columns import curves_of, of_others, of_weights
from lightning_weightviz.views.overview.layout import MAX_TALL, Row, StripLayout
from lightning_weightviz.views.overview.metric_strips import draw_metrics
from lightning_weightviz.views.overview.sentences import write_sentences
from lightning_weightviz.views.overview.strips import (
    HOLDS_INFINITY,
    HOLDS_NAN,
    draw_strips,
)
from lightning_weightviz.views.support.default_start import default_rms
from lightning_weightviz.views.support.name_groups import shared_words
from lightning_weightviz.views.support.words import FROZEN, moment

Values = npt.NDArray[np.float64]

WORDS_OF_WEIGHTS = (
    "Each strip runs from the first snapshot to now. size: its colour is growth since the first · "
    "change: since the snapshot before, white: exactly 0 · turned: angle to the start · "
    "grey: not defined, as growth from 0 is"
)
WORDS_OF_OTHERS = "Each strip runs from the first snapshot to now. growth: since the first · grey: not defined"

DEFAULT = "default"
WORDS_OF_DEFAULT = (
    "default: size (rms) with which PyTorch itself starts such a layer; He's and Xavier's are just as common, and "
    "mostly 1 to 2.5 times as large"
)


@dataclass(frozen=True)
class Overview:
    """A drawn overview.

    Attributes:
        raster: 720 pixels wide.
        layout: Where its strips are, in the order of `titles`.
        titles: Of the columns.
        caption: One line of plain text.
    """

    raster: Raster
    layout: StripLayout
    titles: tuple[str, ...]
    caption: str


@view("overview", over_time=True)
def overview(scene: Scene) -> Iterator[Artifact]:
    """Image ``overview/<target>`` of all parameters."""
    for target, measurements in scene.snapshot.targets.items():
        if measurements:
            drawn = draw_overview(scene, target)
            yield Image(f"overview/{target}", drawn.raster, drawn.caption)


def draw_overview(scene: Scene, target: Target) -> Overview:
    """Draws all parameters of a target, and below them their total."""
    parameters = [measurement.parameter for measurement in scene.snapshot.targets[target].values()]
    curves = curves_of(scene, target, [parameter.name for parameter in parameters])
    prefix = "".join(f"{w}." for w in parameters[0].name.split(".")[: shared_words([p.name for p in parameters])])
    names = [parameter.name.removeprefix(prefix) for parameter in parameters]
    broken = np.zeros(curves["nan_count"].shape, np.int8)
    broken[curves["inf_count"] > 0] = HOLDS_INFINITY
    broken[curves["nan_count"] > 0] = HOLDS_NAN
    columns = of_weights(curves) if target == "weights" else of_others(curves)

    page = Page()
    many = "" if len(parameters) == 1 else "s"
    size = sum(parameter.size for parameter in parameters)
    when = moment(scene.snapshot)
    page.header(f"all {target}", f"{len(parameters)} parameter{many}, {size:,} values", f"{when}{_steps(scene)}")
    write_sentences(page, parameters, names, broken, curves, _headline(scene, target))
    page.y += 8
    rows = [
        *(
            Row(name, _about(p, target), "" if p.trainable else FROZEN)
            for name, p in zip(names, parameters, strict=True)
        ),
        Row(TOTAL, f"{size:,}"),
    ]
    memory = None if scene.snapshot.timeless else scene.memory
    layout = draw_strips(page, rows, columns, broken, scene.style.colormap, memory)
    if target == "weights" and draw_metrics(page, layout, scene.memory):
        page.y += 4
    page.paragraph(WORDS_OF_WEIGHTS if target == "weights" else WORDS_OF_OTHERS, size=SMALL)
    if len(parameters) <= MAX_TALL and any(DEFAULT in row.below for row in rows):
        page.paragraph(WORDS_OF_DEFAULT, size=SMALL)
    if prefix:
        page.paragraph(f"all names begin with {prefix}", size=SMALL)
    return Overview(page.raster(), layout, tuple(c.title for c in columns), f"all {target}, {when}")


def _about(parameter: Parameter, target: Target) -> str:
    """The shape, and of weights how large PyTorch starts them where that is known."""
    start = default_rms(parameter) if target == "weights" else None
    shape = shape_text(parameter.own_shape)
    return shape if start is None else f"{shape} · {DEFAULT} {number(start, digits=2)}"


def _headline(scene: Scene, target: Target) -> str | None:
    """The gravest finding, and how many more there are; None of other targets than the weights."""
    if target != "weights":
        return None
    more = f" · and {len(scene.findings) - 1} more" if len(scene.findings) > 1 else ""
    return "".join(scene.findings[:1]) + more


def _steps(scene: Scene) -> str:
    steps = scene.snapshot.training.steps_per_epoch
    many = "" if steps == 1 else "s"
    told = "" if steps is None else f" · {steps:,} step{many} an epoch"
    return told + (" · the first snapshot" if len(scene.memory.steps) == 1 and not scene.snapshot.timeless else "")
