"""Parameters of which only some rectangles are here: the others are in other processes, which measure theirs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from lightning_weightviz.snapshot import Parameter

Split = Literal["rows", "columns", "both", "stretches"]
"""Which sides of a parameter's matrices are cut: rows alone, columns alone, both, or its elements in order."""
CUT_BOTH_WAYS = ("both", "stretches")


@dataclass(frozen=True)
class Part:
    """A rectangle of a parameter's matrix (`Parameter.matrix_shape`).

    Attributes:
        values: (rows, columns), any float dtype, at least one element.
        row: Where it begins.
        column: Where it begins.
    """

    values: Tensor
    row: int
    column: int

    @property
    def rows(self) -> tuple[int, int]:
        """Its first row and the one past its last."""
        return self.row, self.row + self.values.shape[0]

    @property
    def columns(self) -> tuple[int, int]:
        """Its first column and the one past its last."""
        return self.column, self.column + self.values.shape[1]


@dataclass(frozen=True)
class Spread:
    """What is here of a parameter. All that are in any process together make it up, each element once.

    Attributes:
        parts: Rectangles, none across two of the matrices that are stacked in it; none where nothing is here.
        split: How it is cut, the same in every process.
        dtype: Of the values, the same in every process.
        device: Where they are.
    """

    parts: tuple[Part, ...]
    split: Split
    dtype: torch.dtype
    device: torch.device

    def with_values(self, values: Sequence[Tensor], dtype: torch.dtype) -> Spread:
        """The same rectangles of other values, one tensor a part."""
        parts = tuple(replace(part, values=one) for part, one in zip(self.parts, values, strict=True))
        return replace(self, parts=parts, dtype=dtype)


def box(values: Tensor, offset: Sequence[int], parameter: Parameter) -> Iterator[Part]:
    """The rectangles of a box of a parameter, one for each matrix that it reaches into.

    Args:
        values: Of as many axes as the parameter.
        offset: Where the box begins, one number an axis; behind the first two of a matrix it is all that there is.
        parameter: Whose.
    """
    if values.numel() == 0:
        return
    if len(parameter.shape) < 2:
        yield Part(values.reshape(1, -1), 0, offset[0] if offset else 0)
        return
    stack = stacked_axes(parameter)
    height, inner = parameter.shape[stack], math.prod(parameter.shape[stack + 2 :])
    of_each = values.flatten(0, stack - 1) if stack else values.unsqueeze(0)
    for number, matrix in enumerate(of_each):
        place, left = 0, number
        # Which matrix of the parameter that is: its place along each stacked axis.
        strides = [math.prod(values.shape[axis + 1 : stack]) for axis in range(stack)]
        for axis in range(stack):
            here, left = divmod(left, strides[axis])
            place = place * parameter.shape[axis] + offset[axis] + here
        yield Part(matrix.flatten(1), place * height + offset[stack], offset[stack + 1] * inner)


def stretch(values: Tensor, start: int, parameter: Parameter) -> Iterator[Part]:
    """The rectangles of a stretch of a parameter's elements in order: a rest of a row, whole rows, a part of a row.

    Args:
        values: (n,).
        start: Which element the first one is.
        parameter: Whose.
    """
    rows, columns = parameter.matrix_shape
    height = rows // parameter.stacked
    while len(values) > 0:
        row, column = divmod(start, columns)
        # Whole rows up to the end of their matrix, else what is left of one.
        count = min(len(values) // columns, height - row % height) if column == 0 else 0
        taken = count * columns if count else min(columns - column, len(values))
        yield Part(values[:taken].view(max(count, 1), -1), row, column)
        values, start = values[taken:], start + taken


def between(part: Part, height: int) -> Iterator[Part]:
    """A rectangle in pieces, none across two stretches of so many rows of the matrix."""
    first, end = part.rows
    while first < end:
        last = min(end, (first // height + 1) * height)
        yield replace(part, values=part.values[first - part.row : last - part.row], row=first)
        first = last


def stacked_axes(parameter: Parameter) -> int:
    """How many axes come before those of its matrices."""
    axis, matrices = 0, 1
    while matrices < parameter.stacked:
        matrices *= parameter.shape[axis]
        axis += 1
    return axis


def cut_axes(axes: Sequence[int], parameter: Parameter) -> Split | None:
    """`Spread.split` of a parameter that is cut along some of its axes; of one that is nowhere cut, ``"rows"``."""
    if len(parameter.shape) < 2:
        return "columns" if axes else "rows"
    stack = stacked_axes(parameter)
    if any(axis > stack + 1 for axis in axes):
        return None
    if stack + 1 not in axes:
        return "rows"
    return "both" if stack in axes else "columns"
