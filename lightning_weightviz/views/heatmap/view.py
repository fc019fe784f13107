"""Heatmaps: the values themselves, coloured from −R to +R."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lightning_weightviz.artifacts import Artifact, Image, Raster
from lightning_weightviz.draw.matrix import (
    MatrixLayout,
    draw_matrix,
)
from lightning_weightviz.draw.page import Page
from lightning_weightviz.draw.panel import PanelLayout
from lightning_weightviz.draw.tiles import TileLayout
from lightning_weightviz.memory import key_of
from lightning_weightviz.snapshot import Measurement, Target
from lightning_weightviz.views import Scene, view
from lightning_weightviz.views.heatmap.filters import draw_filters
from lightning_weightviz.views.heatmap.kernels import draw_kernels
from lightning_weightviz.views.heatmap.matrix import draw_parameter
from lightning_weightviz.views.heatmap.vector import over_time
from lightning_weightviz.views.support.collapsed import collapsed, draw_collapsed
from lightning_weightviz.views.support.words import (
    cell_meaning,
    describe,
    moment,
    one_line,
    plus_minus,
    value_facts,
)


@dataclass(frozen=True)
class Heatmap:
    """A drawn heatmap.

    Attributes:
        raster: 720 pixels wide.
        layout: Where its cells are.
        caption: One line of plain text.
        panels: Where the cells of the maps beside it are, by their names in `extra_maps`.
    """

    raster: Raster
    layout: MatrixLayout | TileLayout | PanelLayout
    caption: str
    panels: dict[str, PanelLayout]


@view("heatmap")
def heatmap(scene: Scene) -> Iterator[Artifact]:
    """Images ``<target>.heatmap/<parameter>`` of every pictured parameter.

    A matrix with the norms of its rows and columns, and where it is pooled with the root mean square of each cell;
    rows that are pictures as tiles; a convolution as maps of its kernels' norms, sums and positions; an embedding
    with its rows' norms in order and those that changed most; a vector over time.
    """
    for target, measurements in scene.snapshot.targets.items():
        for name, measurement in measurements.items():
            shown = measurement.picture is not None and measurement.parameter.size > 0
            if shown and scene.renews(key_of(target, name)):
                tag = f"{target}.heatmap/{name}"
                if gone := collapsed(scene, target, measurement):
                    what, when = describe(measurement.parameter, target), moment(scene.snapshot)
                    yield Image(tag, draw_collapsed(name, what, when, gone), f"{one_line(name)}, {when}, collapsed")
                    continue
                drawn = draw_heatmap(scene, target, measurement)
                yield Image(tag, drawn.raster, drawn.caption)


def draw_heatmap(scene: Scene, target: Target, measurement: Measurement) -> Heatmap:
    """Draws a pictured parameter as its layout asks."""
    parameter, picture = measurement.parameter, measurement.picture
    assert picture is not None
    key = key_of(target, parameter.name)
    limit = scene.memory.ranges[key]
    what, when = describe(parameter, target), moment(scene.snapshot)
    page = Page()
    panels: dict[str, PanelLayout] = {}
    layout: MatrixLayout | TileLayout | PanelLayout
    if picture.filters is not None:
        layout = draw_filters(page, scene, target, measurement, picture.filters)
    elif picture.sums is not None:
        panels = draw_kernels(page, scene, target, measurement, picture)
        layout = panels["norms"]
    elif parameter.layout == "vector":
        values = scene.memory.vectors[key]
        meaning = cell_meaning((1, parameter.size), (1, values.shape[1]), target)
        page.header(parameter.name, what, f"{when} · {plus_minus(limit)} · {meaning}")
        layout = draw_matrix(page, over_time(scene, values, limit, parameter))
        page.facts(value_facts(measurement.statistics, values[-1:], limit))
    else:
        layout, panels = draw_parameter(page, scene, target, measurement)
    caption = f"{one_line(parameter.name)}, {what}, {when} · {plus_minus(limit)}"
    return Heatmap(page.raster(), layout, caption, panels)
