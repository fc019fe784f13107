"""A convolution by its kernels: their norms, their sums, and what each position weighs."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lightning_weightviz.draw.dead import DEAD, dead_norms
from lightning_weightviz.draw.matrix import (
    pool_norms,
)
from lightning_weightviz.draw.number import shape_text
from lightning_weightviz.draw.page import Fact, Page
from lightning_weightviz.draw.panel import NARROW, WIDE, Panel, PanelLayout, draw_panels
from lightning_weightviz.draw.text import SMALL
from lightning_weightviz.memory import extra_key, key_of
from lightning_weightviz.snapshot import Measurement, Picture, Target, pool_extreme
from lightning_weightviz.views.heatmap.cells import cells_of, pool_rms
from lightning_weightviz.views.support.scene import Scene
from lightning_weightviz.views.support.words import (
    axis_words,
    block_text,
    describe,
    moment,
    unmarked_facts,
    unused_words,
    value_facts,
)

_Marks = npt.NDArray[np.bool_]


def draw_kernels(
    page: Page, scene: Scene, target: Target, measurement: Measurement, picture: Picture
) -> dict[str, PanelLayout]:
    """A kernel a cell: its norm, and its sum for the sign; then what each position in the kernels weighs."""
    parameter, positions = measurement.parameter, picture.positions
    assert picture.sums is not None and positions is not None
    ranges, key = scene.memory.ranges, key_of(target, parameter.name)
    height, width = cells_of(scene, parameter, picture, WIDE)
    norms = pool_rms(picture.kernel_norms, height, width)
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
            *_dead(unused_words(parameter, target), (rows, columns), norms.shape != picture.shape),
            *unmarked_facts(parameter, measurement.statistics),
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
