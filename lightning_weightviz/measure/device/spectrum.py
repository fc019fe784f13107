"""The largest singular value of a matrix, by the Lanczos iteration on WᵀW or WWᵀ, whichever is smaller.

The device multiplies, the host finds the eigenvalues of the small tridiagonal matrix. The iteration starts from the
singular vector found before, so few steps are needed after the first snapshot; a little of the second vector and of
an irregular one is mixed in, so that a direction that overtakes the first is seen.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from lightning_weightviz.measure.device import host_iteration
from lightning_weightviz.measure.device.abilities import looks
from lightning_weightviz.measure.device.scaling import widen
from lightning_weightviz.measure.lane import to_device
from lightning_weightviz.measure.tridiagonal import Ritz

COLD_STEPS = 32
"""At most so many steps where nothing is known of the matrix: σ of a random 2048 x 2048 one to 0.5 %."""
WARM_STEPS = 8
"""Steps from a vector that was good one snapshot ago, where the program may not look."""
IRREGULAR = 0.05
NOISE = 1e-6
_BLOCK = 1 << 24
_PASSING = 1 << 22
"""Elements of a block that is made again for each product: little memory, and few launches."""
_CACHED = 1 << 18

Floats = npt.NDArray[np.float64]
Side = Literal["rows", "columns"]
"""Along which side of a matrix singular vectors lie: one number a row, or one a column."""
Products = Generator[Tensor, Tensor, tuple[Tensor, Tensor, Tensor]]
"""Asks for WᵀW v of vectors v, (matrices, length); ends with diagonals, off-diagonals and bases."""


class Lanczos:
    """The iterations of one matrix, or of several of one shape side by side, over all snapshots.

    Args:
        length: Of the vectors.
        matrices: How many there are.
        start: float tensor, (matrices * length,), from an earlier run.
        side: Of the matrix that the vectors lie along; of whole matrices always the shorter one.

    Attributes:
        length: The same.
        matrices: The same.
        side: The same.
        best: The best directions known when the last run began, (matrices, length); None: none.
        learned: What the host found of that run: its bases, (matrices, steps, length or more), and in terms of these
            the best directions, (matrices, steps); None: not yet.
        runs: How many there were.
        settled: Whether few steps are enough the next time.
    """

    def __init__(self, length: int, matrices: int = 1, start: Tensor | None = None, side: Side = "columns") -> None:
        self.side = side
        self.length = length
        self.matrices = matrices
        self.best = None if start is None else start.view(matrices, length)
        self.learned: tuple[Tensor, Floats] | None = None
        self.runs = 0
        self.settled = start is not None
        self._basis: Tensor | None = None

    def run(self, values: Tensor, scale: Tensor | None) -> tuple[Tensor, Tensor]:
        """Enqueues one iteration.

        Args:
            values: (rows, columns), one matrix below the other, any float dtype; what is not finite counts as 0.
            scale: As in `lightning_weightviz.measure.device.pooling.pool`.

        Returns:
            Diagonals and off-diagonals of the tridiagonal matrices, (matrices, steps) each, of the scaled values.
        """
        of_each = values.unflatten(0, (self.matrices, -1))
        tall = of_each if self.side == "columns" else of_each.mT
        if looks(values.device):
            return self._look(tall, scale)
        blocks, steps = Blocks(tall, scale), WARM_STEPS if self.settled else COLD_STEPS
        alpha, beta, basis = finished(iterate(self.start(values.device), min(steps, self.length)), blocks)
        self.keep(basis)
        return alpha, beta

    def _look(self, tall: Tensor, scale: Tensor | None) -> tuple[Tensor, Tensor]:
        """As many steps as each matrix needs; told as one step of their value, and the next start is known at once."""
        irregular, best = _irregular(self.length, self.runs, tall.device).numpy(), self.direction()
        known = None if best is None else best.to("cpu", torch.float32).numpy()
        found = []
        for index in range(self.matrices):
            start = irregular if known is None else _mixed(known[index], irregular)
            multiply = _multiplier(tall[index : index + 1], scale)
            found.append(host_iteration.iterate(multiply, start, COLD_STEPS, warm=known is not None))
        self.best = torch.from_numpy(np.stack([one.start for one in found]))
        self._basis, self.learned, self.settled = None, None, True
        self.runs += 1
        values = torch.from_numpy(np.array([[one.value] for one in found]))
        return values, torch.zeros_like(values)

    def run_by_steps(self, device: torch.device, steps: int) -> Products:
        """An iteration whose products are formed elsewhere: it asks for them one by one, and returns as `run`.

        Args:
            device: Of the products.
            steps: How many there are, though never more than the vectors are long.
        """
        alpha, beta, basis = yield from iterate(self.start(device), min(steps, self.length))
        self.keep(basis)
        return alpha, beta, basis

    def keep(self, basis: Tensor) -> None:
        """Ends a run with these bases, (matrices, steps, length or more)."""
        self._basis, self.learned = basis, None
        self.runs += 1

    def learner(self) -> Callable[[Sequence[Ritz]], None]:
        """What takes in what the host found of each matrix in the last run; nothing once another has begun."""
        runs = self.runs

        def learn(found: Sequence[Ritz]) -> None:
            # Another thread may begin a run meanwhile: a basis and its mixture stay together.
            basis = self._basis
            if runs == self.runs and basis is not None:
                self.settled = all(one.settled for one in found)
                self.learned = basis, np.stack([one.mixture for one in found])

        return learn

    def start(self, device: torch.device) -> Tensor:
        """The vectors that the next iteration starts from, float32, (matrices, length), of norm 1."""
        irregular = _irregular(self.length, self.runs, device).expand(self.matrices, -1)
        best = self.direction()
        return (
            irregular if best is None else unit(unit(to_device(best, device).to(torch.float32)) + IRREGULAR * irregular)
        )

    def direction(self) -> Tensor | None:
        """The best directions known, (matrices, length); None: there are none."""
        if self.learned is not None:
            basis, mixture = self.learned
            weights = to_device(torch.from_numpy(mixture.astype(np.float32)), basis.device)
            self.best = (weights.unsqueeze(1) @ basis).squeeze(1)[:, : self.length]
        return self.best

    @property
    def vector(self) -> Tensor | None:
        """The best directions known, (matrices * length,), for the state; None before the first iteration."""
        return None if self.runs == 0 and self.best is None else self.start(torch.device("cpu")).reshape(-1)


def iterate(vectors: Tensor, steps: int) -> Products:
    """A fixed number of steps from vectors of norm 1, (matrices, length): diagonals, off-diagonals and bases."""
    zero = torch.zeros((), dtype=torch.float32, device=vectors.device)
    basis = torch.empty(len(vectors), 0, vectors.shape[1], dtype=torch.float32, device=vectors.device)
    alpha: list[Tensor] = []
    beta: list[Tensor] = []
    largest = zero
    for step in range(steps):
        # The next row of the tridiagonal matrix: WᵀW in the direction of the newest vector.
        basis = torch.cat([basis, vectors.unsqueeze(1)], 1)
        product = yield vectors
        alpha.append((vectors * product).sum(1))
        if step + 1 == steps:
            beta.append(torch.zeros_like(alpha[0]))
            break
        rest = _without(basis, product)
        length = torch.linalg.vector_norm(rest, dim=1)
        largest = torch.maximum(largest, alpha[-1])
        # What is left where the space is exhausted is rounding noise: no direction, so the iteration stays at 0.
        length = torch.where(length > NOISE * largest, length, zero)
        beta.append(length)
        # Once more without the basis, as rounding errors of the first time would grow with the steps.
        along = length.unsqueeze(1)
        vectors = torch.where(along > 0, unit(_without(basis, rest / along)), zero)
    return torch.stack(alpha, 1), torch.stack(beta, 1), basis


def _without(basis: Tensor, vectors: Tensor) -> Tensor:
    """The part of each vector that is orthogonal to the rows of its orthonormal basis, (matrices, steps, length)."""
    if len(basis) == 1:
        return vectors - (basis[0] @ vectors[0]) @ basis[0]
    # Not by products of batches of matrices: their sums err by more than what counts as noise.
    inside = (basis * vectors.unsqueeze(1)).sum(2, keepdim=True)
    return vectors - (basis * inside).sum(1)


def unit(vectors: Tensor) -> Tensor:
    """Each vector at norm 1; 0 stays 0."""
    length: Tensor = torch.linalg.vector_norm(vectors, dim=-1, keepdim=True)
    return vectors / length.clamp(min=1e-30)


def _irregular(length: int, ordinal: int, device: torch.device) -> Tensor:
    """A vector of norm 1 that looks random and needs no generator."""
    if looks(device):
        here = np.sin(np.arange(1, length + 1) * 12.9898 + 78.233 * (ordinal + 1)) * 43758.547
        here -= np.floor(here) + 0.5
        return torch.from_numpy((here / np.linalg.norm(here)).astype(np.float32))
    index = torch.arange(1, length + 1, device=device, dtype=torch.float32)
    return unit(irregular_waves(index, ordinal))


def irregular_waves(index: Tensor, ordinal: Tensor | float) -> Tensor:
    """Values at places from 1 on that look random, as of `_irregular` but of no special norm; of any shapes."""
    wave = torch.sin(index * 12.9898 + 78.233 * (ordinal + 1)) * 43758.547
    return wave - wave.floor() - 0.5


def _mixed(best: npt.NDArray[np.float32], irregular: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """As `Lanczos.start` mixes them, of one matrix on the host."""
    vector = best / np.float32(max(float(best.dot(best)) ** 0.5, 1e-30)) + np.float32(IRREGULAR) * irregular
    return np.asarray(vector / np.float32(float(vector.dot(vector)) ** 0.5), np.float32)


def _multiplier(tall: Tensor, scale: Tensor | None) -> Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]]:
    """What gives WᵀW v of one matrix on the host; small ones need no blocks."""
    if scale is None and tall.dtype == torch.float32 and tall.numel() <= _CACHED:
        whole = tall[0]
        turned = whole.T
        return lambda vector: (turned @ (whole @ torch.from_numpy(vector))).numpy()
    blocks = Blocks(tall, scale)
    return lambda vector: blocks.multiply(torch.from_numpy(vector[None])).numpy()[0]


def finished(products: Products, blocks: Blocks) -> tuple[Tensor, Tensor, Tensor]:
    """What an iteration returns whose products are those of whole matrices."""
    vector = next(products)
    while True:
        try:
            vector = products.send(blocks.multiply(vector))
        except StopIteration as end:
            returned: tuple[Tensor, Tensor, Tensor] = end.value
            return returned


class Blocks:
    """Tall matrices, (matrices, rows, length), in blocks of rows, scaled to float32, with 0 for what is not finite.

    Args:
        tall: Any float dtype.
        scale: As in `lightning_weightviz.measure.device.pooling.pool`.
        keeps: Whether small ones are kept in that form, for further products.
    """

    def __init__(self, tall: Tensor, scale: Tensor | None, *, keeps: bool = True) -> None:
        self._scale = scale
        # On the host both products find a small block in cache; what must be scaled first is kept whole if it can be.
        small = _CACHED if looks(tall.device) else _PASSING
        block = small if not keeps or (scale is None and looks(tall.device)) else _BLOCK
        self._parts = tall.split(max(1, block // max(1, tall.shape[0] * tall.shape[2])), 1)
        # New memory for each block would cost more than its products.
        reuses = len(self._parts) > 1 and scale is None and tall.dtype != torch.float32
        self._wide = torch.empty_like(self._parts[0], dtype=torch.float32) if reuses else None
        self._prepared = [self._prepare(self._parts[0])] if keeps and len(self._parts) == 1 else None

    def multiply(self, vectors: Tensor) -> Tensor:
        """WᵀW v of each, (matrices, length)."""
        product = torch.zeros_like(vectors)
        for part in self._prepared or map(self._prepare, self._parts):
            if len(part) == 1:
                product[0].addmv_(part[0].T, part[0] @ vectors[0])
            else:
                product += (part.mT @ (part @ vectors.unsqueeze(2))).squeeze(2)
        return product

    def _prepare(self, part: Tensor) -> Tensor:
        """A block as float32; valid until the next one is."""
        if self._wide is not None:
            return self._wide[:, : part.shape[1]].copy_(part)
        wide = widen(part)
        scaled = wide if self._scale is None else torch.where(wide.isfinite(), wide * self._scale, 0.0)
        return scaled.to(torch.float32)
