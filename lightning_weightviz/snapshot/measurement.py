"""What is measured of one parameter at one moment."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lightning_weightviz.snapshot.parameter import Parameter
from lightning_weightviz.snapshot.pooling import pool_extreme
from lightning_weightviz.snapshot.spectrum import Spectrum

PERCENTILES: tuple[float, ...] = (0.0, 6.68, 15.87, 30.85, 50.0, 69.15, 84.13, 93.32, 100.0)
"""The percentiles of the distribution fan: those of TensorBoard, 0, ±0.5, ±1, ±1.5 σ of a normal and the ends."""


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


@dataclass(frozen=True)
class Rank:
    """The rows of an embedding, without the one of padding.

    Attributes:
        norms: float32, (n ≤ 256,): L2 norms from the largest to the smallest, evenly spread over all ranks. Rows that
            hold a NaN or an infinity are left out; all are NaN where there is no other row.
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
        row_norms: float32, (h, 2): smallest and largest L2 norm of the rows in each row of blocks. Rows that hold a NaN
            or an infinity are left out; NaN where a row of blocks has such rows alone.
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
        spectrum: Singular values; None where they were not measured.
    """

    parameter: Parameter
    statistics: Mapping[str, float]
    counts: Counts
    percentiles: npt.NDArray[np.float64]
    moved: float = float("nan")
    picture: Picture | None = None
    spectrum: Spectrum | None = None
