"""What has left the device: frozen dataclasses of numpy arrays, which views and history read."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

Kind = Literal["linear", "head", "conv", "embedding", "attention", "recurrent", "norm", "bias", "other"]
Layout = Literal["matrix", "filters", "kernels", "vector"]
Target = Literal["weights", "gradients", "updates"]

PERCENTILES: tuple[float, ...] = (0.0, 6.68, 15.87, 30.85, 50.0, 69.15, 84.13, 93.32, 100.0)
"""The percentiles of the distribution fan: those of TensorBoard, 0, ±0.5, ±1, ±1.5 σ of a normal and the ends."""

MAX_FILTER_VALUES = 1 << 17
"""Rows that are pictures are copied whole up to this many values."""

TOTAL = "total"
"""The name under which the statistics of all selected parameters together are kept."""


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

    @property
    def matrix_shape(self) -> tuple[int, int]:
        """Rows and columns as drawn: a vector is one row, a tensor is flattened behind its first axis."""
        if len(self.shape) < 2:
            return 1, self.size
        return self.shape[0], self.size // max(self.shape[0], 1)

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
        parts = max(len(self.blocks), 1) * self.heads
        parts = next(count for count in (parts, max(len(self.blocks), 1), 1) if count <= height)
        return (rows if rows <= height else height - height % parts), min(columns, width)


@dataclass(frozen=True)
class Counts:
    """A histogram of the finite values.

    Attributes:
        edges: float64, (n + 1,), strictly ascending, the first at most ``minimum``, the last at least ``maximum``.
        counts: int64, (n,).
        minimum: Smallest finite value, exact; NaN where there is none.
        maximum: Largest finite value, exact; NaN where there is none.
        total: Sum.
        squares: Sum of squares.
    """

    edges: npt.NDArray[np.float64]
    counts: npt.NDArray[np.int64]
    minimum: float
    maximum: float
    total: float
    squares: float


def pool_extreme(values: npt.NDArray[np.float32], height: int, width: int) -> npt.NDArray[np.float32]:
    """Pools to at most (height, width) cells, each the value of its block that is farthest from 0, with its sign.

    Element (r, c) of (rows, columns) falls into cell ``(r * h // rows, c * w // columns)`` with h = min(height, rows)
    and w = min(width, columns). A NaN in a block makes the cell NaN.

    >>> pool_extreme(np.array([[1, -3, 2, 2]], np.float32), 1, 2)
    array([[-3.,  2.]], dtype=float32)
    """
    for axis, cells in ((0, height), (1, width)):
        length = values.shape[axis]
        if length > cells:
            first = -(-np.arange(cells + 1) * length // cells)
            high = low = values.take(first[:-1], axis)
            # Blocks differ in length by one at most: a short one takes its last element twice.
            for offset in range(1, int(np.diff(first).max())):
                part = values.take(np.minimum(first[:-1] + offset, first[1:] - 1), axis)
                high, low = np.maximum(high, part), np.minimum(low, part)
            # Where the block holds a NaN, both are NaN.
            values = np.where(high >= -low, high, low)
    return values


def pool_mean(values: npt.NDArray[np.float32], height: int, width: int) -> npt.NDArray[np.float32]:
    """Means of the blocks of `pool_extreme`, float32; NaN and ±Inf as in a sum.

    >>> pool_mean(np.array([[1, -3, 2, 4]], np.float32), 1, 2)
    array([[-1.,  3.]], dtype=float32)
    """
    for axis, cells in ((0, height), (1, width)):
        length = values.shape[axis]
        if length > cells:
            first = -(-np.arange(cells + 1) * length // cells)
            sizes = np.diff(first).reshape((-1, 1) if axis == 0 else (1, -1))
            sums = values.take(first[:-1], axis).astype(np.float64)
            with np.errstate(invalid="ignore"):
                for offset in range(1, int(sizes.max())):
                    part = values.take(np.minimum(first[:-1] + offset, first[1:] - 1), axis)
                    # A short block has no such element.
                    sums += part if offset < sizes.min() else np.where(offset < sizes, part, 0)
                values = (sums / sizes).astype(np.float32)
    return values


@dataclass(frozen=True)
class Rank:
    """The rows of an embedding, without the one of padding.

    Attributes:
        norms: float32, (n ≤ 256,): L2 norms from the largest to the smallest, evenly spread over all ranks.
        changed: int64, (k,): the rows that changed most since the start, the first most; those whose change is 0 or
            not known are left out.
        changes: float32, (k,): ‖row − row₀‖ of these, on the same fixed subset as ``rotation``, scaled up to a row.
        sampled: Share of a row's values that `changes` is measured on; 1 where on all.
    """

    norms: npt.NDArray[np.float32]
    changed: npt.NDArray[np.int64]
    changes: npt.NDArray[np.float32]
    sampled: float


@dataclass(frozen=True)
class Picture:
    """A parameter's values as a picture can hold them.

    Attributes:
        extreme: float32, (h, w): of each block the value farthest from 0, with its sign; NaN where the block holds
            a NaN, ±Inf where it holds an infinity and no NaN.
        rms: float32, (h, w): root mean square of each block's finite values.
        shape: Rows and columns of the finest map (`Parameter.map_shape`). Its element (r, c), a value or a kernel, is
            in block ``(r * h // rows, c * w // columns)``.
        row_norms: float32, (h, 2): smallest and largest L2 norm of the rows in each row of blocks, finite values only.
        column_norms: float32, (w, 2): the same of columns, or of the kernels of an input channel.
        filters: float32, `Parameter.filters_shape`, the first rows' values, where the layout is ``filters``; else None.
        sums: float32, (h, w): of the kernels in each block the sum of weights that is farthest from 0, where the
            layout is ``kernels``; else None. NaN and ±Inf as in `extreme`.
        positions: float32, ``shape[2:]``: root mean square of the finite weights at each position of the kernel,
            where the layout is ``kernels``; else None.
        mean: float32, (h, w): of each block's values, NaN or ±Inf where they hold one; None where it is not asked
            for, or a cell is one value.
        rank: What is known of the rows of an embedding one by one; else None.
    """

    extreme: npt.NDArray[np.float32]
    rms: npt.NDArray[np.float32]
    shape: tuple[int, int]
    row_norms: npt.NDArray[np.float32]
    column_norms: npt.NDArray[np.float32]
    filters: npt.NDArray[np.float32] | None = None
    sums: npt.NDArray[np.float32] | None = None
    positions: npt.NDArray[np.float32] | None = None
    mean: npt.NDArray[np.float32] | None = None
    rank: Rank | None = None

    @property
    def block(self) -> tuple[int, int]:
        """Rows and columns of the largest block: (1, 1) where every weight is drawn."""
        height, width = self.extreme.shape
        return -(-self.shape[0] // max(height, 1)), -(-self.shape[1] // max(width, 1))

    @property
    def is_pooled(self) -> bool:
        """Whether a cell holds more than one value, or more than one kernel."""
        return self.extreme.shape != self.shape

    @property
    def kernel_norms(self) -> npt.NDArray[np.float32]:
        """float32, (h, w): L2 norms of kernels, or their root mean square in a block; of finite values alone."""
        assert self.positions is not None
        # In float64, as the norm of a kernel of the largest floats is none.
        norms = self.rms.astype(np.float64) * math.sqrt(self.positions.size)
        return np.minimum(norms, np.finfo(np.float32).max).astype(np.float32)

    def shrink(self, height: int, width: int) -> npt.NDArray[np.float32]:
        """`extreme`, pooled further to at most (height, width) cells: NaN wins over ±Inf, ±Inf over the rest."""
        return pool_extreme(self.extreme, height, width)


@dataclass(frozen=True)
class Measurement:
    """What is known of one parameter's values at one moment.

    Attributes:
        parameter: Whose.
        statistics: Every statistic of the package by name; NaN where it is not defined.
        counts: Histogram.
        percentiles: float64, (9,), values at `PERCENTILES`; NaN where no value is finite.
        moved: ‖w − w₀‖ / ‖w₀‖, the way gone since the first snapshot, on the same subset as ``rotation``; NaN where
            w₀ is 0 or not known.
        picture: None where the parameter gets no pictures.
    """

    parameter: Parameter
    statistics: Mapping[str, float]
    counts: Counts
    percentiles: npt.NDArray[np.float64]
    moved: float = float("nan")
    picture: Picture | None = None


@dataclass(frozen=True)
class Head:
    """The layer whose rows are the classes.

    Rows are centred over the classes before anything is compared, as softmax ignores a shift common to all.

    Attributes:
        name: Of its weight.
        class_names: One a class, (C,).
        width: d, the number of inputs.
        picture: The rows as they are, pooled.
        norms: float64, (C,): L2 norm of each centred row.
        bias: float64, (C,); None where the layer has none.
        cosine: float32, (c, c): cosines between centred rows, pooled by signed extreme where C is large, the
            diagonal NaN; None where C is too large to compare all pairs, or 1.
        closest: The pairs with the largest cosine, ``(class, class, cosine)``, largest first.
        cosine_spread: Standard deviation of the off-diagonal cosines; NaN where undefined.
        simplex_distance: ‖G/‖G‖_F − (I − 11ᵀ/C)/√(C−1)‖_F of the centred G = WWᵀ (Zhu et al. 2021); NaN where
            d < C − 1, as no such frame exists there.
        templates: float32, (C', channels, height, width): product of the weight matrices from the head back to the
            input, rows centred, of the first C' classes; None where the network is not a chain of Linear layers or
            the input's shape is not known.
        template_path: Names of the modules in that product, input first.
        template_shape_given: Whether `templates` has the shape that the user gave, or an inferred one.
        single: One output that decides between two classes (sigmoid): nothing to centre.
        multi_label: Each output is an answer by itself (sigmoid): rows are not centred, and there is no frame.
    """

    name: str
    class_names: tuple[str, ...]
    width: int
    picture: Picture
    norms: npt.NDArray[np.float64]
    bias: npt.NDArray[np.float64] | None
    cosine: npt.NDArray[np.float32] | None
    closest: tuple[tuple[int, int, float], ...]
    cosine_spread: float
    simplex_distance: float
    templates: npt.NDArray[np.float32] | None = None
    template_path: tuple[str, ...] = ()
    template_shape_given: bool = False
    single: bool = False
    multi_label: bool = False


@dataclass(frozen=True)
class Snapshot:
    """One moment of training.

    Attributes:
        step: On the loggers' axis.
        epoch: Epochs finished: 0 before the first step, 1 at the end of the first epoch.
        ordinal: Snapshots taken before this one in the run: 0 for the first.
        initial: Whether it shows the weights before the first step.
        targets: For each target its measurements by parameter name, in the order of the network.
        totals: For each target its statistics over all selected parameters together.
        head: None where there is none.
        timeless: Whether it is of no training, so that captions tell no time.
    """

    step: int
    epoch: int
    ordinal: int
    initial: bool
    targets: Mapping[Target, Mapping[str, Measurement]]
    totals: Mapping[Target, Mapping[str, float]]
    head: Head | None = None
    timeless: bool = False
