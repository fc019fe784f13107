"""What has left the device: frozen dataclasses of numpy arrays, which views and history read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

Kind = Literal["linear", "head", "conv", "embedding", "attention", "recurrent", "norm", "bias", "other"]
Layout = Literal["matrix", "filters", "vector"]
Target = Literal["weights", "gradients", "updates"]

PERCENTILES: tuple[float, ...] = (0.0, 6.68, 15.87, 30.85, 50.0, 69.15, 84.13, 93.32, 100.0)
"""The percentiles of the distribution fan: those of TensorBoard, 0, ±0.5, ±1, ±1.5 σ of a normal and the ends."""

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
        layout: How it is drawn. ``matrix``: (shape[0], all other axes flattened). ``filters``: a convolution with
            one or three input channels, one tile a filter. ``vector``: one dimension or none.
        pictured: Whether it gets pictures, or statistics and histograms alone.
    """

    name: str
    kind: Kind
    module: str
    shape: tuple[int, ...]
    dtype: str
    layout: Layout
    aliases: tuple[str, ...] = ()
    pictured: bool = True

    @property
    def matrix_shape(self) -> tuple[int, int]:
        """Rows and columns as drawn: a vector is one row, a tensor is flattened behind its first axis."""
        if len(self.shape) < 2:
            return 1, self.size
        return self.shape[0], self.size // max(self.shape[0], 1)

    @property
    def size(self) -> int:
        """Number of elements."""
        return int(np.prod(self.shape, dtype=np.int64))


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


@dataclass(frozen=True)
class Picture:
    """A parameter's values as a picture can hold them.

    Attributes:
        extreme: float32, (h, w): of each block the value farthest from 0, with its sign; NaN where the block holds
            a NaN, ±Inf where it holds an infinity and no NaN.
        rms: float32, (h, w): root mean square of each block's finite values.
        shape: Rows and columns of the matrix before pooling. Element (r, c) is in block
            ``(r * h // rows, c * w // columns)``.
        row_norms: float32, (h, 2): smallest and largest L2 norm of the rows in each row of blocks, finite values only.
        column_norms: float32, (w, 2): the same of columns.
        filters: float32, (out, in, height, width), all values, where the layout is ``filters``; else None.
    """

    extreme: npt.NDArray[np.float32]
    rms: npt.NDArray[np.float32]
    shape: tuple[int, int]
    row_norms: npt.NDArray[np.float32]
    column_norms: npt.NDArray[np.float32]
    filters: npt.NDArray[np.float32] | None = None

    @property
    def block(self) -> tuple[int, int]:
        """Rows and columns of the largest block: (1, 1) where every weight is drawn."""
        height, width = self.extreme.shape
        return -(-self.shape[0] // max(height, 1)), -(-self.shape[1] // max(width, 1))

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
    """

    step: int
    epoch: int
    ordinal: int
    initial: bool
    targets: Mapping[Target, Mapping[str, Measurement]]
    totals: Mapping[Target, Mapping[str, float]]
    head: Head | None = None
