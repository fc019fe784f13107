"""Extremes, power sums and histograms of many tensors: each is read once or twice, piece by piece.

Sums are taken over (w - shift) * scale: the shift near the piece's mean keeps the spread of weights that lie close
together far from 0, the scale keeps fourth powers inside float32. What arrives is merged in
`lightning_weightviz.measure.host.merge_moments`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from lightning_weightviz.measure.device.abilities import accumulator, looks
from lightning_weightviz.measure.device.cpu_sweep import sweep
from lightning_weightviz.measure.device.fused.launching import DTYPES
from lightning_weightviz.measure.device.long_rows import batches, measure_rows
from lightning_weightviz.measure.device.memory_order import flat
from lightning_weightviz.measure.device.row_sums import extremes_of, fan, magnitude_of, row_sums
from lightning_weightviz.measure.device.scaling import PLAIN, power_above, widen, widened
from lightning_weightviz.measure.device.slots import count_slots, fold, slots
from lightning_weightviz.measure.device.small_rows import measure_small
from lightning_weightviz.measure.enqueued import PieceOwners
from lightning_weightviz.measure.histogram_scheme import SLOTS
from lightning_weightviz.measure.transfer import Packer

SMALL = 1 << 14
"""Parameters of fewer elements are measured together, as the rows of one matrix."""
TOGETHER = 1 << 12
"""So many elements, with what fills them up, are measured together however different their sizes are."""
STREAM_TOGETHER = 1 << 21
"""The same where each operation is a launch."""
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


def measure_moments(
    tensors: Sequence[Tensor], powers: int, *, sort: bool, fused: bool = False
) -> tuple[Pieces, list[Extremes]]:
    """Enqueues all reductions; no synchronisation.

    Args:
        tensors: Of one device, at least one.
        powers: How many power sums are wanted; see `lightning_weightviz.measure.device.cpu_sweep.sweep`.
        sort: Whether large tensors are sorted too, for exact percentiles.
        fused: Whether kernels of our own measure what they can.

    Returns:
        What is to be sent, and one result per tensor, in their order.
    """
    device = tensors[0].device
    pieces = Pieces()
    extremes = [Extremes(torch.zeros((), dtype=torch.float32, device=device), plain=False)] * len(tensors)
    done = set(_measure_fused(tensors, pieces, extremes)) if fused else set[int]()
    rest = [index for index in range(len(tensors)) if index not in done]
    for group in _groups(tensors, rest, TOGETHER if looks(device) else STREAM_TOGETHER):
        _measure_small([tensors[index] for index in group], group, pieces, extremes)
    large = [index for index in rest if tensors[index].numel() >= SMALL]
    if looks(device):
        _measure_on_host(tensors, large, powers, pieces, extremes)
    else:
        for batch in batches(tensors, large, STREAM_PIECE):
            if tensors[batch[0]].numel() > STREAM_PIECE:
                extremes[batch[0]] = _measure_large(batch[0], flat(tensors[batch[0]]), pieces)
            else:
                _measure_batch([tensors[index] for index in batch], batch, pieces, extremes)
    if sort:
        for index in (index for index, tensor in enumerate(tensors) if tensor.numel() >= SMALL):
            pieces.add_fan([index], fan(widen(flat(tensors[index])).unsqueeze(0), accumulator(device)))
    return pieces, extremes


def _measure_on_host(
    tensors: Sequence[Tensor], large: Sequence[int], powers: int, pieces: Pieces, extremes: list[Extremes]
) -> None:
    """Measures tensors one by one, those of plain values in one sweep."""
    read = {}
    for index, found in zip(large, sweep([tensors[index] for index in large], powers), strict=True):
        if found is None:
            extremes[index] = _measure_large(index, flat(tensors[index]), pieces)
        else:
            magnitude = torch.tensor(found.magnitude, dtype=torch.float32, device="cpu")
            extremes[index] = Extremes(magnitude, plain=True, row_norms=found.row_norms)
            read[index] = found
    if read:
        counts, scale = fold(
            torch.stack([one.buckets for one in read.values()]), torch.stack([extremes[i].magnitude for i in read])
        )
        numbers = [one.numbers for one in read.values()]
        pieces.add(list(read), torch.cat(numbers), counts, scale, pieces=[len(rows) for rows in numbers])


def _measure_fused(tensors: Sequence[Tensor], pieces: Pieces, extremes: list[Extremes]) -> list[int]:
    """Measures by kernels of our own all tensors that these read; says which."""
    from lightning_weightviz.measure.device.fused.moments import sum_moments

    device = tensors[0].device
    read = [index for index, tensor in enumerate(tensors) if tensor.numel() and tensor.dtype in DTYPES]
    magnitudes = torch.zeros(len(tensors), dtype=torch.float32, device=device)
    summed = sum_moments(tensors, read, magnitudes)
    scales = power_above(magnitudes).unbind()
    for found in summed:
        scale = torch.stack([scales[index] for index in found.owners])
        pieces.add(found.owners, found.numbers, found.counts, scale, pieces=found.pieces)
    for index in read:
        extremes[index] = Extremes(magnitudes[index], plain=False)
    for group in _groups(tensors, read, STREAM_TOGETHER):
        pieces.add_fan(group, fan(_padded([tensors[index] for index in group]), accumulator(device)))
    return read


def _groups(tensors: Sequence[Tensor], among: Sequence[int], together: int) -> list[list[int]]:
    """Small tensors of one dtype: padding at most quadruples them, or they are few and tiny."""
    groups: list[list[int]] = []
    for wide in (False, True):
        small = [i for i in among if 0 < tensors[i].numel() < SMALL and (tensors[i].dtype == torch.float64) == wide]
        largest = math.inf
        for index in sorted(small, key=lambda index: -tensors[index].numel()):
            size = tensors[index].numel()
            if groups and (4 * size >= largest or (len(groups[-1]) + 1) * largest <= together):
                groups[-1].append(index)
            else:
                groups.append([index])
                largest = size
    return groups


def _measure_small(tensors: Sequence[Tensor], owners: list[int], pieces: Pieces, extremes: list[Extremes]) -> None:
    """Measures tensors of similar size as the rows of one matrix; puts into `extremes` what is known of them."""
    if looks(tensors[0].device):
        return _measure_small_here(tensors, owners, pieces, extremes)
    rows = _padded(tensors)
    low, high = extremes_of(rows)
    magnitude = magnitude_of(low, high)
    scale = power_above(magnitude)
    counts = count_slots(slots(rows * scale.unsqueeze(1)))
    padding = [rows.shape[1] - tensor.numel() for tensor in tensors]
    pieces.add(owners, row_sums(rows, low, high, scale), counts, scale, padding=padding)
    pieces.add_fan(owners, fan(rows, accumulator(rows.device)))
    for index, value in zip(owners, magnitude.unbind(), strict=True):
        extremes[index] = Extremes(value, plain=False)


def _measure_small_here(tensors: Sequence[Tensor], owners: list[int], pieces: Pieces, extremes: list[Extremes]) -> None:
    """The same on the host."""
    found = measure_small(tensors)
    pieces.add(owners, found.numbers, found.counts, found.scale, padding=found.padding)
    pieces.add_fan(owners, found.fan)
    for index, tensor, value, finite in zip(owners, tensors, found.magnitude, found.finite, strict=True):
        ordinary = PLAIN[0] < float(value.numpy()) < PLAIN[1] and finite == tensor.numel()
        extremes[index] = Extremes(value, plain=ordinary and widened(tensor.dtype) == torch.float32)


def _measure_batch(tensors: Sequence[Tensor], owners: list[int], pieces: Pieces, extremes: list[Extremes]) -> None:
    """The same of tensors of one dtype and any size, where looking would wait."""
    found = measure_rows(tensors)
    lie = found.rows
    pieces.add(owners, found.numbers, found.counts, found.scale, pieces=lie.pieces, padding=list(lie.padding))
    for index, value in zip(owners, found.magnitude.unbind(), strict=True):
        extremes[index] = Extremes(value, plain=False)


def _measure_large(owner: int, values: Tensor, pieces: Pieces) -> Extremes:
    """Measures one tensor, (n,), whatever its values are."""
    parts = values.split(HOST_PIECE if looks(values.device) else STREAM_PIECE)
    # The first read finds the scale of all pieces, the second one takes sums and counts.
    bounds = [extremes_of(widen(part).unsqueeze(0)) for part in parts]
    low = torch.cat([bound[0] for bound in bounds]).amin(0, keepdim=True)
    high = torch.cat([bound[1] for bound in bounds]).amax(0, keepdim=True)
    magnitude = magnitude_of(low, high)
    scale = power_above(magnitude)
    counts = torch.zeros(1, SLOTS + 1, dtype=torch.int64, device=values.device)
    numbers = []
    for part in parts:
        row = widen(part).unsqueeze(0)
        numbers.append(row_sums(row, low, high, scale))
        counts = counts + count_slots(slots(row * scale))
    pieces.add([owner], torch.cat(numbers), counts, scale, pieces=[len(numbers)])
    return Extremes(magnitude[0], plain=False)


def _padded(tensors: Sequence[Tensor]) -> Tensor:
    """The tensors as rows, (k, largest), filled up with NaN."""
    values = [widen(flat(tensor)) for tensor in tensors]
    most = max(map(len, values))
    nan = torch.full((most,), math.nan, dtype=values[0].dtype, device=values[0].device)
    return torch.cat([part for one in values for part in (one, nan[: most - len(one)])]).view(-1, most)
