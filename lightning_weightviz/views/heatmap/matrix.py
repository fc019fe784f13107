"""A matrix with the norms of its rows and columns, and what is usual in each cell."""

from __future__ import annotations

from lightning_weightviz.draw.matrix import (
    MAX_CELLS,
    TALLEST_MATRIX,
    Matrix,
    MatrixLayout,
    dead_facts,
    draw_matrix,
    pool_norms,
)
from lightning_weightviz.draw.page import CONTENT, MARGIN, WIDTH, Page
from lightning_weightviz.draw.panel import BETWEEN_PANELS, WIDE, Panel, PanelLayout, draw_panels
from lightning_weightviz.draw.text import SMALL
from lightning_weightviz.memory import extra_key, key_of
from lightning_weightviz.snapshot import Measurement, Parameter, Target
from lightning_weightviz.views.heatmap.cells import cells_of, pool_rms
from lightning_weightviz.views.heatmap.entries import draw_ranking
from lightning_weightviz.views.support.scene import Scene
from lightning_weightviz.views.support.words import (
    axis_words,
    cell_meaning,
    describe,
    moment,
    norm_words,
    plus_minus,
    unmarked_facts,
    unused_words,
    value_facts,
)

_TALLEST_BESIDE = 300
MOST_NUMBERED = 16
"""Up to so many matrices lie apart, each with its number."""


def draw_parameter(
    page: Page, scene: Scene, target: Target, measurement: Measurement
) -> tuple[MatrixLayout, dict[str, PanelLayout]]:
    """All values or their extremes; beside these, where both have room, what is usual in each cell."""
    parameter, picture = measurement.parameter, measurement.picture
    assert picture is not None
    key = key_of(target, parameter.name)
    limit = scene.memory.ranges[key]
    rows, columns = axis_words(parameter)
    height, width = cells_of(scene, parameter, picture, MAX_CELLS)
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
        norm_words=norm_words(parameter),
        blocks=_block_letters(parameter),
        heads=parameter.heads,
        width=CONTENT - WIDE - BETWEEN_PANELS if beside else CONTENT,
        tallest=_TALLEST_BESIDE if beside else TALLEST_MATRIX,
        widest=WIDE if beside else CONTENT,
    )
    top = page.y
    layout, rms_layout = draw_matrix(page, matrix), None
    if beside and rms_limit is not None:
        bottom, page.y = page.y, top
        # Half as fine where there are many pictures: of what is usual in a block less is to be seen.
        share = 2 if scene.is_crowded else 1
        rms = pool_rms(picture.rms, -(-height // share), -(-width // share))
        panel = Panel("rms of 2×2 cells" if scene.is_crowded else "rms of each cell", rms, rms_limit)
        (rms_layout,) = draw_panels(page, [panel], WIDTH - MARGIN - WIDE)
        page.y = max(page.y, bottom)
    if parameter.blocks:
        page.paragraph(" · ".join(parameter.blocks), size=SMALL)
    words = unused_words(parameter, target)
    facts = [*value_facts(measurement.statistics, values, limit), *dead_facts(matrix, words, pooled)]
    page.facts([*facts, *unmarked_facts(parameter, measurement.statistics)])
    if picture.rank is not None:
        draw_ranking(page, picture.rank, parameter.padding_index)
    return layout, {} if rms_layout is None else {"rms": rms_layout}


def _block_letters(parameter: Parameter) -> list[str]:
    """What stands beside each block: a gate's letter, or the number of a matrix among several."""
    if 1 < parameter.stacked <= MOST_NUMBERED:
        return [str(index) for index in range(parameter.stacked)]
    return [block.split()[0] for block in parameter.blocks]
