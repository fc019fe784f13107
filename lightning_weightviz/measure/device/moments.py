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

from lightning_weightviz.measure import histogram
from lightning_weightviz.measure.device.abilities import accumulator, looks
from lightning_weightviz.measure.device.cpu_sweep import sweep
from lightning_weightviz.measure.device.memory_order import flat, power_above, widen
from lightning_weightviz.measure.host.merge_moments import NUMBERS, Distribution, merge
from lightning_weightviz.measure.transfer import Arrays, Packer
from lightning_weightviz.snapshot import PERCENTILES

SMALL = 1 << 14
"""Parameters of fewer elements are measured together, as the rows of one matrix."""
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


class MomentsPass:
    """Measures the tensors of one device; `collect` reads what arrived on the host.

    Args:
        sizes: Elements of each tensor.
        packer: Where results go.
        powers: How many power sums are wanted; see `lightning_weightviz.measure.device.cpu_sweep.sweep`.
        sort: Whether large tensors are sorted too, for exact percentiles.
    """

    def __init__(self, sizes: Sequence[int], packer: Packer, powers: int, *, sort: bool) -> None:
        self._sizes = sizes
        self._powers = powers
        self._sort = sort
        self._packer = packer
        self._owners: list[int] = []
        self._padding: list[int] = []
        self._counted: list[int] = []
        self._sorted: list[int] = []

    def run(self, tensors: Sequence[Tensor]) -> list[Extremes]:
        """Enqueues all reductions; no synchronisation. One result a tensor, in their order."""
        device = tensors[0].device
        sums = accumulator(device)
        extremes = [Extremes(torch.zeros((), device=device), plain=False)] * len(tensors)
        numbers: list[Tensor] = []
        counts: list[Tensor] = []
        scales: list[Tensor] = []
        fans: list[Tensor] = []
        for group in self._groups(tensors):
            rows = _padded([tensors[index] for index in group])
            low, high = _extremes(rows)
            magnitude = torch.maximum(-low, high).clamp(min=0)
            scale = power_above(magnitude)
            finite = rows.isfinite()
            numbers.append(_row_sums(rows, low, high, scale, sums))
            fans.append(_fan(rows, sums))
            self._owners += group
            self._padding += [rows.shape[1] - tensors[index].numel() for index in group]
            self._sorted += group
            scales.append(scale.to(sums))
            counts.append(histogram.count_slots(histogram.slots(rows * scale.unsqueeze(1), finite)))
            self._counted += group
            for index, value in zip(group, magnitude.unbind(), strict=True):
                extremes[index] = Extremes(value, plain=False)
        buckets: list[Tensor] = []
        folded: list[int] = []
        large = [index for index, tensor in enumerate(tensors) if tensor.numel() >= SMALL]
        swept = sweep([tensors[index] for index in large], self._powers)
        for index, found in zip(large, swept, strict=True):
            if found is None:
                extremes[index] = self._large(index, flat(tensors[index]), numbers, counts, scales, sums)
                continue
            extremes[index] = Extremes(torch.tensor(found.magnitude), plain=True, row_norms=found.row_norms)
            numbers.append(found.numbers)
            self._owners += [index] * len(found.numbers)
            self._padding += [0] * len(found.numbers)
            buckets.append(found.buckets)
            folded.append(index)
        if self._sort:
            fans += [_fan(widen(flat(tensors[index])).unsqueeze(0), sums) for index in large]
            self._sorted += large
        if buckets:
            count, scale = histogram.fold(torch.stack(buckets), torch.stack([extremes[i].magnitude for i in folded]))
            counts.append(count)
            scales.append(scale.to(sums))
            self._counted += folded
        if numbers:
            self._packer.add("numbers", torch.cat(numbers))
            self._packer.add("slots", torch.cat(counts))
            self._packer.add("scale", torch.cat(scales))
        if fans:
            self._packer.add("fans", torch.cat(fans))
        return extremes

    def _groups(self, tensors: Sequence[Tensor]) -> list[list[int]]:
        """Small tensors of one dtype and similar size: padding at most quadruples them."""
        groups: dict[tuple[bool, int], list[int]] = {}
        for index, tensor in enumerate(tensors):
            if 0 < tensor.numel() < SMALL:
                wide = tensor.dtype == torch.float64
                groups.setdefault((wide, (tensor.numel().bit_length() + 1) // 2), []).append(index)
        return list(groups.values())

    def _large(
        self,
        index: int,
        values: Tensor,
        numbers: list[Tensor],
        counts: list[Tensor],
        scales: list[Tensor],
        sums: torch.dtype,
    ) -> Extremes:
        """Measures one tensor, whatever its values are."""
        pieces = values.split(HOST_PIECE if looks(values.device) else STREAM_PIECE)
        bounds = [_extremes(widen(piece).unsqueeze(0)) for piece in pieces]
        low = torch.cat([bound[0] for bound in bounds]).amin(0, keepdim=True)
        high = torch.cat([bound[1] for bound in bounds]).amax(0, keepdim=True)
        magnitude = torch.maximum(-low, high).clamp(min=0)
        scale = power_above(magnitude)
        counted = torch.zeros(1, histogram.SLOTS + 1, dtype=torch.int64, device=values.device)
        for piece in pieces:
            row = widen(piece).unsqueeze(0)
            numbers.append(_row_sums(row, low, high, scale, sums))
            self._owners.append(index)
            self._padding.append(0)
            counted = counted + histogram.count_slots(histogram.slots(row * scale, row.isfinite()))
        scales.append(scale.to(sums))
        counts.append(counted)
        self._counted.append(index)
        return Extremes(magnitude[0], plain=False)

    def collect(self, arrays: Arrays) -> Distribution:
        """Merges the pieces."""
        count = len(self._sizes)
        slots = np.zeros((count, histogram.SLOTS + 1), np.int64)
        scale = np.ones(count)
        fan = np.full((count, len(PERCENTILES)), np.nan)
        numbers = np.zeros((0, len(NUMBERS)))
        if self._owners:
            slots[self._counted] = arrays["slots"]
            scale[self._counted] = arrays["scale"]
            numbers = arrays["numbers"].astype(np.float64)
            numbers[:, NUMBERS.index("nan")] -= self._padding
        if self._sorted:
            fan[self._sorted] = arrays["fans"]
        moments = merge(numbers, np.array(self._owners, np.intp), np.array(self._sizes, np.int64), slots)
        return Distribution(moments, slots[:, : histogram.SLOTS], scale, fan)


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
    share = torch.tensor(PERCENTILES, dtype=sums, device=rows.device) / 100
    place = (finite.sum(1, keepdim=True) - 1).clamp(min=0) * share
    below = place.floor()
    low, high = ordered.gather(1, below.long()).to(sums), ordered.gather(1, place.ceil().long()).to(sums)
    return torch.where(finite.any(1, keepdim=True), low + (place - below) * (high - low), torch.nan)


def _extremes(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Smallest and largest finite value of each row, (k,); +Inf and -Inf where there is none."""
    finite = rows.isfinite()
    return torch.where(finite, rows, math.inf).amin(1), torch.where(finite, rows, -math.inf).amax(1)


def _row_sums(rows: Tensor, low: Tensor, high: Tensor, scale: Tensor, sums: torch.dtype) -> Tensor:
    """The numbers of each row, (k, 10), `sums`; what is not finite is counted and left out."""
    finite = rows.isfinite()
    count = finite.sum(1)
    scaled = torch.where(finite, rows * scale.unsqueeze(1), 0.0)
    shift = scaled.sum(1) / count.clamp(min=1)
    first = torch.where(finite, scaled - shift.unsqueeze(1), 0.0)
    second = first * first
    powers = [first, second, second * first, second * second]
    columns = [count, rows.isnan().sum(1), low, high, scale, shift, *(power.sum(1, dtype=sums) for power in powers)]
    return torch.stack([column.to(sums) for column in columns], 1)
