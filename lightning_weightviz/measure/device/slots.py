"""Counts values by slot on the device, in one pass over the bits of floats; see `measure.histogram_scheme`."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from lightning_weightviz.measure.device.scaling import powers_above
from lightning_weightviz.measure.histogram_scheme import BUCKETS, COARSE, FINE, SLOTS, TOP, ZERO


def _magnitude_slot(below: Tensor) -> Tensor:
    """Slots of magnitudes that are so many buckets below the top."""
    below = below.clamp(min=0)
    return torch.minimum(below, ((below - FINE) >> 2).clamp_(0, COARSE) + FINE)


def slots(scaled: Tensor) -> Tensor:
    """The slot of each value, int32; `SLOTS` where it is not finite.

    Args:
        scaled: float32 or float64, (k, n), times a power of two that brings the largest magnitude to [1, 2).
    """
    if scaled.dtype == torch.float64:
        bucket = _bucket_of_double(scaled.view(torch.int64)).to(torch.int32)
    else:
        bucket = (scaled.view(torch.int32) >> 19).bitwise_and_(2 * BUCKETS - 1)
    # By the same name, as on a device all of this is as large as the weights.
    bucket = _slot_of_bucket(scaled.device).index_select(0, bucket.view(-1)).view_as(bucket)
    # The first bucket holds what is near 0 too.
    return bucket.masked_fill_(scaled == 0, ZERO)


def counts_here(scaled: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """`count_slots` of `slots` in numpy."""
    is_wide = scaled.dtype == np.float64
    bucket = _bucket_of_double(scaled.view(np.int64)) if is_wide else scaled.view(np.uint32) >> 19
    slot = _slot_of_bucket(torch.device("cpu")).numpy().take(bucket)
    slot[scaled == 0] = ZERO
    table = SLOTS + 1
    index = slot + (np.arange(len(slot)) * table)[:, None]
    return np.bincount(index.ravel(), minlength=len(slot) * table).reshape(-1, table)


def _bucket_of_double(bits: Any) -> Any:
    """Of bits of float64: exponents with float32's bias; what is far below 1 is near 0 in any case."""
    return (((bits >> 48) & 0x7FFF) - (1023 - 127) * 16).clip(0, BUCKETS - 1) + (bits < 0) * BUCKETS


@lru_cache
def _slot_of_bucket(device: torch.device) -> Tensor:
    """Of scaled values, int32, (2 * `BUCKETS`,), the positive ones first."""
    bucket = torch.arange(BUCKETS, dtype=torch.int32, device=device)
    slot = torch.cat([SLOTS - 1 - _magnitude_slot(TOP - bucket), _magnitude_slot(TOP - bucket)])
    not_finite = torch.arange(2 * BUCKETS, dtype=torch.int32, device=device) % BUCKETS >= BUCKETS - 16
    return torch.where(not_finite, SLOTS, slot)


def count_slots(slot: Tensor, owner: Tensor | None = None, owners: int = 0) -> Tensor:
    """Counts of slots, int64, (k, `SLOTS` + 1), without asking the device for a size.

    Neighbours add into different copies of the table, so that equal values do not queue for one address.

    Args:
        slot: int32, (rows, columns).
        owner: int64, (rows,), to which of the tables each row is added; None: each has its own.
        owners: How many tables there are.
    """
    rows, columns = slot.shape
    k = rows if owner is None else owners
    copies = 16 if columns >= (1 << 16 if owner is None else 1 << 12) else 1
    table = SLOTS + 1
    start = torch.arange(rows, dtype=torch.int64, device=slot.device) if owner is None else owner
    copy = torch.arange(columns, dtype=torch.int64, device=slot.device).remainder_(copies).mul_(table)
    index = ((start * (copies * table)).unsqueeze(1) + copy).add_(slot).view(-1)
    counts = torch.zeros(k * copies * table, dtype=torch.int64, device=slot.device)
    counts.scatter_add_(0, index, torch.ones((), dtype=torch.int64, device=slot.device).expand(index.shape))
    return counts.view(k, copies, table).sum(1)


def bucket_counts(values: npt.NDArray[np.float32], scratch: npt.NDArray[np.float32]) -> Tensor:
    """Counts of float32 values by sign and bucket, int64, (2 * `BUCKETS`,), the positive ones first; host only.

    Three times as fast as `count_slots`, but ``bincount`` makes a device wait.

    Args:
        values: (n,).
        scratch: (n,), overwritten.
    """
    # numpy shifts unsigned numbers, so that no sign needs to be taken off; torch counts twice as fast.
    buckets = np.right_shift(values.view(np.uint32), 19, out=scratch.view(np.uint32))
    return torch.bincount(torch.from_numpy(buckets.view(np.int32)), minlength=2 * BUCKETS)


def fold(buckets: Tensor, magnitudes: Tensor) -> tuple[Tensor, Tensor]:
    """Brings `bucket_counts` of finite values to slots.

    Args:
        buckets: int64, (k, 2 * `BUCKETS`); the first bucket of each sign holds zeros alone.
        magnitudes: float32, (k,), the largest of each row, normal numbers.

    Returns:
        Counts, int64, (k, `SLOTS` + 1), and the scale of each row as `slots` would have had it, float32, (k,).
    """
    # Few of them are not empty.
    owner, place = np.nonzero(buckets.numpy())
    bucket, table = place % BUCKETS, SLOTS + 1
    tops = magnitudes.numpy().view(np.int32).astype(np.int64) >> 23
    slot = _magnitude_slot(torch.from_numpy(tops[owner] * 16 + 15 - bucket)).numpy()
    slot = np.where(bucket == 0, ZERO, np.where(place < BUCKETS, SLOTS - 1 - slot, slot))
    # Sums of float64 are exact up to 2⁵³.
    folded = np.bincount(owner * table + slot, buckets.numpy()[owner, place], len(buckets) * table)
    folded = folded.astype(np.int64).reshape(-1, table)
    return torch.from_numpy(folded), torch.from_numpy(powers_above(magnitudes.numpy()))
