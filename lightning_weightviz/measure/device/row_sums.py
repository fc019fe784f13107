"""What is summed of the rows of a matrix: extremes, powers and exact percentiles; few launches and few reads."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from lightning_weightviz.measure.device.abilities import accumulator, looks
from lightning_weightviz.measure.device.scaling import finite_of
from lightning_weightviz.measure.enqueued import PieceNumbers
from lightning_weightviz.measure.lane import to_device
from lightning_weightviz.snapshot import PERCENTILES


def extremes_of(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Smallest and largest finite value of each row, (k,); +Inf and -Inf where there is none."""
    inf = math.inf
    return rows.nan_to_num(inf, inf, inf).amin(1), rows.nan_to_num(-inf, -inf, -inf).amax(1)


def magnitude_of(low: Tensor, high: Tensor) -> Tensor:
    """Largest finite magnitude from `extremes_of`; 0 where there is none."""
    return torch.maximum(-low, high).clamp(min=0)


def row_sums(rows: Tensor, low: Tensor, high: Tensor, scale: Tensor) -> Tensor:
    """The numbers of each row, (k, `NUMBERS`), in the device's accumulator; what is not finite is left out.

    Args:
        rows: float32 or float64, (k, n).
        low: As of `extremes_of`, (k,) or (1,).
        high: As `low`.
        scale: As of `lightning_weightviz.measure.device.scaling.power_above`, (k,) or (1,).
    """
    sums = accumulator(rows.device)
    finite = finite_of(rows)
    count = finite.sum(1)
    first = (rows * scale.unsqueeze(1)).nan_to_num_(0, 0, 0)
    shift = first.sum(1) / count.clamp(min=1)
    first.sub_(shift.unsqueeze(1)).mul_(finite)
    second = first * first
    s1, s2, s3 = first.sum(1, dtype=sums), second.sum(1, dtype=sums), first.mul_(second).sum(1, dtype=sums)
    s4 = second.square_().sum(1, dtype=sums)
    columns = PieceNumbers(count, rows.isnan().sum(1), low, high, scale, shift, s1, s2, s3, s4)
    whole, narrow, wide = columns[:2], columns[2:6], columns[6:]
    # Put together by dtype first: each conversion is a launch.
    parts = [torch.stack([column.expand(len(rows)) for column in part], 1) for part in (whole, narrow, wide)]
    return torch.cat([part.to(sums) for part in parts], 1)


def fan(rows: Tensor, sums: torch.dtype) -> Tensor:
    """Exact percentiles of the finite values of each row, (k, 9), as numpy's linear ones; NaN where there are none."""
    count = finite_of(rows).sum(1, keepdim=True)
    filled = rows.nan_to_num(math.inf, math.inf, math.inf)
    # numpy sorts rows with vector instructions, many times as fast.
    ordered = torch.from_numpy(np.sort(filled.numpy(), axis=1)) if looks(rows.device) else filled.sort(1).values
    last = (count - 1).clamp(min=0)
    # Where places are float32, the last of many is rounded up beyond them all.
    place = last * _shares(rows.device, sums)
    below = place.floor()
    above = torch.minimum(place.ceil().long(), last)
    low, high = ordered.gather(1, torch.minimum(below.long(), last)).to(sums), ordered.gather(1, above).to(sums)
    return torch.where(count > 0, low + (place - below) * (high - low), torch.nan)


@lru_cache
def _shares(device: torch.device, sums: torch.dtype) -> Tensor:
    """`PERCENTILES` as shares of 1."""
    return to_device(torch.tensor(PERCENTILES, dtype=sums, device="cpu") / 100, device)
