"""Tensors as vectors and matrices, without a copy wherever their memory allows it."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor


def flat(values: Tensor) -> Tensor:
    """All elements in the order of memory, (n,): for what does not depend on their order."""
    if values.is_contiguous():
        return values.view(-1)
    order = sorted(range(values.ndim), key=values.stride, reverse=True)
    return values.permute(order).reshape(-1)


def matrix(values: Tensor) -> Tensor:
    """(shape[0], rest), the columns in the order of memory: for what does not depend on the columns' order."""
    if values.is_contiguous():
        return values.flatten(1)
    rest = sorted(range(1, values.ndim), key=values.stride, reverse=True)
    return values.permute(0, *rest).flatten(1)


def row_blocks(rows: Tensor, elements: int) -> Iterator[Tensor]:
    """Whole rows of a matrix, about `elements` at a time, at least one row."""
    return iter(rows.split(rows_of(rows, elements)))


def rows_of(rows: Tensor, elements: int) -> int:
    """How many rows `row_blocks` takes at a time."""
    return max(1, elements // max(1, rows.shape[1]))
