"""Measuring in rounds: each fills a sheet of numbers, which are then added up over all processes that hold parts."""

from __future__ import annotations

import math
from collections.abc import Hashable
from typing import Literal, Protocol

import torch
from torch import Tensor

Operation = Literal["max", "sum"]
Fields = dict[Hashable, tuple[int, ...]]
"""The shape of each field of a sheet."""


class Sheet:
    """Numbers in one tensor, by their keys; what is not filled in changes nothing where sheets are put together.

    Args:
        operation: How sheets are put together.
        fields: The shape of each, the same in every process and in the same order.
        device: Of the tensor.
        dtype: Of the tensor.

    Attributes:
        operation: The same.
        buffer: All of it, one-dimensional; the first number is above 0 where a process could not fill in its own.
    """

    def __init__(
        self,
        operation: Operation,
        fields: Fields,
        device: torch.device,
        dtype: torch.dtype = torch.float64,
    ) -> None:
        self.operation = operation
        sizes = [math.prod(shape) for shape in fields.values()]
        self.buffer = torch.empty(1 + sum(sizes), dtype=dtype, device=device)
        self.clear()
        places = self.buffer[1:].split(sizes) if sizes else ()
        self._fields: dict[Hashable, Tensor] = {
            key: part.view(shape) for (key, shape), part in zip(fields.items(), places, strict=True)
        }

    def __getitem__(self, key: Hashable) -> Tensor:
        """The field, in the memory of the sheet: before sheets are put together to fill in, then to read."""
        return self._fields[key]

    def clear(self, *, failed: bool = False) -> None:
        """Makes it one that changes nothing, but for saying that this process has failed."""
        self.buffer.fill_(-math.inf if self.operation == "max" else 0.0)
        self.buffer[0] = float(failed)


class Rounds(Protocol):
    """A measurement in rounds."""

    def fill(self, number: int) -> Sheet | None:
        """The sheet of a round, filled with what is here; None: there are no more rounds.

        Never raises: what fails is told by the sheet. Those of all rounds before have been put together.
        """
        ...
