"""The overview: all parameters on one picture, what each statistic was over time and is now."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lightning_weightviz.artifacts import Artifact, Image, Raster
from lightning_weightviz.draw.number import shape_text
from lightning_weightviz.draw.page import Page
from lightning_weightviz.draw.text import SMALL
from lightning_weightviz.snapshot import TOTAL, Target
from lightning_weightviz.views import Scene, view
from lightning_weightviz.views.overview.columns import curves_of, of_others, of_weights
from lightning_weightviz.views.overview.layout import Row, StripLayout
from lightning_weightviz.views.overview.sentences import write_sentences
from lightning_weightviz.views.overview.strips import (
    HOLDS_INFINITY,
    HOLDS_NAN,
    draw_strips,
)
from lightning_weightviz.views.support.name_groups import shared_words
from lightning_weightviz.views.support.words import FROZEN, moment, whole

Values = npt.NDArray[np.float64]

WORDS_OF_WEIGHTS = (
    "Each strip runs from the first snapshot to now. size: its colour is growth since the first · "
    "change: since the snapshot before, white: exactly 0 · turned: angle to the start · "
    "grey: not defined, as growth from 0 is"
)
WORDS_OF_OTHERS = "Each strip runs from the first snapshot to now. growth: since the first · grey: not defined"


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
    page.header(f"all {target}", f"{len(parameters)} parameter{many}, {size:,} values", f"{when} · {_span(scene)}")
    write_sentences(page, parameters, names, broken, curves, _headline(scene, target))
    page.y += 8
    rows = [
        *(
            Row(name, shape_text(p.own_shape), "" if p.trainable else FROZEN)
            for name, p in zip(names, parameters, strict=True)
        ),
        Row(TOTAL, f"{size:,}"),
    ]
    layout = draw_strips(page, rows, columns, broken, scene.style.colormap, scene.memory)
    page.paragraph(WORDS_OF_WEIGHTS if target == "weights" else WORDS_OF_OTHERS, size=SMALL)
    if prefix:
        page.paragraph(f"all names begin with {prefix}", size=SMALL)
    return Overview(page.raster(), layout, tuple(c.title for c in columns), f"all {target}, {when}")


def _headline(scene: Scene, target: Target) -> str | None:
    """The gravest finding, and how many more there are; None of other targets than the weights."""
    if target != "weights":
        return None
    more = f" · and {len(scene.findings) - 1} more" if len(scene.findings) > 1 else ""
    return "".join(scene.findings[:1]) + more


def _span(scene: Scene) -> str:
    if len(scene.memory.steps) == 1:
        return "the first snapshot"
    first, *_, last = scene.memory.steps
    return f"strips: step {whole(first)} → {whole(last)}"
