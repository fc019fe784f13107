"""Filters of a first convolution as a grid of tiles: in colour where the input has colours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lightning_weightviz.draw.color import INFINITE, NAN, PAPER, Painted, Pixels, Rgb, paint_signed
from lightning_weightviz.draw.color_bar import BAR, NEAR, color_bar_width, draw_color_bar, draw_flat_color_bar
from lightning_weightviz.draw.dead import DEAD, dead_filters
from lightning_weightviz.draw.geometry import Box
from lightning_weightviz.draw.number import number
from lightning_weightviz.draw.page import CONTENT, MARGIN, Counts, Page
from lightning_weightviz.draw.text import SMALL

TALLEST_GRID, TALLEST_SHEET = 520, 760
"""Height in pixels of a grid, and of one whose tiles are larger than `KERNEL`, at most."""
KERNEL = 16
LARGEST_TILE = 220
SMALLEST_TILE = 24
SMALLEST_PICTURE = 40
"""Tiles larger than `KERNEL` are pictures: up to here two pixels a weight, or nothing is seen."""
EDGE = 3
"""Pixels of grey around a tile."""
EDGE_COLOR: Rgb = (158, 160, 164)
UNMOVED: Rgb = (0, 158, 115)
"""Around what has not moved; told apart from `DEAD` by colour-blind readers too."""


@dataclass(frozen=True)
class TileLayout:
    """Where the tiles are.

    Attributes:
        left: Of the grid, on the page.
        top: Of the grid, on the page.
        columns: Tiles side by side.
        shown: How many of the filters are drawn: the first ones.
        factor: Height and width of one weight in pixels.
        kernel: Height and width of a filter in weights.
    """

    left: int
    top: int
    columns: int
    shown: int
    factor: int
    kernel: tuple[int, int]

    @property
    def pitch(self) -> tuple[int, int]:
        """Height and width of a tile with its edge."""
        return self.kernel[0] * self.factor + 2 * EDGE, self.kernel[1] * self.factor + 2 * EDGE

    @property
    def rows(self) -> int:
        """Tiles one upon another."""
        return -(-self.shown // self.columns)

    @property
    def down(self) -> Counts:
        """How often each row of `paint_tiles` is repeated down: an edge, each row of weights, an edge."""
        return np.tile([EDGE, *[self.factor] * self.kernel[0], EDGE], self.rows)

    @property
    def box(self) -> Box:
        """The whole grid."""
        height, width = self.pitch
        return Box(self.left, self.top, self.left + self.columns * width, self.top + self.rows * height)

    def cell(self, index: int, row: int, column: int) -> Box:
        """The pixels of one weight (all its channels) of one filter."""
        top = self.top + index // self.columns * self.pitch[0] + EDGE + row * self.factor
        left = self.left + index % self.columns * self.pitch[1] + EDGE + column * self.factor
        return Box(left, top, left + self.factor, top + self.factor)


def plan_tiles(count: int, kernel: tuple[int, int], left: int, top: int, width: int) -> TileLayout:
    """A grid of large tiles that shows all filters, or as many as fit at a size that can be seen.

    Of the grids whose tiles are at least four fifths of the largest possible, the one that is filled best.
    """
    longest = max(kernel)
    smallest = 2 if KERNEL < longest <= SMALLEST_PICTURE else -(-SMALLEST_TILE // longest)
    tallest = TALLEST_GRID if longest <= KERNEL else TALLEST_SHEET
    plans = []
    for factor in range(max(smallest, LARGEST_TILE // longest), smallest - 1, -1):
        columns = max(1, width // (kernel[1] * factor + 2 * EDGE))
        rows = max(1, tallest // (kernel[0] * factor + 2 * EDGE))
        shown = min(count, columns * rows)
        if shown == count or factor == smallest:
            plans.append(TileLayout(left, top, min(columns, shown), shown, factor, kernel))
    large = [plan for plan in plans if plan.factor >= 0.8 * plans[0].factor]
    return max(large, key=lambda plan: plan.shown * plan.pitch[0] * plan.pitch[1] / (width * plan.box.height))


def plan_sheet(count: int, kernel: tuple[int, int], width: int, tallest: int) -> TileLayout:
    """A grid at (0, 0) of all tiles as large as fit, or of the first ones where not even one pixel a weight does."""
    for factor in range(max(1, LARGEST_TILE // max(kernel)), 0, -1):
        columns = max(1, width // (kernel[1] * factor + 2 * EDGE))
        rows = max(1, tallest // (kernel[0] * factor + 2 * EDGE))
        if columns * rows >= count or factor == 1:
            break
    shown = min(count, columns * rows)
    return TileLayout(0, 0, min(columns, shown), shown, factor, kernel)


def draw_tiles(
    page: Page,
    filters: npt.NDArray[np.float32],
    limit: float,
    colormap: str,
    total: int,
    word: str = "filter",
    unmoved: npt.NDArray[np.bool_] | None = None,
    which: str = "",
) -> TileLayout:
    """Puts filters on the page and moves `page.y` below them.

    Args:
        page: To draw on.
        filters: (n, 1 or 3, height, width), the first n of `total`.
        limit: R, one for all.
        colormap: For filters of one channel.
        total: How many there are.
        word: What one of them is.
        unmoved: As of `paint_tiles`.
        which: What to say of the filters where they are not the first ones.
    """
    channels, height, width = filters.shape[1:]
    count = len(filters)
    in_color = channels == 3
    # Beside a sheet of pictures a bar would cost a column of them.
    flat = not in_color and max(height, width) > KERNEL
    beside = 0 if in_color or flat else color_bar_width(limit) + 3 * NEAR
    layout = plan_tiles(count, (height, width), MARGIN, page.y, CONTENT - beside)
    box = layout.box
    put_tiles(page, filters, limit, colormap, layout, unmoved)
    if not in_color and not flat:
        draw_color_bar(
            page, Box(box.right + 3 * NEAR, box.top, box.right + 3 * NEAR + BAR, box.bottom), limit, colormap
        )
    page.y = box.bottom + 8
    if flat:
        draw_flat_color_bar(page, limit, colormap)
    first = f"{word}s 0…{total - 1}" if layout.shown == total else f"first {layout.shown} of {total} {word}s"
    words = which or (first if total > 1 else f"{word} 0")
    words += f", {height}×{width}, in rows from the top left"
    if in_color:
        words += f" · {rgb_legend(limit)}"
    page.paragraph(words, size=SMALL)
    return layout


def rgb_legend(limit: float) -> str:
    """How tiles of three channels are read."""
    return f"in each colour {number(-limit)} is dark, 0 is middle grey, {number(limit, signed=True)} is bright"


def put_tiles(
    page: Page,
    filters: npt.NDArray[np.float32],
    limit: float,
    colormap: str,
    layout: TileLayout,
    unmoved: npt.NDArray[np.bool_] | None = None,
) -> None:
    """Puts the grid on the page, at the place of its layout.

    Args:
        page: To draw on.
        filters: (n, channels, height, width) with 1 or 3 channels.
        limit: R, one for all filters.
        colormap: For filters of one channel.
        layout: From `plan_tiles` or `plan_sheet`.
        unmoved: bool, (n,): those that get an edge of their own, unless they are dead.
    """
    tiles = paint_tile(filters[: layout.shown], limit, colormap)
    edges = dead_filters(filters).astype(np.intp)
    if unmoved is not None:
        edges[unmoved & (edges == 0)] = 2
    edges = edges[: layout.shown]
    colors = np.array([EDGE_COLOR, DEAD, UNMOVED], np.uint8)
    grid: Painted | Pixels
    if isinstance(tiles, Painted):
        count = len(tiles.table)
        table = np.concatenate([tiles.table, np.array([PAPER], np.uint8), colors])
        grid = Painted(_grid(tiles.rows, count, count + 1 + edges, layout), table)
    else:
        grid = _grid(tiles, PAPER, colors[edges], layout)
    page.paste(grid, layout.left, layout.top, scale=(layout.down, 1))


def _grid(
    tiles: npt.NDArray[np.uint8], paper: int | Rgb, edges: npt.NDArray[np.integer], layout: TileLayout
) -> npt.NDArray[np.uint8]:
    """Tiles and the edge of each, as colours or as rows of a table; each row once, to be repeated as `down` says."""
    height, width = layout.kernel[0] + 2, layout.pitch[1]
    colors = tiles.shape[3:]
    grid = np.full((layout.rows, height, layout.columns, width, *colors), paper, np.uint8)
    full = len(tiles) // layout.columns
    # Rows of tiles at once, the last one apart where it is not full.
    for first, last, across in ((0, full, layout.columns), (full, layout.rows, len(tiles) % layout.columns)):
        if last == first:
            continue
        some = slice(first * layout.columns, first * layout.columns + (last - first) * across)
        cells = grid[first:last, :, :across]
        cells[...] = edges[some].reshape(last - first, 1, across, 1, *colors)
        inside = cells[:, 1:-1, :, EDGE : width - EDGE]
        shown = tiles[some].reshape(last - first, across, *tiles.shape[1:]).swapaxes(1, 2)
        for place in range(layout.factor):
            inside[:, :, :, place :: layout.factor] = shown
    return grid.reshape(layout.rows * height, layout.box.width, *colors)


def paint_tile(values: npt.NDArray[np.float32], limit: float, colormap: str) -> Painted | Pixels:
    """Colours of values with channels.

    Args:
        values: (…, channels, height, width). Of 3 channels each colour is 0.5 + 0.5 · w / R, so that grey is 0; 1
            channel is painted as a signed map.
        limit: R, positive.
        colormap: For 1 channel.

    Returns:
        (…, height, width); of 3 channels RGB, uint8, (…, height, width, 3).
    """
    if values.shape[-3] == 1:
        return paint_signed(values[..., 0, :, :], limit, colormap)
    with np.errstate(over="ignore"):
        shares = 0.5 + 0.5 * np.clip(values / limit, -1, 1)
    pixels: Pixels = np.moveaxis(np.rint(255 * np.nan_to_num(shares)).astype(np.uint8), -3, -1).copy()
    pixels[np.isinf(values).any(axis=-3)] = INFINITE
    pixels[np.isnan(values).any(axis=-3)] = NAN
    return pixels
