"""The Lanczos iterations of many matrices side by side, where each operation is a launch: one for all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from lightning_weightviz.measure.device.spectrum import (
    COLD_STEPS,
    IRREGULAR,
    WARM_STEPS,
    Lanczos,
    irregular_waves,
    iterate,
    unit,
)
from lightning_weightviz.measure.lane import to_device


def run_together(
    iterations: Sequence[Lanczos], device: torch.device, multiply: Callable[[Tensor], Tensor]
) -> list[tuple[Tensor, Tensor]]:
    """Enqueues one run of each iteration, all of as many steps; as `Lanczos.run` of each.

    Args:
        iterations: Either all settled or none.
        device: Of the matrices.
        multiply: WᵀW v of vectors, one below the other, (matrices of all, longest), each with 0 behind its own length.
    """
    steps = WARM_STEPS if all(one.settled for one in iterations) else COLD_STEPS
    run = iterate(starts(iterations, device), steps)
    vectors = next(run)
    while True:
        try:
            vectors = run.send(multiply(vectors))
        except StopIteration as end:
            alpha, beta, basis = end.value
            break
    found, first = [], 0
    for one in iterations:
        rows = slice(first, first + one.matrices)
        own = min(steps, one.length)
        one.keep(basis[rows, :own])
        found.append((alpha[rows, :own], beta[rows, :own]))
        first += one.matrices
    return found


def starts(iterations: Sequence[Lanczos], device: torch.device) -> Tensor:
    """What each starts from, as of `Lanczos.start`, float32, (matrices of all, longest), with 0 behind their ends."""
    longest = max(one.length for one in iterations)
    counts = [one.matrices for one in iterations]
    # What follows from the host's numbers goes there in one copy.
    ends = np.repeat([one.length for one in iterations], counts).astype(np.float32)
    ordinals = np.repeat([one.runs for one in iterations], counts).astype(np.float32)
    end, ordinal = to_device(torch.from_numpy(np.stack([ends, ordinals])), device).unsqueeze(2).unbind()
    index = torch.arange(1, longest + 1, device=device, dtype=torch.float32)
    irregular = unit(irregular_waves(index, ordinal) * (index <= end))
    best = _best(iterations, longest, device)
    return irregular if best is None else unit(unit(best) + IRREGULAR * irregular)


def _best(iterations: Sequence[Lanczos], longest: int, device: torch.device) -> Tensor | None:
    """The best directions known, (matrices of all, longest), 0 where there are none; None: there are none at all."""
    learned = [one.learned for one in iterations if one.learned is not None]
    if len(learned) < len(iterations):
        # Some begin, or nobody has asked yet for what was measured before.
        directions = [one.direction() for one in iterations]
        if all(vectors is None for vectors in directions):
            return None
        known = [
            torch.zeros(one.matrices, longest, dtype=torch.float32, device=device)
            if vectors is None
            else _fitted(to_device(vectors, device).to(torch.float32), one.matrices, longest)
            for one, vectors in zip(iterations, directions, strict=True)
        ]
        return torch.cat(known)
    steps = max(basis.shape[1] for basis, _ in learned)
    mixtures = np.concatenate(
        [np.pad(mixture, ((0, 0), (0, steps - mixture.shape[1]))) for _, mixture in learned], dtype=np.float32
    )
    basis = torch.cat([_fitted(to_device(basis, device), steps, longest) for basis, _ in learned])
    best = (basis * to_device(torch.from_numpy(mixtures), device).unsqueeze(2)).sum(1)
    for one, vectors in zip(iterations, best.split([one.matrices for one in iterations]), strict=True):
        one.best = vectors[:, : one.length]
    return best


def _fitted(values: Tensor, rows: int, columns: int) -> Tensor:
    """The last two axes filled up with 0, or cut where there is only 0; a view where nothing is missing."""
    values = values[..., :columns]
    missing = columns - values.shape[-1], rows - values.shape[-2]
    return torch.nn.functional.pad(values, (0, missing[0], 0, missing[1])) if any(missing) else values
