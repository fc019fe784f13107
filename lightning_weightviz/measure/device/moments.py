"""Extremes, power sums and histograms of many tensors: each is read once or twice, piece by piece.

Sums are taken over (w - shift) * scale: the shift near the piece's mean keeps the spread of weights that lie close
together far from 0, the scale keeps fourth powers inside float32. What arrives is merged in
`lightning_weightviz.measure.host.merge_moments`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from lightning_weightviz.measure.device.abilities import accumulator, looks
from lightning_weightviz.measure.device.cpu_sweep import sweep
from lightning_weightviz.measure.device.memory_order import flat
from lightning_weightviz.measure.device.scaling import PLAIN, power_above, widen
from lightning_weightviz.measure.device.slots import count_slots, fold, slots
from lightning_weightviz.measure.enqueued import PieceNumbers, PieceOwners
from lightning_weightviz.measure.histogram_scheme import SLOTS
from lightning_weightviz.measure.lane import to_device
from lightning_weightviz.measure.transfer import Packer
from lightning_weightviz.snapshot import PERCENTILES

SMALL = 1 << 14
"""Parameters of fewer elements are measured together, as the rows of one matrix."""
TOGETHER = 1 << 12
"""So many elements, with what fills them up, are measured together however different their sizes are."""
HOST_PIECE = 1 << 18
"""Elements of a piece on the host, which with buffers like it stays in a common cache."""
STREAM_PIECE = 1 << 24
"""Elements of a piece elsewhere: few launches, and buffers that do not grow with the parameter."""


@dataclass(frozen=True)
class Extremes:
    """What is known of a parameter before its sums are taken.

    Attributes:
        magnitude: Largest finite magnitude, 0-d, on the device; 0 where nothing is finite.
        plain: Whether all values are known to be finite and of a size whose squares float32 holds. Never known on a
            device with a stream.
        row_norms: float32, (rows,), L2 norms of `memory_order.matrix`; None where not found yet.
    """

    magnitude: Tensor
    plain: bool
    row_norms: Tensor | None = None


class Pieces:
    """What was enqueued of pieces of tensors, each number beside whose it is; `pack` sends it."""

    def __init__(self) -> None:
        self._numbers: list[Tensor] = []
        self._owners: list[int] = []
        self._padding: list[int] = []
        self._counts: list[Tensor] = []
        self._scales: list[Tensor] = []
        self._counted: list[int] = []
        self._fans: list[Tensor] = []
        self._sorted: list[int] = []

    def add(
        self,
        owners: Sequence[int],
        numbers: Tensor,
        counts: Tensor,
        scale: Tensor,
        *,
        pieces: Sequence[int] | None = None,
        padding: Sequence[int] | None = None,
    ) -> None:
        """Takes in some tensors.

        Args:
            owners: Which tensors, k of them.
            numbers: (sum of `pieces`, `NUMBERS`), the pieces of one tensor after those of the other.
            counts: int64, (k, `SLOTS` + 1).
            scale: (k,), as of `counts`.
            pieces: Of how many pieces each tensor is; None: one.
            padding: NaNs that each piece was filled up with; None: none.
        """
        repeated = list(owners) if pieces is None else np.repeat(owners, pieces).tolist()
        assert len(repeated) == len(numbers) and len(owners) == len(counts) == len(scale)
        self._numbers.append(numbers)
        self._owners += repeated
        self._padding += [0] * len(repeated) if padding is None else padding
        self._counts.append(counts)
        self._scales.append(scale.to(numbers.dtype))
        self._counted += owners

    def add_fan(self, owners: Sequence[int], fan: Tensor) -> None:
        """Takes in exact percentiles of some tensors, (k, 9)."""
        self._fans.append(fan)
        self._sorted += owners

    def pack(self, packer: Packer) -> PieceOwners:
        """Puts all that was taken in into a parcel, and says whose it is."""
        if self._numbers:
            packer.add("numbers", torch.cat(self._numbers))
            packer.add("slots", torch.cat(self._counts))
            packer.add("scale", torch.cat(self._scales))
        if self._fans:
            packer.add("fans", torch.cat(self._fans))
        return PieceOwners(self._owners, self._padding, self._counted, self._sorted)


def measure_moments(tensors: Sequence[Tensor], powers: int, *, sort: bool) -> tuple[Pieces, list[Extremes]]:
    """Enqueues all reductions; no synchronisation.

    Args:
        tensors: Of one device, at least one.
        powers: How many power sums are wanted; see `lightning_weightviz.measure.device.cpu_sweep.sweep`.
        sort: Whether large tensors are sorted too, for exact percentiles.

    Returns:
        What is to be sent, and one result per tensor, in their order.
    """
    device = tensors[0].device
    sums = accumulator(device)
    pieces = Pieces()
    extremes = [Extremes(torch.zeros((), dtype=torch.float32, device=device), plain=False)] * len(tensors)
    for group in _groups(tensors):
        _measure_small([tensors[index] for index in group], group, pieces, extremes)
    large = [index for index, tensor in enumerate(tensors) if tensor.numel() >= SMALL]
    read = {}
    for index, found in zip(large, sweep([tensors[index] for index in large], powers), strict=True):
        if found is None:
            extremes[index] = _measure_large(index, flat(tensors[index]), pieces)
        else:
            magnitude = torch.tensor(found.magnitude, dtype=torch.float32, device=device)
            extremes[index] = Extremes(magnitude, plain=True, row_norms=found.row_norms)
            read[index] = found
    if read:
        counts, scale = fold(
            torch.stack([one.buckets for one in read.values()]), torch.stack([extremes[i].magnitude for i in read])
        )
        numbers = [one.numbers for one in read.values()]
        pieces.add(list(read), torch.cat(numbers), counts, scale, pieces=[len(rows) for rows in numbers])
    if sort:
        for index in large:
            pieces.add_fan([index], _fan(widen(flat(tensors[index])).unsqueeze(0), sums))
    return pieces, extremes


def _groups(tensors: Sequence[Tensor]) -> list[list[int]]:
    """Small tensors of one dtype: padding at most quadruples them, or they are few and tiny."""
    groups: list[list[int]] = []
    for wide in (False, True):
        small = [i for i, one in enumerate(tensors) if 0 < one.numel() < SMALL and (one.dtype == torch.float64) == wide]
        largest = math.inf
        for index in sorted(small, key=lambda index: -tensors[index].numel()):
            size = tensors[index].numel()
            if groups and (4 * size >= largest or (len(groups[-1]) + 1) * largest <= TOGETHER):
                groups[-1].append(index)
            else:
                groups.append([index])
                largest = size
    return groups


def _measure_small(tensors: Sequence[Tensor], owners: list[int], pieces: Pieces, extremes: list[Extremes]) -> None:
    """Measures tensors of similar size as the rows of one matrix; puts into `extremes` what is known of them."""
    rows = _padded(tensors)
    sums = accumulator(rows.device)
    low, high = extremes_of(rows)
    magnitude = torch.maximum(-low, high).clamp(min=0)
    scale = power_above(magnitude)
    counts = count_slots(slots(rows * scale.unsqueeze(1), rows.isfinite()))
    padding = [rows.shape[1] - tensor.numel() for tensor in tensors]
    pieces.add(owners, _row_sums(rows, low, high, scale, sums), counts, scale, padding=padding)
    pieces.add_fan(owners, _fan(rows, sums))
    plain = [False] * len(tensors)
    if looks(rows.device) and rows.dtype == torch.float32:
        sizes = torch.tensor([tensor.numel() for tensor in tensors], dtype=torch.int64, device=rows.device)
        ordinary = (magnitude > PLAIN[0]) & (magnitude < PLAIN[1])
        plain = (ordinary & (rows.isfinite().sum(1) == sizes)).tolist()
    for index, value, is_ordinary in zip(owners, magnitude.unbind(), plain, strict=True):
        extremes[index] = Extremes(value, plain=is_ordinary)


def _measure_large(owner: int, values: Tensor, pieces: Pieces) -> Extremes:
    """Measures one tensor, (n,), whatever its values are."""
    sums = accumulator(values.device)
    parts = values.split(HOST_PIECE if looks(values.device) else STREAM_PIECE)
    # The first read finds the scale of all pieces, the second one takes sums and counts.
    bounds = [extremes_of(widen(part).unsqueeze(0)) for part in parts]
    low = torch.cat([bound[0] for bound in bounds]).amin(0, keepdim=True)
    high = torch.cat([bound[1] for bound in bounds]).amax(0, keepdim=True)
    magnitude = torch.maximum(-low, high).clamp(min=0)
    scale = power_above(magnitude)
    counts = torch.zeros(1, SLOTS + 1, dtype=torch.int64, device=values.device)
    numbers = []
    for part in parts:
        row = widen(part).unsqueeze(0)
        numbers.append(_row_sums(row, low, high, scale, sums))
        counts = counts + count_slots(slots(row * scale, row.isfinite()))
    pieces.add([owner], torch.cat(numbers), counts, scale, pieces=[len(numbers)])
    return Extremes(magnitude[0], plain=False)


def _padded(tensors: Sequence[Tensor]) -> Tensor:
    """The tensors as rows, (k, largest), filled up with NaN."""
    values = [widen(flat(tensor)) for tensor in tensors]
    return torch.nn.utils.rnn.pad_sequence(values, batch_first=True, padding_value=math.nan)


def _fan(rows: Tensor, sums: torch.dtype) -> Tensor:
    """Exact percentiles of the finite values of each row, (k, 9), as numpy's linear ones; NaN where there are none."""
    finite = rows.isfinite()
    filled = torch.where(finite, rows, math.inf)
    # numpy sorts rows with vector instructions, many times as fast.
    ordered = torch.from_numpy(np.sort(filled.numpy(), axis=1)) if looks(rows.device) else filled.sort(1).values
    share = _shares(rows.device)
    last = (finite.sum(1, keepdim=True) - 1).clamp(min=0)
    # Where places are float32, the last of many is rounded up beyond them all.
    place = last * share
    below = place.floor()
    above = torch.minimum(place.ceil().long(), last)
    low, high = ordered.gather(1, torch.minimum(below.long(), last)).to(sums), ordered.gather(1, above).to(sums)
    return torch.where(finite.any(1, keepdim=True), low + (place - below) * (high - low), torch.nan)


@lru_cache
def _shares(device: torch.device) -> Tensor:
    """`PERCENTILES` as shares of 1, in the device's accumulator."""
    return to_device(torch.tensor(PERCENTILES, dtype=accumulator(device), device="cpu") / 100, device)


def extremes_of(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Smallest and largest finite value of each row, (k,); +Inf and -Inf where there is none."""
    finite = rows.isfinite()
    return torch.where(finite, rows, math.inf).amin(1), torch.where(finite, rows, -math.inf).amax(1)


def _row_sums(rows: Tensor, low: Tensor, high: Tensor, scale: Tensor, sums: torch.dtype) -> Tensor:
    """The numbers of each row, (k, `NUMBERS`), `sums`; what is not finite is counted and left out."""
    finite = rows.isfinite()
    count = finite.sum(1)
    scaled = torch.where(finite, rows * scale.unsqueeze(1), 0.0)
    shift = scaled.sum(1) / count.clamp(min=1)
    first = torch.where(finite, scaled - shift.unsqueeze(1), 0.0)
    second = first * first
    s1, s2, s3, s4 = (power.sum(1, dtype=sums) for power in (first, second, second * first, second * second))
    columns = PieceNumbers(count, rows.isnan().sum(1), low, high, scale, shift, s1, s2, s3, s4)
    return torch.stack([column.to(sums) for column in columns], 1)
