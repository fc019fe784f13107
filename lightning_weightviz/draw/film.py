"""A film strip: pictures of one thing over time, side by side, in one range."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from lightning_weightviz.draw.color import paint_signed
from lightning_weightviz.draw.color_bar import draw_flat_color_bar
from lightning_weightviz.draw.geometry import Box
from lightning_weightviz.draw.matrix import cell_size
from lightning_weightviz.draw.page import CONTENT, GREY, MARGIN, Page
from lightning_weightviz.draw.text import BODY, SMALL
from lightning_weightviz.draw.tiles import TileLayout, plan_sheet, put_tiles

BETWEEN_TILES = 18
LOWEST, TALLEST_TILE, SINGLE = 90, 220, 48


@dataclass(frozen=True)
class Tile:
    """One picture of the strip.

    Attributes:
        title: In bold above it, for instance ``epoch 4``.
        note: In grey below the title, for instance ``moved 58%``; may be empty.
        values: float32, (h, w), or filters, (n, channels, height, width); of one shape in all tiles.
    """

    title: str
    note: str
    values: npt.NDArray[np.float32]


@dataclass(frozen=True)
class FilmLayout:
    """Where the tiles are.

    Attributes:
        tiles: In the order of time.
        factor: Height and width of a cell in pixels.
        sheet: Where filters are, from the corner of each tile; None where there is a map.
    """

    tiles: tuple[Box, ...]
    factor: tuple[int, int]
    sheet: TileLayout | None = None

    def cell(self, tile: int, row: int, column: int) -> Box:
        """The pixels of one cell of a tile."""
        vertical, horizontal = self.factor
        left, top = self.tiles[tile].left + column * horizontal, self.tiles[tile].top + row * vertical
        return Box(left, top, left + horizontal, top + vertical)


def draw_film(page: Page, tiles: Sequence[Tile], limit: float, colormap: str, words: Sequence[str]) -> FilmLayout:
    """Puts the tiles on the page, two or three in a row, and moves `page.y` below them.

    One colour bar and `words`, a paragraph each, take the free end of the last row, or go below.
    """
    in_row = 2 if len(tiles) <= 4 else 3
    pitch = (CONTENT + BETWEEN_TILES) // in_row
    shape = tiles[0].values.shape
    sheet = plan_sheet(shape[0], (shape[2], shape[3]), pitch - BETWEEN_TILES, TALLEST_TILE) if len(shape) == 4 else None
    if sheet is None:
        factor = cell_size(
            shape[0], shape[1], pitch - BETWEEN_TILES, lowest=LOWEST, tallest=TALLEST_TILE, single=SINGLE
        )
        size = shape[0] * factor[0], shape[1] * factor[1]
    else:
        factor, size = (sheet.factor, sheet.factor), (sheet.box.height, sheet.box.width)
    caption = round(1.3 * BODY) + (round(1.4 * SMALL) if any(tile.note for tile in tiles) else 0) + 2
    height = caption + size[0]
    boxes: list[Box] = []
    for index, tile in enumerate(tiles):
        left, top = MARGIN + index % in_row * pitch, page.y + index // in_row * (height + BETWEEN_TILES)
        page.text(left, top, tile.title, size=BODY, bold=True)
        page.text(left, top + round(1.3 * BODY), tile.note, size=SMALL, color=GREY)
        boxes.append(Box(left, top + caption, left + size[1], top + height))
        if sheet is None:
            pixels = paint_signed(tile.values, limit, colormap)
            page.paste(pixels, left, top + caption, scale=factor, framed=True)
        else:
            put_tiles(page, tile.values, limit, colormap, replace(sheet, left=left, top=top + caption))
    used = len(tiles) % in_row
    left, width = MARGIN + used * pitch, CONTENT - used * pitch
    page.y = boxes[-1].bottom + BETWEEN_TILES if used == 0 else boxes[-1].top - caption + 4
    if len(shape) == 2 or shape[1] == 1:
        draw_flat_color_bar(page, limit, colormap, left, width)
    for paragraph in words:
        page.paragraph(paragraph, size=SMALL, left=left, width=width)
    page.y = max(page.y, boxes[-1].bottom + BETWEEN_TILES // 2)
    return FilmLayout(tuple(boxes), factor, sheet)
