"""Small tensors of the host as the rows of one matrix: in numpy, whose operations on little take a third of torch's."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from lightning_weightviz.measure.device.scaling import powers_above, widen
from lightning_weightviz.measure.device.slots import counts_here
from lightning_weightviz.measure.enqueued import PieceNumbers
from lightning_weightviz.snapshot import PERCENTILES

_SHARES = np.array(PERCENTILES) / 100
Array = npt.NDArray[np.generic]


class SmallRows(NamedTuple):
    """What was found of some tensors; each is a row, filled up with NaN.

    Attributes:
        numbers: float64, (k, `lightning_weightviz.measure.enqueued.NUMBERS`).
        counts: int64, (k, `SLOTS` + 1).
        scale: (k,), as of `lightning_weightviz.measure.device.scaling.power_above`.
        fan: float64, (k, 9), percentiles as of `lightning_weightviz.measure.device.row_sums.fan`.
        magnitude: (k,), the largest finite ones; 0 where nothing is finite.
        finite: int64, (k,), how many values of each tensor are finite.
        padding: NaNs that each row was filled up with.
    """

    numbers: Tensor
    counts: Tensor
    scale: Tensor
    fan: Tensor
    magnitude: Tensor
    finite: list[int]
    padding: list[int]


def measure_small(tensors: Sequence[Tensor]) -> SmallRows:
    """Measures tensors of one dtype and of similar size, each with at least one element."""
    # In the order of memory.
    values = [widen(tensor).numpy().ravel("K") for tensor in tensors]
    most = max(map(len, values))
    rows = np.full((len(values), most), math.nan, values[0].dtype)
    for row, one in zip(rows, values, strict=True):
        row[: len(one)] = one
    # What is not finite is sorted to the end.
    finite = np.isfinite(rows)
    count = finite.sum(1)
    ordered = np.sort(np.where(finite, rows, math.inf), axis=1)
    each, last = np.arange(len(rows)), np.maximum(count - 1, 0)
    low, high = ordered[:, 0], np.where(count > 0, ordered[each, last], -math.inf)
    magnitude = np.maximum(np.maximum(-low, high), 0)
    scale = powers_above(magnitude)
    scaled = rows * scale[:, None]
    numbers = PieceNumbers(count, np.isnan(rows).sum(1), low, high, scale, *_sums(scaled, finite, count))
    return SmallRows(
        torch.from_numpy(np.stack(numbers, 1, dtype=np.float64)),
        torch.from_numpy(counts_here(scaled)),
        torch.from_numpy(scale),
        torch.from_numpy(_fan(ordered, count)),
        torch.from_numpy(magnitude),
        count.tolist(),
        [most - len(one) for one in values],
    )


def _sums(scaled: npt.NDArray[np.floating], finite: npt.NDArray[np.bool_], count: npt.NDArray[np.int64]) -> list[Array]:
    """What was subtracted of the finite values of each row, and the sums of four powers of what is left."""
    first = np.where(finite, scaled, scaled.dtype.type(0))
    # Summed by torch, whose float32 sums are those of every other way to measure.
    shift = torch.from_numpy(first).sum(1).numpy() / np.maximum(count, 1).astype(first.dtype)
    first -= shift[:, None]
    first *= finite
    second = first * first
    sums = [first.sum(1, dtype=np.float64), second.sum(1, dtype=np.float64)]
    first *= second
    second *= second
    return [shift, *sums, first.sum(1, dtype=np.float64), second.sum(1, dtype=np.float64)]


def _fan(ordered: npt.NDArray[np.floating], count: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Percentiles of the first `count` values of each row, (k, 9), as numpy's linear ones."""
    last = np.maximum(count - 1, 0)[:, None]
    place = last * _SHARES
    below = np.floor(place).astype(np.int64)
    above = np.minimum(np.ceil(place).astype(np.int64), last)
    low, high = (np.take_along_axis(ordered, one, 1).astype(np.float64) for one in (below, above))
    # Where there are none, both are infinite, and so it is NaN.
    with np.errstate(invalid="ignore"):
        fan: npt.NDArray[np.float64] = low + (place - below) * (high - low)
    return fan
