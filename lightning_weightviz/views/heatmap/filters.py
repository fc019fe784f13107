"""Rows that are pictures."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lightning_weightviz.draw.dead import DEAD, dead_filters
from lightning_weightviz.draw.number import shape_text
from lightning_weightviz.draw.page import Fact, Page
from lightning_weightviz.draw.tiles import UNMOVED, TileLayout, draw_tiles
from lightning_weightviz.memory import key_of
from lightning_weightviz.snapshot import Measurement, Target
from lightning_weightviz.views.support.angle import degree_text
from lightning_weightviz.views.support.scene import Scene
from lightning_weightviz.views.support.unmoved import unmoved_rows
from lightning_weightviz.views.support.words import (
    describe,
    moment,
    plus_minus,
    row_word,
    value_facts,
)

LEAST_TOLD = 0.01
"""Degrees that are written."""


def draw_filters(
    page: Page, scene: Scene, target: Target, measurement: Measurement, filters: npt.NDArray[np.float32]
) -> TileLayout:
    """Rows that are pictures, a tile each, all in one range; those of next to no norm have a coloured edge."""
    parameter = measurement.parameter
    limit = scene.memory.ranges[key_of(target, parameter.name)]
    word = row_word(parameter)
    shape = filters.shape[1:] if filters.shape[1] > 1 else filters.shape[2:]
    line = "columns" if parameter.is_transposed else "rows"
    read = f", {line} read as {shape_text(shape)}" if parameter.tile_inferred else f" for all {word}s"
    meaning = f"one range{read}"
    page.header(
        parameter.name, describe(parameter, target), f"{moment(scene.snapshot)} · {plus_minus(limit)} · {meaning}"
    )
    unmoved, angle = unmoved_rows(scene, target, parameter.name, len(filters))
    # Where all stand still, it is the layer that does.
    framed = None if unmoved.all() else unmoved
    layout = draw_tiles(page, filters, limit, scene.style.colormap, parameter.shape[0], word, framed)
    facts = value_facts(measurement.statistics, filters, limit)
    dead = dead_filters(filters)
    if count := int(dead[: layout.shown].sum()):
        facts.append((f"zero {word}s: {count}", DEAD))
    if still := int((unmoved & ~dead)[: layout.shown].sum()):
        facts.append(_of_unmoved(still, angle, word, all_of_them=bool(unmoved.all())))
    page.facts(facts)
    return layout


def _of_unmoved(count: int, angle: float, word: str, *, all_of_them: bool) -> Fact:
    """How many have hardly turned, behind the colour of their edge."""
    if all_of_them:
        return f"no {word} has turned since the start", None
    little = f"turned by less than {degree_text(angle)}" if angle >= LEAST_TOLD else "not turned"
    return f"{little} since the start: {count}", UNMOVED
