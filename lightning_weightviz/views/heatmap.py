"""Heatmaps: the values themselves, coloured from −R to +R."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lightning_weightviz.artifacts import Artifact, Image
from lightning_weightviz.draw.caption import (
    axis_words,
    cell_meaning,
    describe,
    indexed,
    moment,
    plus_minus,
    value_facts,
)
from lightning_weightviz.draw.color import Pixels
from lightning_weightviz.draw.matrix import MAX_CELLS, Matrix, MatrixLayout, dead_facts, draw_matrix, pool_norms
from lightning_weightviz.draw.page import Page
from lightning_weightviz.draw.tiles import LARGEST_TILE, TileLayout, draw_tiles
from lightning_weightviz.history import key_of
from lightning_weightviz.snapshot import Measurement, Parameter, Picture, Target
from lightning_weightviz.views import Scene, view

_TALLEST_OVER_TIME = 330

UNCROWDED = 128
"""Axes of so many cells are drawn as they are even on crowded scenes."""


@dataclass(frozen=True)
class Heatmap:
    """A drawn heatmap.

    Attributes:
        pixels: uint8, (height, 720, 3).
        layout: Where its cells are.
        caption: One line of plain text.
    """

    pixels: Pixels
    layout: MatrixLayout | TileLayout
    caption: str


@view("heatmap")
def heatmap(scene: Scene) -> Iterator[Artifact]:
    """Images ``<target>.heatmap/<parameter>`` of every pictured parameter."""
    for target, measurements in scene.snapshot.targets.items():
        for name, measurement in measurements.items():
            if measurement.picture is not None and measurement.parameter.size > 0:
                drawn = draw_heatmap(scene, target, measurement)
                yield Image(f"{target}.heatmap/{name}", drawn.pixels, drawn.caption)


def draw_heatmap(scene: Scene, target: Target, measurement: Measurement) -> Heatmap:
    """Draws a pictured parameter: filters as tiles, a vector over time, all else as a matrix."""
    parameter, picture = measurement.parameter, measurement.picture
    assert picture is not None
    limit = scene.memory.ranges[key_of(target, parameter.name)]
    what, when = describe(parameter, target), f"{moment(scene.snapshot)} · {plus_minus(limit)}"
    page = Page()

    def header(meaning: str) -> None:
        page.header(parameter.name, what, f"{when} · {meaning}")

    layout: MatrixLayout | TileLayout
    if picture.filters is not None and max(picture.filters.shape[2:]) <= LARGEST_TILE:
        header("one range for all filters")
        layout = draw_tiles(page, picture.filters, limit, scene.style.colormap)
        page.facts(value_facts(measurement.statistics, picture.filters, limit))
    elif parameter.layout == "vector":
        values = scene.memory.vectors[key_of(target, parameter.name)]
        header(cell_meaning((1, parameter.size), (1, values.shape[1]), target))
        layout = draw_matrix(page, _over_time(scene, values, limit, parameter.size))
        page.facts(value_facts(measurement.statistics, values[-1:], limit))
    else:
        matrix = _matrix(scene, parameter, picture, limit)
        header(cell_meaning(picture.shape, matrix.shape, target))
        layout = draw_matrix(page, matrix)
        page.facts(
            [
                *value_facts(measurement.statistics, matrix.values, limit),
                *dead_facts(matrix, matrix.shape != picture.shape),
            ]
        )
    return Heatmap(page.pixels(), layout, f"{parameter.name}, {what}, {when}")


def _matrix(scene: Scene, parameter: Parameter, picture: Picture, limit: float) -> Matrix:
    rows, columns = axis_words(parameter)
    height, width = (
        -(-length // 2) if scene.is_crowded and length > UNCROWDED else min(length, MAX_CELLS)
        for length in picture.extreme.shape
    )
    return Matrix(
        values=picture.shrink(height, width),
        limit=limit,
        colormap=scene.style.colormap,
        row_words=rows,
        column_words=columns,
        row_norms=pool_norms(picture.row_norms, height),
        column_norms=pool_norms(picture.column_norms, width),
    )


def _over_time(scene: Scene, values: npt.NDArray[np.float32], limit: float, size: int) -> Matrix:
    """Snapshots from the top down, one a row."""
    memory = scene.memory
    by_epoch = len(set(memory.epochs.tolist())) == len(memory.epochs)
    times = memory.epochs if by_epoch else memory.steps
    # A row without any value is of a time before the parameter was first measured.
    missing = np.logical_and.accumulate(np.isnan(values).all(axis=1))
    return Matrix(
        values=values,
        limit=limit,
        colormap=scene.style.colormap,
        row_words=f"{'epoch' if by_epoch else 'step'}, newest at the bottom",
        column_words=indexed("index", size),
        row_labels=tuple((row, str(time)) for row, time in enumerate(times)),
        missing=missing if not missing.all() else None,
        tallest=_TALLEST_OVER_TIME,
    )
