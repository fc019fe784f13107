"""Panels: maps side by side, each with its title above and its own colour bar below."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lightning_weightviz.draw.color import FEW_STEPS, Painted, paint_magnitude, paint_signed
from lightning_weightviz.draw.color_bar import BAR, paint_flat_bar, paint_magnitude_bar
from lightning_weightviz.draw.dead import DEAD
from lightning_weightviz.draw.geometry import Box
from lightning_weightviz.draw.number import number
from lightning_weightviz.draw.page import CONTENT, GREY, MARGIN, Page
from lightning_weightviz.draw.text import SMALL

BETWEEN_PANELS = 16
WIDE = 256
NARROW = CONTENT - 2 * (WIDE + BETWEEN_PANELS)
"""What two wide panels leave of a page."""
LOWEST, TALLEST_PANEL = 160, 256
TITLE_HEIGHT, BAR_HEIGHT = round(1.4 * SMALL), BAR + SMALL + 20


@dataclass(frozen=True)
class Panel:
    """A map.

    Attributes:
        title: One or two words.
        values: float32, (h, w).
        limit: What the colour at the end of the bar stands for, positive.
        colormap: Of a signed map, drawn from −`limit`; None: magnitudes, drawn from 0.
        width: In pixels.
        dead_rows: Rows that get a mark at their left.
        dead_columns: Columns that get a mark below.
    """

    title: str
    values: npt.NDArray[np.float32]
    limit: float
    colormap: str | None = None
    width: int = WIDE
    dead_rows: npt.NDArray[np.bool_] | None = None
    dead_columns: npt.NDArray[np.bool_] | None = None


@dataclass(frozen=True)
class PanelLayout:
    """Where a panel's cells are.

    Attributes:
        box: All of them.
        factor: Height and width of a cell in pixels.
    """

    box: Box
    factor: tuple[int, int]

    def cell(self, row: int, column: int) -> Box:
        """The pixels of one cell."""
        left, top = self.box.left + column * self.factor[1], self.box.top + row * self.factor[0]
        return Box(left, top, left + self.factor[1], top + self.factor[0])


def panel_cells(rows: int, columns: int, width: int) -> tuple[int, int]:
    """Whole-number height and width of a cell: as wide as fits, square where that is neither flat nor too tall."""
    horizontal = max(1, width // columns)
    return max(1, min(max(horizontal, -(-LOWEST // rows)), TALLEST_PANEL // rows)), horizontal


def draw_panels(page: Page, panels: list[Panel], left: int = MARGIN) -> list[PanelLayout]:
    """Puts panels side by side, from `left` on, and moves `page.y` below the lowest of them."""
    layouts = []
    top, bottom = page.y + TITLE_HEIGHT, page.y
    for panel in panels:
        layouts.append(_draw(page, panel, left, top))
        bottom = max(bottom, layouts[-1].box.bottom)
        left += panel.width + BETWEEN_PANELS
    page.y = bottom + BAR_HEIGHT + 8
    return layouts


def _draw(page: Page, panel: Panel, left: int, top: int) -> PanelLayout:
    rows, columns = panel.values.shape
    factor = panel_cells(rows, columns, panel.width)
    box = Box(left, top, left + columns * factor[1], top + rows * factor[0])
    page.text(left, top - TITLE_HEIGHT, panel.title, size=SMALL, color=GREY)
    page.paste(_paint(panel), left, top, scale=factor, framed=True)
    layout = PanelLayout(box, factor)
    for row in np.flatnonzero(panel.dead_rows) if panel.dead_rows is not None else ():
        cell = layout.cell(int(row), 0)
        page.rectangle((left - 7, cell.top, left - 3, cell.bottom - 1), DEAD)
    for column in np.flatnonzero(panel.dead_columns) if panel.dead_columns is not None else ():
        cell = layout.cell(0, int(column))
        page.rectangle((cell.left, box.bottom + 2, cell.right - 1, box.bottom + 6), DEAD)
    _bar(page, panel, box)
    return layout


def _paint(panel: Panel) -> Painted:
    if panel.colormap is None:
        return paint_magnitude(panel.values, panel.limit, FEW_STEPS)
    return paint_signed(panel.values, panel.limit, panel.colormap)


def _bar(page: Page, panel: Panel, box: Box) -> None:
    """A bar as long as the map is wide, the ends' values below it."""
    top = box.bottom + 12
    if panel.colormap is None:
        bar = paint_magnitude_bar(BAR, box.width, FEW_STEPS)
        ends = "0", number(panel.limit)
    else:
        bar = paint_flat_bar(BAR, box.width, panel.colormap)
        ends = number(-panel.limit, signed=True), number(panel.limit, signed=True)
        page.text((box.left + box.right) // 2, top + BAR + 5, "0", size=SMALL, color=GREY, anchor="ma")
    page.paste(bar, box.left, top, framed=True)
    page.text(box.left, top + BAR + 5, ends[0], size=SMALL, color=GREY)
    page.text(box.right, top + BAR + 5, ends[1], size=SMALL, color=GREY, anchor="ra")
