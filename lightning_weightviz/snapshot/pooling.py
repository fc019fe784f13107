"""Pooling on the host: maps made smaller, by their extremes or by their means."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def farthest(high: npt.NDArray[Any], low: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Of the largest and the smallest of some values the one farther from 0, with its sign; NaN where both are."""
    return np.where(high >= -low, high, low)


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
            values = farthest(high, low)
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
