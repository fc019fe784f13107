"""Matrices of one shape one after the other, where each operation is a launch: row norms, products, dead units."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lightning_weightviz.measure.device.lockstep import run_together
from lightning_weightviz.measure.device.scaling import widen
from lightning_weightviz.measure.device.spectrum import Lanczos
from lightning_weightviz.measure.device.units import dead_of_each

TOGETHER = 1 << 24
"""Elements whose scaled copies are kept at a time; a parameter of more is measured alone, in blocks."""
PADDED = 1 << 20
"""Norms, with what fills up shorter matrices, that are sorted together."""


@dataclass(frozen=True)
class Matrices:
    """One parameter of two or more dimensions.

    Attributes:
        place: Among the parameters of its device.
        values: (matrices, rows, columns), any float dtype.
        scale: 0-d; see `lightning_weightviz.measure.device.scaling.power_above`.
        lanczos: Its iteration.
    """

    place: int
    values: Tensor
    scale: Tensor
    lanczos: Lanczos

    @property
    def kind(self) -> tuple[torch.dtype, int, int, str, bool]:
        """Parameters of one kind are put together."""
        return self.values.dtype, *self.values.shape[1:], self.lanczos.side, self.lanczos.settled


@dataclass(frozen=True)
class FoundMatrices:
    """What was found of one parameter.

    Attributes:
        norms: float32, (matrices, rows), of the scaled rows; not finite where a row holds what is not.
        spectrum: As of `Lanczos.run`; None: not wanted.
        wholes: (matrices,), Frobenius norms of the scaled finite values; None: of one matrix alone.
    """

    norms: Tensor
    spectrum: tuple[Tensor, Tensor] | None
    wholes: Tensor | None


def measure_matrices(matrices: Sequence[Matrices], *, spectrum: bool) -> dict[int, FoundMatrices]:
    """Enqueues row norms and, where wanted, iterations; by place."""
    found: dict[int, FoundMatrices] = {}
    for batch in _batches(matrices):
        found |= _measure(batch, spectrum=spectrum)
    return found


def count_dead(norms: Sequence[Tensor]) -> Tensor:
    """How many units of each parameter are dead, int64, (k,), from norms of (matrices, units) as of `FoundMatrices`."""
    counts: dict[int, Tensor] = {}
    for batch in _alike(norms):
        dead = _dead([norms[place] for place in batch])
        for place, of_place in zip(batch, dead.split([len(norms[place]) for place in batch]), strict=True):
            counts[place] = of_place[0] if len(of_place) == 1 else of_place.sum()
    return torch.stack([counts[place] for place in range(len(norms))])


def _alike(norms: Sequence[Tensor]) -> Iterator[list[int]]:
    """Places of similar length, or few enough: what fills up the shorter ones is no burden."""
    batch: list[int] = []
    number = most = 0
    for place in sorted(range(len(norms)), key=lambda place: -norms[place].shape[1]):
        matrices, units = norms[place].shape
        if batch and 4 * units < most and (number + matrices) * most > PADDED:
            yield batch
            batch, number = [], 0
        most = units if not batch else most
        batch.append(place)
        number += matrices
    yield batch


def _dead(norms: Sequence[Tensor]) -> Tensor:
    """Of each matrix, one after the other; the first one is the longest."""
    most = norms[0].shape[1]
    nan = torch.full((most,), math.nan, dtype=torch.float32, device=norms[0].device)
    parts = [part for one in norms for row in one.unbind() for part in (row, nan[: most - len(row)])]
    return dead_of_each(torch.cat(parts).view(-1, most))


def _batches(matrices: Sequence[Matrices]) -> Iterator[list[list[Matrices]]]:
    """Stacks of one kind, several at a time: those whose iterations go on side by side."""
    by_kind: dict[tuple[object, ...], list[Matrices]] = {}
    for one in matrices:
        by_kind.setdefault(one.kind, []).append(one)
    for settled in (True, False):
        batch: list[list[Matrices]] = []
        size = 0
        # Asked once: the thread that reads the last results may settle one meanwhile.
        for kind, stack in by_kind.items():
            if kind[-1] != settled:
                continue
            begins = True
            for one in stack:
                if batch and size + one.values.numel() > TOGETHER:
                    yield batch
                    batch, size, begins = [], 0, True
                if begins:
                    batch.append([])
                    begins = False
                batch[-1].append(one)
                size += one.values.numel()
        if batch:
            yield batch


def _measure(batch: Sequence[Sequence[Matrices]], *, spectrum: bool) -> dict[int, FoundMatrices]:
    ordered = [one for stack in batch for one in stack]
    norms, wholes, talls = [], [], []
    for stack in batch:
        scaled, of_rows = _scaled(stack)
        norms += of_rows.split([len(one.values) for one in stack])
        for part in scaled.split([len(one.values) for one in stack]):
            several = spectrum and len(part) > 1
            wholes.append(torch.linalg.vector_norm(part, dim=(1, 2)) if several else None)
        talls.append(scaled if stack[0].lanczos.side == "columns" else scaled.mT)
    found: Sequence[tuple[Tensor, Tensor] | None] = [None] * len(ordered)
    if spectrum:
        device = ordered[0].values.device
        found = run_together([one.lanczos for one in ordered], device, lambda vectors: _multiply(talls, vectors))
    each = zip(ordered, norms, found, wholes, strict=True)
    return {one.place: FoundMatrices(of_rows, sides, whole) for one, of_rows, sides, whole in each}


def _scaled(stack: Sequence[Matrices]) -> tuple[Tensor, Tensor]:
    """The matrices in their scales, float32, (all, rows, columns), 0 for what is not finite; norms of their rows."""
    # Types of eight bits are not put together on every device.
    parts = [widen(one.values) if one.values.element_size() == 1 else one.values for one in stack]
    values = parts[0] if len(parts) == 1 else torch.cat(parts)
    scale = torch.cat([one.scale.expand(len(one.values)) for one in stack])
    scaled = widen(values) * scale.view(-1, 1, 1)
    norms = torch.linalg.vector_norm(scaled, dim=2).to(torch.float32)
    return scaled.nan_to_num_(0, 0, 0).to(torch.float32), norms


def _multiply(talls: Sequence[Tensor], vectors: Tensor) -> Tensor:
    """WᵀW v of each, (matrices of all, longest)."""
    products, first = torch.zeros_like(vectors), 0
    for tall in talls:
        there = slice(first, first + len(tall)), slice(tall.shape[2])
        if len(tall) == 1:
            torch.mv(tall[0].T, tall[0] @ vectors[there][0], out=products[there][0])
        else:
            torch.bmm(tall.mT, torch.bmm(tall, vectors[there].unsqueeze(2)), out=products[there].unsqueeze(2))
        first += len(tall)
    return products
