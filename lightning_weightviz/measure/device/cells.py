"""How an axis, and a matrix, is cut into the cells of a picture."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from lightning_weightviz.measure.device.abilities import looks
from lightning_weightviz.measure.device.gathering import at
from lightning_weightviz.measure.lane import to_device

FEW = 8
"""Elements of a cell that are taken one after the other, where cells are uneven."""


class Blocks:
    """The partition of an axis in which element i falls into cell ``i * cells // length``.

    What is looked up is made on the host, once, when it is first needed.

    Args:
        length: Of the axis.
        limit: Most cells.
        device: Of the values.
        unit: So many neighbours are one element, which no cell divides; `length` is a multiple of it.
        here: Where only a stretch of the axis is there, its first element and the one past its last, multiples of
            `unit`: the cells are those that it reaches into.

    Attributes:
        first: Which cell of the whole axis is the first one.
        cells: Number of cells.
        most: Elements in the largest one.
        uniform: Whether all cells have as many.
    """

    def __init__(
        self, length: int, limit: int, device: torch.device, unit: int = 1, here: tuple[int, int] | None = None
    ) -> None:
        count = length // unit
        whole = min(limit, count)
        start, end = (0, count) if here is None else (here[0] // unit, here[1] // unit)
        self.first = start * whole // count
        self.cells = (end - 1) * whole // count + 1 - self.first
        bound = np.arange(self.first, self.first + self.cells + 1, dtype=np.int64)
        # Cells differ in length by one at most, and those at the ends of a stretch may be cut.
        self._bounds = (np.clip(-(-bound * count // whole), start, end) - start) * unit
        sizes = np.diff(self._bounds)
        self.most = int(sizes.max())
        self.uniform = bool((sizes == sizes[0]).all())
        self._device = device
        # Where it is faster: numpy reduces uneven cells in place, and long ones.
        uses_numpy = looks(device) and (not self.uniform or self.most > 64)
        self._starts = self._bounds[:-1] if uses_numpy else None
        self._few = uses_numpy and self.most <= FEW

    @cached_property
    def sizes(self) -> Tensor:
        """Elements of each cell, int64, (cells,), or (1,) where they are uniform."""
        return self._there(np.diff(self._bounds[:2] if self.uniform else self._bounds))

    @cached_property
    def real(self) -> Tensor:
        """bool, (cells, most): which elements are not repetitions, where a cell has fewer than `most`."""
        return self._there(np.arange(self.most) < np.diff(self._bounds)[:, None])

    @cached_property
    def absent(self) -> Tensor:
        """The inverse of `real`."""
        return self._there(np.arange(self.most) >= np.diff(self._bounds)[:, None])

    @cached_property
    def index(self) -> Tensor:
        """The elements of each cell, int64, (cells, most), the last repeated where they are fewer."""
        last = self._bounds[1:, None] - 1
        return self._there(np.minimum(self._bounds[:-1, None] + np.arange(self.most), last))

    @cached_property
    def _places(self) -> list[npt.NDArray[np.int64]]:
        """The first element of each cell, the second of each, and so on; the last again where there are fewer."""
        return [np.minimum(self._bounds[:-1] + offset, self._bounds[1:] - 1) for offset in range(self.most)]

    @cached_property
    def _lacking(self) -> list[npt.NDArray[np.bool_]]:
        """Which cells have no such element."""
        return [np.diff(self._bounds) <= offset for offset in range(self.most)]

    def _there(self, values: npt.NDArray[Any]) -> Tensor:
        return to_device(torch.from_numpy(values), self._device)

    def gather(self, values: Tensor, first: int, last: int) -> Tensor:
        """The rows of cells first to last, (last - first, most, columns); a view where the cells are uniform."""
        if self.uniform:
            return values[first * self.most : last * self.most].view(last - first, self.most, -1)
        return at(values, self.index[first:last])

    def spread(self, values: Tensor) -> Tensor:
        """Each row's elements by cell, (..., cells, most), from (..., columns); a view where the cells are uniform."""
        if self.uniform:
            view: Tensor = values.unflatten(-1, (self.cells, self.most))
            return view
        return values[..., self.index]

    def extremes(self, high: Tensor, low: Tensor) -> tuple[Tensor, Tensor]:
        """The largest of each row's elements of `high` in each cell, and the smallest of `low`; NaN where there is one.

        On the host alone; (rows, cells) each.
        """
        if self.most == 1:
            return high, low
        if not self._few:
            return self._maximum(high), -self._maximum(-low)
        highest, lowest = (values.numpy().take(self._places[0], 1) for values in (high, low))
        for places in self._places[1:]:
            taken = high.numpy().take(places, 1)
            np.maximum(highest, taken, out=highest)
            np.minimum(lowest, taken if low is high else low.numpy().take(places, 1), out=lowest)
        return torch.from_numpy(highest), torch.from_numpy(lowest)

    def _maximum(self, values: Tensor) -> Tensor:
        if self._starts is not None:
            return torch.from_numpy(np.maximum.reduceat(values.numpy(), self._starts, axis=1))
        # On the host the pooling kernel is three times as fast as a reduction over short rows.
        spread = values if self.uniform else self.spread(values).flatten(1)
        return torch.nn.functional.max_pool1d(spread.unsqueeze(1), self.most).squeeze(1)

    def sum(self, values: Tensor) -> Tensor:
        """The sum of each row's elements in each cell, (rows, cells), in the dtype that they have."""
        if self.most == 1:
            return values
        if self._starts is not None:
            # The sum of +Inf and -Inf is the NaN that it is to be.
            with np.errstate(invalid="ignore", over="ignore"):
                return torch.from_numpy(self._sum(values.numpy(), self._starts))
        spread = self.spread(values)
        # What is not uniform was copied.
        present = spread if self.uniform else spread.masked_fill_(self.absent, 0)
        return present.sum(2, dtype=values.dtype)

    def _sum(self, values: npt.NDArray[Any], starts: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
        if not self._few:
            return np.asarray(np.add.reduceat(values, starts, axis=1, dtype=values.dtype))
        # In the order of `reduceat`: the first element comes last.
        rest: npt.NDArray[Any] = values.take(self._places[1], 1)
        np.copyto(rest, 0, where=self._lacking[1])
        for places, lacking in zip(self._places[2:], self._lacking[2:], strict=True):
            taken = values.take(places, 1)
            np.copyto(taken, 0, where=lacking)
            rest += taken
        rest += values.take(self._places[0], 1)
        return rest


@dataclass(frozen=True)
class Cut:
    """How a matrix is cut into cells.

    Attributes:
        rows: Down.
        columns: Across, in columns.
        channels: Across, in kernels.
        kernel: Columns of a kernel: no cell divides one.
    """

    rows: Blocks
    columns: Blocks
    channels: Blocks
    kernel: int

    @property
    def is_whole(self) -> bool:
        """Whether each cell is one value."""
        return self.rows.most == self.columns.most == 1

    @property
    def sizes(self) -> Tensor:
        """Elements of each cell, int64, of a shape that broadcasts to (h, w)."""
        return self.rows.sizes.unsqueeze(1) * self.columns.sizes


# The same of each snapshot, and as many as there are shapes among the pictures, on the device and on the host.
@lru_cache(maxsize=128)
def cut_of(
    shape: tuple[int, int],
    limits: tuple[int, int],
    device: torch.device,
    kernel: int = 1,
    here: tuple[tuple[int, int], tuple[int, int]] | None = None,
) -> Cut:
    """A matrix in at most `limits` cells; of a rectangle of it, rows and columns `here`, its part of them."""
    down, across = (None, None) if here is None else here
    channels = None if across is None else (across[0] // kernel, across[1] // kernel)
    return Cut(
        Blocks(shape[0], limits[0], device, here=down),
        Blocks(shape[1], limits[1], device, kernel, across),
        Blocks(shape[1] // kernel, limits[1], device, here=channels),
        kernel,
    )
