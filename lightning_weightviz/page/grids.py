"""How many cells of each map the page keeps, so that all maps of a snapshot together stay below a bound."""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

MOST_VALUES = 1 << 20
"""Kept of one snapshot, all maps together: two bytes each in memory, about one in the page."""
FEWEST_CELLS = 32
"""An axis of so few is not halved."""

Key = TypeVar("Key")


@dataclass(frozen=True)
class Grid:
    """Cells of a map.

    Attributes:
        height: Rows of cells, or how many filters.
        width: Columns of cells; 1 of filters.
        shape: Rows and columns of the finest map.
        values: Kept of a cell: 2 where it has a root mean square beside it, of filters their sizes.
        has_rms: Whether a cell of more than one value has its root mean square beside it.
    """

    height: int
    width: int
    shape: tuple[int, int]
    values: int = 1
    has_rms: bool = False

    @property
    def is_pooled(self) -> bool:
        """Whether a cell is more than one value."""
        return (self.height, self.width) != self.shape

    @property
    def cost(self) -> int:
        """Values that are kept of it."""
        return self.height * self.width * self.values * (1 + (self.has_rms and self.is_pooled))

    def halved(self) -> Grid:
        """With half the rows and columns."""
        rows, columns = self.shape
        return replace(self, height=_halved(self.height, rows), width=_halved(self.width, columns))


def _halved(cells: int, length: int) -> int:
    """Fewer cells along an axis of so many elements, whose borders are borders of the cells before.

    >>> _halved(256, 1000), _halved(255, 768), _halved(101, 101), _halved(32, 32)
    (128, 85, 51, 32)
    """
    if cells <= FEWEST_CELLS:
        return cells
    # Where a cell is one element, any other number of cells has such borders.
    divisors = (divisor for divisor in (2, 3, 5, 7) if cells < length and cells % divisor == 0)
    divisor = next(divisors, 2)
    return -(-cells // divisor)


def within(grids: Mapping[Key, Grid], most: int = MOST_VALUES) -> dict[Key, Grid]:
    """The grids, the largest of them halved until all together cost at most so much, as far as they can be.

    >>> maps = {name: Grid(256, 256, (512, 512)) for name in "abc"}
    >>> [grid.height for grid in within(maps, most=150_000).values()]
    [256, 128, 256]
    """
    fitting = dict(grids)
    total = sum(grid.cost for grid in fitting.values())
    # Of equal ones that in the middle comes first: the layers of inputs and classes are looked at most.
    waiting = [
        (-grid.cost, -min(place, len(fitting) - 1 - place), place, key)
        for place, (key, grid) in enumerate(fitting.items())
    ]
    heapq.heapify(waiting)
    while total > most and waiting:
        _, *order, key = heapq.heappop(waiting)
        grid = fitting[key]
        smaller = grid.halved()
        if smaller.cost < grid.cost:
            total += smaller.cost - grid.cost
            fitting[key] = smaller
            heapq.heappush(waiting, (-smaller.cost, order[0], order[1], key))
    return fitting
