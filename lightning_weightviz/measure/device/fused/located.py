"""Matrices where they lie in memory, as kernels are told of them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lightning_weightviz.measure.device.fused.launching import DTYPES, EVEN
from lightning_weightviz.measure.device.spectrum import Side


@dataclass(frozen=True)
class Located:
    """A matrix where it lies: the columns of a row one after the other.

    Attributes:
        address: Of its first element.
        dtype: One that kernels read.
        rows: How many there are.
        columns: How many there are.
        stride: Elements from one row to the next.
        owner: Place of its scale among those given.
        side: Along which vectors lie; see `lightning_weightviz.measure.device.spectrum.Lanczos`.
    """

    address: int
    dtype: torch.dtype
    rows: int
    columns: int
    stride: int
    owner: int
    side: Side

    @property
    def lengths(self) -> tuple[int, int]:
        """Of the other side and of the one that vectors lie along."""
        return (self.rows, self.columns) if self.side == "columns" else (self.columns, self.rows)

    @property
    def even(self) -> bool:
        """Whether several elements of a row can be read at once, without a rest."""
        return (self.address | self.stride | self.columns) % EVEN == 0


def located(values: Tensor, owner: int, side: Side) -> list[Located] | None:
    """Each of (matrices, rows, columns), which lie in rows; None where they do not."""
    count, rows, columns = values.shape
    apart, stride, step = values.stride()
    if (step != 1 and columns > 1) or values.dtype not in DTYPES:
        return None
    first, size = values.data_ptr(), values.element_size()
    return [
        Located(first + number * apart * size, values.dtype, rows, columns, stride, owner, side)
        for number in range(count)
    ]
