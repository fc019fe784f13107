"""Class templates: what each class looks for in the input, as named tiles of one range."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from lightning_weightviz.artifacts import Raster
from lightning_weightviz.draw.color_bar import BAR, paint_flat_bar
from lightning_weightviz.draw.geometry import Box
from lightning_weightviz.draw.number import number, shape_text
from lightning_weightviz.draw.page import CONTENT, GREY, MARGIN, WIDTH, Page
from lightning_weightviz.draw.text import SMALL, fit, text_width
from lightning_weightviz.draw.tiles import EDGE, TileLayout, put_tiles, rgb_legend
from lightning_weightviz.snapshot import ClassRows, farthest, pool_extreme
from lightning_weightviz.views.support.words import plus_minus

MAX_TEMPLATES = 40
LARGEST_TILE, TALLEST_TEMPLATES = 320, 680
BETWEEN_TEMPLATES = 12
BAR_LENGTH = 160
ROW = SMALL + 6
"""Pixels of the name above a tile."""


@dataclass(frozen=True)
class Templates:
    """Drawn templates.

    Attributes:
        raster: 720 pixels wide.
        tiles: Where each is, without its edge.
        factor: Height and width of one weight in pixels.
    """

    raster: Raster
    tiles: tuple[Box, ...]
    factor: int


def draw_templates(head: ClassRows, when: str, limit: float, colormap: str) -> Templates:
    """Draws the head's first `MAX_TEMPLATES` templates from −`limit` to +`limit`, in colour if they have 3 channels."""
    assert head.templates is not None
    channels, height, width = head.templates.shape[1:]
    shown = head.templates[:MAX_TEMPLATES]
    single = len(head.template_path) == 1
    made = "exact: one linear layer" if single else "product of the weight matrices, gates open (ignores ReLU)"
    shape = (height, width) if channels == 1 else (channels, height, width)
    read = "" if head.template_shape_given else f" · read as {shape_text(shape)}"
    page = Page()
    page.header("class templates", " → ".join(head.template_path), f"{when} · {plus_minus(limit)} · {made}{read}")

    tiles, columns, factor = _plan(shown if channels in (1, 3) else _farthest(shown))
    layout = TileLayout(0, 0, 1, 1, factor, (tiles.shape[2], tiles.shape[3]))
    tall, wide = layout.pitch
    pitch = (CONTENT - wide) // max(columns - 1, 1)
    boxes = []
    for index, tile in enumerate(tiles):
        row, column = divmod(index, columns)
        left, top = MARGIN + column * pitch, page.y + row * (tall + ROW + BETWEEN_TEMPLATES) + ROW
        room = WIDTH - MARGIN - left if column == columns - 1 else pitch - 8
        name = fit(head.class_names[index], room, SMALL, bold=True)
        page.text(left, top - ROW, name, size=SMALL, bold=True)
        put_tiles(page, tile[None], limit, colormap, replace(layout, left=left, top=top))
        boxes.append(Box(left + EDGE, top + EDGE, left + wide - EDGE, top + tall - EDGE))
    page.y = boxes[-1].bottom + BETWEEN_TEMPLATES
    if channels == 3:
        page.paragraph(rgb_legend(limit), size=SMALL)
    else:
        _legend(page, limit, colormap)
    notes = []
    if len(shown) < len(head.class_names):
        notes.append(f"the first {len(shown)} of {len(head.class_names)} classes")
    if tiles.shape[2:] != (height, width):
        notes.append(f"pooled to {shape_text(tiles.shape[2:])}: the weight farthest from 0 in each cell")
    if channels not in (1, 3):
        notes.append(f"of {channels} channels the weight farthest from 0")
    if notes:
        page.paragraph(" · ".join(notes), size=SMALL)
    return Templates(page.raster(), tuple(boxes), factor)


def _farthest(templates: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """One channel: of all channels the value farthest from 0."""
    return farthest(templates.max(axis=1, keepdims=True), templates.min(axis=1, keepdims=True))


def _plan(templates: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.float32], int, int]:
    """The templates, pooled where they are larger than a tile may be, columns, and pixels of a weight.

    Of the grids whose tiles are at least seven tenths of the largest possible, the one that is filled best.
    """
    count, _, height, width = templates.shape
    plans = []
    for columns in range(1, min(count, 10) + 1):
        rows = -(-count // columns)
        room = min((CONTENT - (columns - 1) * BETWEEN_TEMPLATES) // columns, LARGEST_TILE) - 2 * EDGE
        room_down = min(TALLEST_TEMPLATES // rows - ROW - BETWEEN_TEMPLATES, LARGEST_TILE) - 2 * EDGE
        factor = min(room // width, room_down // height)
        if factor >= 1:
            filled = count * factor**2 / (rows * (height * factor + ROW + BETWEEN_TEMPLATES))
            plans.append((factor, filled, columns))
    if not plans:
        half = np.stack([[pool_extreme(c, -(-height // 2), -(-width // 2)) for c in t] for t in templates])
        return _plan(half)
    largest = max(plans)[0]
    factor, _, columns = max((plan for plan in plans if plan[0] >= 0.7 * largest), key=lambda plan: plan[1])
    return templates, columns, factor


def _legend(page: Page, limit: float, colormap: str) -> None:
    """A colour bar that lies, and what its ends mean."""
    x: float = MARGIN
    for text in (f"against the class {number(-limit)}", f"{number(limit, signed=True)} for it"):
        page.text(x, page.y, text, size=SMALL, color=GREY)
        x += text_width(text, SMALL) + 8
        if x < WIDTH // 2:
            bar = paint_flat_bar(BAR, BAR_LENGTH, colormap)
            page.paste(bar, round(x), page.y + 4, framed=True)
            x += BAR_LENGTH + 8
    page.y += ROW
