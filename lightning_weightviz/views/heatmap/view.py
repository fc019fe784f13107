"""Heatmaps: the values themselves, coloured from −R to +R."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lightning_weightviz.artifacts import Artifact, Image, Raster
from lightning_weightviz.draw.dead import DEAD, dead_filters, dead_norms
from lightning_weightviz.draw.matrix import (
    MAX_CELLS,
    TALLEST_MATRIX,
    Matrix,
    MatrixLayout,
    dead_facts,
    draw_matrix,
    pool_norms,
)
from lightning_weightviz.draw.number import shape_text
from lightning_weightviz.draw.page import CONTENT, MARGIN, WIDTH, Fact, Page
from lightning_weightviz.draw.panel import BETWEEN_PANELS, NARROW, WIDE, Panel, PanelLayout, draw_panels
from lightning_weightviz.draw.text import SMALL
from lightning_weightviz.draw.tiles import TileLayout, draw_tiles
from lightning_weightviz.memory import extra_key, key_of
from lightning_weightviz.snapshot import Measurement, Parameter, Picture, Target, pool_extreme, pool_mean
from lightning_weightviz.views import Scene, view
from lightning_weightviz.views.heatmap.entries import draw_ranking
from lightning_weightviz.views.support.words import (
    axis_words,
    block_text,
    cell_meaning,
    describe,
    moment,
    one_line,
    plus_minus,
    row_word,
    unused_words,
    value_facts,
)

_TALLEST_OVER_TIME = 330
_TALLEST_BESIDE = 300

UNCROWDED = 128
"""Axes of so many cells are drawn as they are even on crowded scenes."""


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
            if measurement.picture is not None and measurement.parameter.size > 0:
                drawn = draw_heatmap(scene, target, measurement)
                yield Image(f"{target}.heatmap/{name}", drawn.raster, drawn.caption)


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
        layout = _draw_filters(page, scene, target, measurement, picture.filters)
    elif picture.sums is not None:
        panels = _draw_kernels(page, scene, target, measurement, picture)
        layout = panels["norms"]
    elif parameter.layout == "vector":
        values = scene.memory.vectors[key]
        meaning = cell_meaning((1, parameter.size), (1, values.shape[1]), target)
        page.header(parameter.name, what, f"{when} · {plus_minus(limit)} · {meaning}")
        layout = draw_matrix(page, _over_time(scene, values, limit, parameter))
        page.facts(value_facts(measurement.statistics, values[-1:], limit))
    else:
        layout = _draw_matrix(page, scene, target, measurement, panels)
    caption = f"{one_line(parameter.name)}, {what}, {when} · {plus_minus(limit)}"
    return Heatmap(page.raster(), layout, caption, panels)


def _draw_filters(
    page: Page, scene: Scene, target: Target, measurement: Measurement, filters: npt.NDArray[np.float32]
) -> TileLayout:
    """Rows that are pictures, a tile each, all in one range; those of next to no norm have a coloured edge."""
    parameter = measurement.parameter
    limit = scene.memory.ranges[key_of(target, parameter.name)]
    word = row_word(parameter)
    shape = filters.shape[1:] if filters.shape[1] > 1 else filters.shape[2:]
    read = f", rows read as {shape_text(shape)}" if parameter.tile_inferred else f" for all {word}s"
    meaning = f"one range{read}"
    page.header(
        parameter.name, describe(parameter, target), f"{moment(scene.snapshot)} · {plus_minus(limit)} · {meaning}"
    )
    layout = draw_tiles(page, filters, limit, scene.style.colormap, parameter.shape[0], word)
    facts = value_facts(measurement.statistics, filters, limit)
    if dead := int(dead_filters(filters)[: layout.shown].sum()):
        facts.append((f"zero {word}s: {dead}", DEAD))
    page.facts(facts)
    return layout


def _draw_kernels(
    page: Page, scene: Scene, target: Target, measurement: Measurement, picture: Picture
) -> dict[str, PanelLayout]:
    """A kernel a cell: its norm, and its sum for the sign; then what each position in the kernels weighs."""
    parameter, positions = measurement.parameter, picture.positions
    assert picture.sums is not None and positions is not None
    ranges, key = scene.memory.ranges, key_of(target, parameter.name)
    height, width = _cells(scene, parameter, picture, WIDE)
    norms = _pool_rms(picture.kernel_norms, height, width)
    # Of a kernel that is not finite no norm is known.
    extreme = picture.shrink(height, width)
    norms = np.where(np.isfinite(extreme), norms, np.abs(extreme))
    one = shape_text(parameter.shape[2:]) if len(parameter.shape) > 3 else f"of {parameter.shape[2]}"
    meaning = f"each cell: {block_text(picture.shape, (height, width), 'kernels')} {one}"
    page.header(parameter.name, describe(parameter, target), f"{moment(scene.snapshot)} · {meaning}")
    # The depth of a kernel of three dimensions goes from the top down.
    flat = positions.reshape(-1, positions.shape[-1])
    rows, columns = (
        dead_norms(pool_norms(part, cells))
        for part, cells in ((picture.row_norms, norms.shape[0]), (picture.column_norms, norms.shape[1]))
    )
    maps = {
        "norms": Panel("kernel norm", norms, ranges[extra_key(key, "norms")], dead_rows=rows, dead_columns=columns),
        "sums": Panel(
            "sum of the kernel",
            pool_extreme(picture.sums, *norms.shape),
            ranges[extra_key(key, "sums")],
            scene.style.colormap,
        ),
        "positions": Panel("by position", flat, ranges[extra_key(key, "positions")], width=NARROW),
    }
    layouts = dict(zip(maps, draw_panels(page, list(maps.values())), strict=True))
    down, across = axis_words(parameter)
    page.paragraph(f"↓ {down}  → {across}", size=SMALL)
    page.facts(
        [
            *value_facts(measurement.statistics, None, 0.0),
            *_dead(unused_words(parameter), (rows, columns), norms.shape != picture.shape),
        ]
    )
    words = "norm: how strongly one channel acts on another · sum: its sign · by position: rms of all kernels"
    page.paragraph(words, size=SMALL)
    return layouts


def _dead(
    words: tuple[str, str], marks: tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]], pooled: bool
) -> list[Fact]:
    """How many rows and columns are marked."""
    where = "cells with " if pooled else ""
    return [(f"{where}{word}: {mark.sum()}", DEAD) for word, mark in zip(words, marks, strict=True) if mark.any()]


def _pool_rms(values: npt.NDArray[np.float32], height: int, width: int) -> npt.NDArray[np.float32]:
    """Root mean squares of blocks of cells."""
    # In units of the largest, whose square may be none of float32.
    top = np.max(values, where=np.isfinite(values), initial=0.0) or np.float32(1)
    return np.asarray(np.sqrt(pool_mean((values / top) ** 2, height, width)) * top)


def _draw_matrix(
    page: Page, scene: Scene, target: Target, measurement: Measurement, panels: dict[str, PanelLayout]
) -> MatrixLayout:
    """All values or their extremes; beside these, where both have room, what is usual in each cell."""
    parameter, picture = measurement.parameter, measurement.picture
    assert picture is not None
    key = key_of(target, parameter.name)
    limit, top = scene.memory.ranges[key], page.y
    rows, columns = axis_words(parameter)
    height, width = _cells(scene, parameter, picture, MAX_CELLS)
    values = picture.shrink(height, width)
    pooled = values.shape != picture.shape
    rms_limit = scene.memory.ranges.get(extra_key(key, "rms"))
    beside = pooled and rms_limit is not None and width <= WIDE
    page.header(
        parameter.name,
        describe(parameter, target),
        f"{moment(scene.snapshot)} · {plus_minus(limit)} · {cell_meaning(picture.shape, values.shape, target)}",
    )
    matrix = Matrix(
        values=values,
        limit=limit,
        colormap=scene.style.colormap,
        row_words=rows,
        column_words=columns,
        row_norms=pool_norms(picture.row_norms, height),
        column_norms=pool_norms(picture.column_norms, width),
        blocks=[block.split()[0] for block in parameter.blocks],
        heads=parameter.heads,
        width=CONTENT - WIDE - BETWEEN_PANELS if beside else CONTENT,
        tallest=_TALLEST_BESIDE if beside else TALLEST_MATRIX,
        widest=WIDE if beside else CONTENT,
    )
    top = page.y
    layout = draw_matrix(page, matrix)
    if beside and rms_limit is not None:
        bottom, page.y = page.y, top
        # Half as fine where there are many pictures: of what is usual in a block less is to be seen.
        share = 2 if scene.is_crowded else 1
        rms = _pool_rms(picture.rms, -(-height // share), -(-width // share))
        panel = Panel("rms of 2×2 cells" if scene.is_crowded else "rms of each cell", rms, rms_limit)
        (panels["rms"],) = draw_panels(page, [panel], WIDTH - MARGIN - WIDE)
        page.y = max(page.y, bottom)
    if parameter.blocks:
        page.paragraph(" · ".join(parameter.blocks), size=SMALL)
    page.facts(
        [*value_facts(measurement.statistics, values, limit), *dead_facts(matrix, unused_words(parameter), pooled)]
    )
    if picture.rank is not None:
        draw_ranking(page, picture.rank, parameter.padding_index)
    return layout


def _cells(scene: Scene, parameter: Parameter, picture: Picture, most: int) -> tuple[int, int]:
    """Rows and columns that are drawn, at most so many."""
    height, width = (
        -(-length // 2) if scene.is_crowded and length > UNCROWDED else min(length, most)
        for length in picture.extreme.shape
    )
    return parameter.cells(height, width)


def _over_time(scene: Scene, values: npt.NDArray[np.float32], limit: float, parameter: Parameter) -> Matrix:
    """Snapshots from the top down, one a row."""
    memory, timeless = scene.memory, scene.snapshot.timeless
    by_epoch = len(set(memory.epochs.tolist())) == len(memory.epochs)
    times = memory.epochs if by_epoch else memory.steps
    # A row without any value is of a time before the parameter was first measured.
    missing = np.logical_and.accumulate(np.isnan(values).all(axis=1))
    return Matrix(
        values=values,
        limit=limit,
        colormap=scene.style.colormap,
        row_words="" if timeless else f"{'epoch' if by_epoch else 'step'}, newest at the bottom",
        column_words=axis_words(parameter)[1],
        row_labels=() if timeless else tuple((row, str(time)) for row, time in enumerate(times)),
        missing=missing if not missing.all() else None,
        tallest=_TALLEST_OVER_TIME,
    )
