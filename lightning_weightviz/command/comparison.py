"""What changed between two files of weights, parameter by parameter, with a piece of each in memory at a time."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lightning_weightviz.draw.number import shape_text
from lightning_weightviz.model.files import Checkpoint
from lightning_weightviz.model.values import readable, reason_to_skip

PIECE = 1 << 20
"""Elements of a piece: eight MiB of float64."""
MOST_ROWS = 3


@dataclass(frozen=True)
class Change:
    """How a parameter changed from A to B; over the elements that are finite in both, in float64.

    Attributes:
        name: Of the parameter.
        shape: Of both.
        before: ‖A‖.
        distance: ‖B − A‖.
        angle: Between the two as vectors, in degrees; NaN where one is 0.
        rows: The rows along the first axis that changed most, the first most, each with ‖Δrow‖; of a vector, elements.
        unusable: Number of elements that are NaN or infinite in either.
    """

    name: str
    shape: tuple[int, ...]
    before: float
    distance: float
    angle: float
    rows: tuple[tuple[int, float], ...]
    unusable: int

    @property
    def relative(self) -> float:
        """‖B − A‖/‖A‖; 0 where nothing changed, infinite where A was 0."""
        if self.distance == 0:
            return 0.0
        return self.distance / self.before if self.before else math.inf

    def as_json(self) -> dict[str, Any]:
        """As JSON holds it: what is not finite is null."""
        return {
            "name": self.name,
            "shape": list(self.shape),
            "relative_change": _finite(self.relative),
            "angle": _finite(self.angle),
            "norm_before": _finite(self.before),
            "distance": _finite(self.distance),
            "rows": [{"row": row, "distance": _finite(distance)} for row, distance in self.rows],
            "not_finite": self.unusable,
        }


@dataclass(frozen=True)
class Unpaired:
    """What cannot be compared.

    Attributes:
        missing: Names in A alone.
        new: Names in B alone.
        others: Why others were left out, by name.
    """

    missing: tuple[str, ...]
    new: tuple[str, ...]
    others: dict[str, str]


def pair(first: Checkpoint, second: Checkpoint) -> tuple[tuple[str, ...], Unpaired]:
    """The names that can be compared, in the order of the first file, and what cannot."""
    names: list[str] = []
    others: dict[str, str] = {}
    for name, before in first.tensors.items():
        after = second.tensors.get(name)
        if after is None:
            continue
        if before.shape != after.shape:
            shapes = (shape_text(tuple(one.shape)) for one in (before, after))
            others[name] = "its shape was {} and is {}".format(*shapes)
        elif before.is_complex() != after.is_complex():
            others[name] = f"its dtype was {before.dtype} and is {after.dtype}"
        elif reason := reason_to_skip(before) or reason_to_skip(after):
            others[name] = reason
        else:
            names.append(name)
    missing = tuple(name for name in first.tensors if name not in second.tensors)
    new = tuple(name for name in second.tensors if name not in first.tensors)
    return tuple(names), Unpaired(missing, new, others)


def compare_each(first: Checkpoint, second: Checkpoint, names: tuple[str, ...]) -> Iterator[Change]:
    """Compares one parameter after the other, and lets what was read leave memory."""
    with first.bounded(), second.bounded():
        for name in names:
            yield change_of(name, first.tensors[name], second.tensors[name])


@torch.no_grad()
def change_of(name: str, before: Tensor, after: Tensor) -> Change:
    """Compares two tensors of one shape."""
    shape = tuple(before.shape)
    rows = [_rows(before, name), _rows(after, name)]
    sums = torch.zeros(2, dtype=torch.float64, device="cpu")
    squares = torch.zeros(len(rows[0]), dtype=torch.float64, device="cpu")
    unusable, scale = 0, _scale(rows)
    for band, a, b, broken in _pieces(rows):
        unusable += broken
        a, b = a * scale, b * scale
        sums += torch.stack([a.square().sum(), b.square().sum()])
        squares[band] += (b - a).square().sum(1)
    first, second = sums.sqrt().tolist()
    distance = math.sqrt(float(squares.sum()))
    most = squares.topk(min(MOST_ROWS, len(squares)))
    ranked = zip(most.indices.tolist(), most.values.sqrt().tolist(), strict=True)
    changed = tuple((row, length / scale) for row, length in ranked if length)
    angle = _angle(first, second, distance)
    return Change(name, shape, first / scale, distance / scale, angle, changed, unusable)


def _pieces(rows: Sequence[Tensor]) -> Iterator[tuple[slice, Tensor, Tensor, int]]:
    """Both in float64, piece by piece: its rows, the values with 0 for what is not finite, and how many those are."""
    columns = rows[0].shape[1]
    width, height = min(columns, PIECE) or 1, max(1, PIECE // max(columns, 1))
    for top in range(0, len(rows[0]), height):
        band = slice(top, top + height)
        for left in range(0, columns, width):
            a, b = (one[band, left : left + width].to(torch.float64) for one in rows)
            finite = a.isfinite() & b.isfinite()
            yield band, torch.where(finite, a, 0.0), torch.where(finite, b, 0.0), finite.numel() - int(finite.sum())


def _scale(rows: Sequence[Tensor]) -> float:
    """A power of two by which squares neither overflow nor vanish; only those of float64 can."""
    if all(one.dtype != torch.float64 for one in rows):
        return 1.0
    largest = max((float(one.abs().max()) for _, *both, _ in _pieces(rows) for one in both), default=0.0)
    return math.ldexp(1.0, min(-math.frexp(largest)[1], 1000))


def _rows(tensor: Tensor, name: str) -> Tensor:
    """As a matrix; complex numbers are two."""
    real = readable(tensor, name)
    return real.reshape(-1, 1) if real.ndim < 2 else real.flatten(1)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _angle(first: float, second: float, distance: float) -> float:
    """The angle between vectors of these lengths and this distance, in degrees.

    By the chord of their directions: the cosine of a small angle is 1 in all its digits.
    """
    if not first or not second:
        return math.nan
    chord = math.sqrt(max(distance**2 - (first - second) ** 2, 0.0) / (first * second))
    return math.degrees(2 * math.asin(min(chord / 2, 1.0)))
