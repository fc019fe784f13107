"""Many matrices of any shapes at once; as `lightning_weightviz.measure.device.stacks`, but with no copy of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from lightning_weightviz.measure.device.fused.lanczos import run_together
from lightning_weightviz.measure.device.fused.located import Located, located
from lightning_weightviz.measure.device.fused.products import Products
from lightning_weightviz.measure.device.fused.rows import row_norms
from lightning_weightviz.measure.device.stacks import FoundMatrices, Matrices

VECTORS = 1 << 19
"""Elements of the vectors that are multiplied side by side, with what fills up the shorter ones."""


def measure_matrices(
    matrices: Sequence[Matrices], magnitudes: Sequence[Tensor], *, spectrum: bool
) -> dict[int, FoundMatrices]:
    """Enqueues row norms and, where wanted, iterations.

    Args:
        matrices: Of one device.
        magnitudes: The largest finite one of each, 0-d, float32 where kernels read the matrix.
        spectrum: Whether iterations are wanted.

    Returns:
        What was found, by place; of those whose rows do not lie in memory as kernels read them, nothing.
    """
    lying = [located(one.values, owner, one.lanczos.side) for owner, one in enumerate(matrices)]
    readable = [(one, where) for one, where in zip(matrices, lying, strict=True) if where]
    if not readable:
        return {}
    # Owners are places among all.
    largest = torch.stack([one.to(torch.float32) for one in magnitudes])
    norms, squares = row_norms([one for _, where in readable for one in where], largest)
    sides = _spectra(readable, largest) if spectrum else {}
    found: dict[int, FoundMatrices] = {}
    lengths = [one.values.shape[0] * one.values.shape[1] for one, _ in readable]
    parts = zip(readable, norms.split(lengths), squares.split(lengths), strict=True)
    for (one, _), of_rows, of_finite in parts:
        shape = one.values.shape[:2]
        wholes = of_finite.view(shape).sum(1).sqrt() if spectrum and shape[0] > 1 else None
        found[one.place] = FoundMatrices(of_rows.view(shape), sides.get(one.place), wholes)
    return found


def _spectra(
    readable: Sequence[tuple[Matrices, Sequence[Located]]], largest: Tensor
) -> dict[int, tuple[Tensor, Tensor]]:
    found: dict[int, tuple[Tensor, Tensor]] = {}
    for batch in _batches(readable):
        iterations = [one.lanczos for one, _ in batch]
        longest = max(one.length for one in iterations)
        products = Products([one for _, where in batch for one in where], largest, longest)
        sides = run_together(iterations, products)
        found |= zip([one.place for one, _ in batch], sides, strict=True)
    return found


def _batches(
    readable: Sequence[tuple[Matrices, Sequence[Located]]],
) -> Iterator[list[tuple[Matrices, Sequence[Located]]]]:
    """Those that iterate side by side: of as many steps, the longest first."""
    # Asked once: the thread that reads the last results may settle one meanwhile.
    by_steps: dict[bool, list[tuple[Matrices, Sequence[Located]]]] = {}
    for pair in readable:
        by_steps.setdefault(pair[0].lanczos.settled, []).append(pair)
    for pairs in by_steps.values():
        batch: list[tuple[Matrices, Sequence[Located]]] = []
        vectors = longest = 0
        for pair in sorted(pairs, key=lambda pair: -pair[0].lanczos.length):
            if batch and (vectors + len(pair[1])) * longest > VECTORS:
                yield batch
                batch, vectors = [], 0
            longest = longest if batch else pair[0].lanczos.length
            batch.append(pair)
            vectors += len(pair[1])
        yield batch
