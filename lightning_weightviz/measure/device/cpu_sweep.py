"""Large tensors of ordinary values on the host: each is read once, piece by piece, by as many threads as torch uses.

Torch sums with many threads already, but counts with one; a thread a piece keeps all of them busy, and each piece in
the cache of the core that counts it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from lightning_weightviz.measure.device.abilities import looks
from lightning_weightviz.measure.device.memory_order import flat, matrix
from lightning_weightviz.measure.device.scaling import PLAIN, widen
from lightning_weightviz.measure.device.slots import bucket_counts
from lightning_weightviz.measure.enqueued import PieceNumbers
from lightning_weightviz.measure.histogram_scheme import BUCKETS

PIECE = 1 << 19
"""Elements of a piece: two MiB of float32, which with a buffer like it stay in a common cache."""
_SPAN = 1 << 10
"""Most elements whose squares are summed in float32 one after the other: five digits whatever the values are."""

Floats = npt.NDArray[np.float32]
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Swept:
    """What one read of a tensor finds, where all its values are finite and of ordinary size.

    Attributes:
        numbers: float64, (pieces, `lightning_weightviz.measure.enqueued.NUMBERS`).
        buckets: As of `lightning_weightviz.measure.device.slots.bucket_counts`.
        magnitude: The largest one.
        row_norms: float32, (rows,), of `memory_order.matrix`; None where they were not found.
    """

    numbers: Tensor
    buckets: Tensor
    magnitude: float
    row_norms: Tensor | None


@dataclass(frozen=True)
class _Found:
    """What is found of one piece."""

    numbers: PieceNumbers
    buckets: Tensor
    norms: Floats | None


def sweep(tensors: Sequence[Tensor], powers: int) -> list[Swept | None]:
    """Reads tensors of one device; None for those that need the general way.

    Args:
        tensors: Of at least one element each.
        powers: How many power sums are wanted: 2, or 4 with those that the kurtosis needs; the others are NaN.
    """
    if not tensors or not looks(tensors[0].device):
        return [None] * len(tensors)
    cut = [[] if tensor.dtype == torch.float64 else _pieces(tensor) for tensor in tensors]
    pieces = [piece for of_tensor in cut for piece in of_tensor]
    found = iter(_share(lambda mine: _measure_all(mine, powers), pieces))
    return [_judge(of_tensor, [next(found) for _ in of_tensor], powers) for of_tensor in cut]


def _pieces(tensor: Tensor) -> list[Tensor]:
    """Whole rows where they lie in memory as such and suit, (rows, columns); else stretches, (n,)."""
    if tensor.ndim > 1:
        rows = matrix(tensor)
        if rows.is_contiguous() and rows.shape[1] <= PIECE and _span(rows.shape[1]) >= min(64, rows.shape[1]):
            return list(rows.split(max(1, PIECE // rows.shape[1])))
    return list(flat(tensor).split(PIECE))


def _span(columns: int) -> int:
    """Into stretches of how many elements a row is cut."""
    return columns if columns <= _SPAN else math.gcd(columns, _SPAN)


def _share(work: Callable[[Sequence[_Item]], list[_Result]], items: Sequence[_Item]) -> list[_Result]:
    """Does `work` on shares of the items, one a thread; results come in the order of the items."""
    threads = min(torch.get_num_threads(), len(items))
    if threads < 2:
        return work(items)
    results: list[_Result] = [None] * len(items)  # type: ignore[list-item]
    # Threads last for one call: they cost a tenth of a millisecond, and none is there when a process forks.
    with ThreadPoolExecutor(threads - 1) as pool:
        others = [pool.submit(work, items[start::threads]) for start in range(1, threads)]
        results[::threads] = work(items[::threads])
        for start, other in enumerate(others, 1):
            results[start::threads] = other.result()
    return results


def _measure_all(pieces: Sequence[Tensor], powers: int) -> list[_Found]:
    # Memory that is used again is in cache, and new memory costs more than the sums.
    most = max((piece.numel() for piece in pieces), default=0)
    scratch = np.empty(most, np.float32)
    wider = most if any(piece.dtype != torch.float32 for piece in pieces) else 0
    widest = torch.empty(wider, dtype=torch.float32, device="cpu")
    # What overflows or is NaN is judged later.
    with np.errstate(all="ignore"):
        return [_measure(_as_float32(piece, widest), scratch[: piece.numel()], powers) for piece in pieces]


def _as_float32(piece: Tensor, buffer: Tensor) -> Floats:
    """The values, in the buffer where they are of another dtype."""
    if piece.dtype == torch.float32:
        values: Floats = piece.numpy()
    else:
        values = buffer[: piece.numel()].view(piece.shape).copy_(piece).numpy()
    return values


def _measure(values: Floats, scratch: Floats, powers: int) -> _Found:
    """Measures one piece, with numpy where torch would call up its own threads."""
    line = values.reshape(-1)
    low, high = float(line.min()), float(line.max())
    buckets = bucket_counts(line, scratch)
    shift, norms = 0.0, None
    if values.ndim == 2:
        parts = values.reshape(len(values), -1, _span(values.shape[1]))
        squares = np.einsum("ijk,ijk->ij", parts, parts).sum(1, dtype=np.float64)
        norms = np.sqrt(squares).astype(np.float32)
        first, second = float(line.sum()), float(squares.sum())
    else:
        # A mean of some elements all over the piece is near enough to the mean, and cheap.
        shift = float(line[:: max(1, len(line) // 128)].mean())
        line = line - np.float32(shift)
        first, second = float(line.sum()), float(np.square(line, out=scratch).sum())
    third = fourth = math.nan
    if powers == 4:
        power = np.multiply(np.square(line, out=scratch), line, out=scratch)
        third = float(power.sum())
        fourth = float(np.multiply(power, line, out=scratch).sum())
    numbers = PieceNumbers(len(line), 0.0, low, high, 1.0, shift, first, second, third, fourth)
    return _Found(numbers, buckets, norms)


def _judge(pieces: Sequence[Tensor], found: Sequence[_Found], powers: int) -> Swept | None:
    """Puts the pieces of one tensor together where what was assumed of them holds."""
    if not pieces:
        return None
    numbers = np.array([one.numbers for one in found], np.float64)
    columns = PieceNumbers(*numbers.T)
    low, high = float(columns.low.min()), float(columns.high.max())
    magnitude = max(-low, high)
    if not (-math.inf < low and high < math.inf and PLAIN[0] < magnitude < PLAIN[1]):
        return None
    # What is smaller than a normal number is in the bucket of zeros: only zeros may be.
    buckets = found[0].buckets.clone()
    for one in found[1:]:
        buckets += one.buckets
    if any(not _holds_plain_zeros(*pair) for pair in zip(pieces, found, strict=True)):
        return None
    norms = None
    if pieces[0].ndim == 2:
        norms = torch.from_numpy(np.concatenate([one.norms for one in found if one.norms is not None]))
        count, first, second = (float(column.sum()) for column in (columns.finite, columns.s1, columns.s2))
        if 2 * first**2 > count * second:
            # The values lie far from 0 beside their spread: their sums must be taken about their mean.
            lines = [piece.reshape(-1) for piece in pieces]
            again = [one.numbers for one in _measure_all(lines, powers)]
            numbers = np.array(again, np.float64)
    return Swept(torch.from_numpy(numbers), buckets, magnitude, norms)


def _holds_plain_zeros(piece: Tensor, found: _Found) -> bool:
    """Whether the buckets of zeros hold zeros alone."""
    near_zero = int(found.buckets[0] + found.buckets[BUCKETS])
    return near_zero == 0 or near_zero == piece.numel() - int(torch.count_nonzero(widen(piece)))
