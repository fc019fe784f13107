"""What a parameter is; nothing of its values."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Kind = Literal["linear", "head", "conv", "embedding", "attention", "recurrent", "norm", "bias", "other"]
Layout = Literal["matrix", "filters", "kernels", "vector"]

MAX_FILTER_VALUES = 1 << 17
"""Rows that are pictures are copied whole up to this many values."""


@dataclass(frozen=True)
class Parameter:
    """What a parameter is; nothing of its values.

    Attributes:
        name: As in ``named_parameters()`` of the user's module, without wrappers' prefixes.
        aliases: Further names of the same tensor (tied weights).
        kind: What it does in the network, from the module that owns it.
        module: Class name of that module, for instance ``Linear``.
        shape: As the user wrote it, before any sharding.
        dtype: Of the tensor, for instance ``float32``.
        layout: How it is drawn. ``matrix``: (shape[0], all other axes flattened). ``filters``: rows that are small
            pictures, a tile each: those of a convolution with one or three channels, or of a Linear on images.
            ``kernels``: any other convolution, (shape[0], shape[1]) with a kernel a cell. ``vector``: one dimension
            or none.
        pictured: Whether it gets pictures, or statistics and histograms alone.
        tile: (channels, height, width) of the picture that a row of a Linear is; None: as the shape says.
        tile_inferred: Whether `tile` was told from the row's length alone.
        blocks: Letter and name of the equal stretches that the rows are made of, gates, or query, key and value:
            ``f forget``.
        heads: Equal parts of each of these stretches, or of all rows.
        padding_index: A row that stands for nothing and is left out where rows are compared.
        trainable: Whether it is trained: requires a gradient.
        stacked: How many matrices of one shape lie one after the other along the first axes, such as experts: the
            product of these axes, which at least two more follow. Each is measured by itself, and they are drawn one
            below the other.
        units_axis: Which axis of a matrix are the outputs, whose norms say which are dead: 0 rows, 1 columns.
        groups: Of a transposed convolution: equal stretches of its rows, whose columns are outputs of their own.
        kept_shape: In the user's own model, where its axes are in another order than here, as those of a Keras kernel
            (inputs, outputs) are. Empty: as `shape`. It tells nothing of the order where its sizes are equal.
    """

    name: str
    kind: Kind
    module: str
    shape: tuple[int, ...]
    dtype: str
    layout: Layout
    aliases: tuple[str, ...] = ()
    pictured: bool = True
    tile: tuple[int, int, int] | None = None
    tile_inferred: bool = False
    blocks: tuple[str, ...] = ()
    heads: int = 1
    padding_index: int | None = None
    trainable: bool = True
    stacked: int = 1
    units_axis: int = 0
    groups: int = 1
    kept_shape: tuple[int, ...] = ()

    @property
    def own_shape(self) -> tuple[int, ...]:
        """The shape that the user knows it by.

        >>> Parameter("fc1.kernel", "linear", "Dense", (128, 784), "float32", "matrix", kept_shape=(784, 128)).own_shape
        (784, 128)
        """
        return self.kept_shape or self.shape

    @property
    def is_transposed(self) -> bool:
        """Whether its rows are the columns of the user's own matrix."""
        return len(self.shape) == len(self.kept_shape) == 2

    @property
    def matrix_shape(self) -> tuple[int, int]:
        """Rows and columns as drawn: a vector is one row, a tensor is flattened behind its first axis.

        >>> Parameter("experts", "linear", "", (8, 16, 32), "", "matrix", stacked=8).matrix_shape
        (128, 32)
        """
        if len(self.shape) < 2:
            return 1, self.size
        axis, matrices = 0, 1
        while matrices < self.stacked:
            matrices *= self.shape[axis]
            axis += 1
        rows = matrices * self.shape[axis]
        return rows, self.size // max(rows, 1)

    @property
    def kernel(self) -> int:
        """How many neighbouring columns of the matrix are one kernel, which no cell divides; 1 where there is none."""
        return math.prod(self.shape[2:]) if self.layout == "kernels" else 1

    @property
    def map_shape(self) -> tuple[int, int]:
        """Rows and columns of the finest map: the matrix, or one cell a kernel."""
        rows, columns = self.matrix_shape
        return rows, columns // max(self.kernel, 1)

    @property
    def stretches(self) -> int:
        """How many equal stretches of rows have units of their own where units are columns: matrices or groups."""
        return self.stacked * self.groups

    @property
    def unit_width(self) -> int:
        """How many neighbouring columns are one unit where units are columns: those of a kernel."""
        return 1 if self.stacked > 1 else math.prod(self.shape[2:])

    @property
    def units(self) -> int:
        """How many outputs it has: rows of the matrix, or with `units_axis` 1 columns of each of its `stretches`.

        >>> Parameter("kernel", "other", "Dense", (784, 128), "float32", "matrix", units_axis=1).units
        128
        >>> Parameter("experts", "other", "", (8, 16, 32), "float32", "matrix", stacked=8, units_axis=1).units
        256
        """
        rows, columns = self.matrix_shape
        return rows if self.units_axis == 0 else self.stretches * columns // max(self.unit_width, 1)

    @property
    def filters_shape(self) -> tuple[int, int, int, int]:
        """(n, channels, height, width) of the rows that are copied as pictures: the first `MAX_FILTER_VALUES` values.

        The depth of a convolution of three dimensions is stacked on its height.
        """
        tile = self.tile or (self.shape[1], math.prod(self.shape[2:-1]), self.shape[-1])
        return (min(self.shape[0], MAX_FILTER_VALUES // max(math.prod(tile), 1)), *tile)

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    def cells(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of its map within (height, width): where rows are pooled, no cell is of two parts.

        >>> Parameter("in_proj_weight", "attention", "", (96, 32), "", "matrix", blocks=("q", "k", "v")).cells(64, 64)
        (63, 32)
        """
        rows, columns = self.map_shape
        blocks = max(len(self.blocks), self.stacked)
        parts = next(count for count in (blocks * self.heads, blocks, 1) if count <= height)
        return (rows if rows <= height else height - height % parts), min(columns, width)
