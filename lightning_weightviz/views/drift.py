"""Drift: how far the values are from those of the first snapshot."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lightning_weightviz.artifacts import Artifact, Image
from lightning_weightviz.draw.caption import Fact, axis_words, cell_meaning, clipped, describe, moment, plus_minus, way
from lightning_weightviz.draw.color import Pixels
from lightning_weightviz.draw.matrix import MAX_CELLS, Matrix, MatrixLayout, draw_matrix
from lightning_weightviz.draw.number import number
from lightning_weightviz.draw.page import SMALL, Page
from lightning_weightviz.history import key_of, range_for
from lightning_weightviz.snapshot import Measurement, Target, pool_extreme
from lightning_weightviz.views import Scene, view


@dataclass(frozen=True)
class Drift:
    """A drawn change.

    Attributes:
        pixels: uint8, (height, 720, 3).
        layout: Where its cells are.
        limit: R of the change, its own.
        caption: One line of plain text.
    """

    pixels: Pixels
    layout: MatrixLayout
    limit: float
    caption: str


@view("drift")
def drift(scene: Scene) -> Iterator[Artifact]:
    """Images ``<target>.drift/<parameter>`` where the first map was kept, from the second snapshot on."""
    if len(scene.memory.steps) < 2:
        return
    for target, measurements in scene.snapshot.targets.items():
        for name, measurement in measurements.items():
            start = scene.memory.start.get(key_of(target, name))
            picture = measurement.picture
            if start is not None and picture is not None and start.shape == picture.extreme.shape and start.size:
                drawn = draw_drift(scene, target, measurement, picture.extreme, start)
                yield Image(f"{target}.drift/{name}", drawn.pixels, drawn.caption)


def draw_drift(
    scene: Scene,
    target: Target,
    measurement: Measurement,
    now: npt.NDArray[np.float32],
    start: npt.NDArray[np.float32],
) -> Drift:
    """Draws the change of one parameter, `now` − `start`, cell by cell, in its own symmetric range."""
    parameter = measurement.parameter
    # Two infinities of one sign differ by NaN, which is what the picture shall show.
    with np.errstate(invalid="ignore", over="ignore"):
        change = pool_extreme(now - start, MAX_CELLS, MAX_CELLS)
    limit = range_for(change) or scene.memory.ranges[key_of(target, parameter.name)]
    exact = change.shape == parameter.matrix_shape
    with_norms = exact and parameter.layout != "vector"
    rows, columns = axis_words(parameter)
    matrix = Matrix(
        values=change,
        limit=limit,
        colormap=scene.style.colormap,
        row_words=rows,
        column_words=columns,
        row_norms=_norms(change, 1) if with_norms else None,
        column_norms=_norms(change, 0) if with_norms else None,
    )
    first = "the start" if scene.memory.steps[0] == 0 else f"epoch {scene.memory.epochs[0]}"
    what, since = describe(parameter, target), f"{moment(scene.snapshot)} · change since {first} · {plus_minus(limit)}"
    page = Page()
    page.header(parameter.name, what, since)
    layout = draw_matrix(page, matrix)
    facts: list[Fact] = [(f"largest change {number(_largest(change))}", None), clipped(change, limit)]
    if not np.isnan(measurement.moved):
        facts.insert(0, (f"moved {way(measurement.moved)} of its length at the start", None))
    page.facts(facts)
    if not exact:
        meaning = cell_meaning(parameter.matrix_shape, matrix.shape, target).removeprefix("each cell: ")
        page.paragraph(f"each cell: {meaning} now, minus the same then; not the largest change", size=SMALL)
    return Drift(page.pixels(), layout, limit, f"{parameter.name}, {what}, {since}")


def _norms(change: npt.NDArray[np.float32], axis: int) -> npt.NDArray[np.float32]:
    """Norms along an axis of the finite changes, (n, 2), smallest and largest being the same."""
    finite = np.where(np.isfinite(change), change, 0).astype(np.float64)
    norms = np.linalg.norm(finite, axis=axis).astype(np.float32)
    return np.stack([norms, norms], axis=1)


def _largest(change: npt.NDArray[np.float32]) -> float:
    return float(np.max(np.abs(change), where=np.isfinite(change), initial=0.0))
