"""Eigenvalues of the small tridiagonal matrices that the Lanczos iteration gives."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_TOLERANCE = 0.006
_NEAR = 0.006
"""Shares of the largest eigenvalue that may still be to come where the iteration stops."""
_FOUND = 0.002
"""The residual at which none of 120 random matrices, with and without large directions, held a larger value yet."""
_SECOND = 0.1
"""How much of the second vector goes into the next start."""
_AHEAD = 8
"""How often as much as in the next step is still to come."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Ritz:
    """What the small matrix of one iteration says.

    Attributes:
        value: Largest eigenvalue, σ² in the scale of the iteration.
        mixture: float64, (steps,): the next start in terms of the basis.
        settled: Whether the value has stopped growing.
    """

    value: float
    mixture: Floats
    settled: bool


def ritz(alpha: Floats, beta: Floats) -> Ritz:
    """Solves the tridiagonal matrix with diagonal `alpha`, (k,), and off-diagonal `beta`, (k - 1,) or more."""
    steps = len(alpha)
    if not np.isfinite(alpha).all() or not np.isfinite(beta).all():
        return Ritz(float("nan"), np.eye(steps)[0], settled=True)
    values, vectors = np.linalg.eigh(tridiagonal(alpha, beta))
    mixture = vectors[:, -1] + (_SECOND * vectors[:, -2] if steps > 1 else 0.0)
    return Ritz(float(max(values[-1], 0.0)), mixture, is_settled(alpha, beta))


def is_settled(alpha: Floats, beta: Floats) -> bool:
    """Whether the largest eigenvalue has stopped growing with the steps."""
    steps = len(alpha)
    both = np.zeros((2, steps, steps))
    both[0] = tridiagonal(alpha, beta)
    both[1, :-1, :-1] = both[0, :-1, :-1]
    now, before = np.linalg.eigvalsh(both)[:, -1]
    # At the edge of a dense spectrum the value still to come is about half a step's growth times the steps done,
    # and a start from an old vector counts for some.
    return bool((now - before) * max(steps, 16) / 2 <= _TOLERANCE * now)


def is_near(alpha: Floats, beta: Floats) -> bool:
    """Whether the largest eigenvalue is near enough, from what is left of its vector: the last of `beta` counts."""
    # One step more would add about twice the square of the residual, and the value still to come is `_AHEAD` times it.
    return 2 * _residual(alpha, beta) ** 2 * _AHEAD <= _NEAR


def is_found(alpha: Floats, beta: Floats) -> bool:
    """Whether the iteration has come upon an eigenvector that stands apart, from any start; arguments as `is_near`."""
    return abs(_residual(alpha, beta)) <= _FOUND


def _residual(alpha: Floats, beta: Floats) -> float:
    """How far the largest vector is from being one of the whole matrix, relative to its value."""
    values, vectors = np.linalg.eigh(tridiagonal(alpha, beta))
    return float(beta[-1] * vectors[-1, -1] / values[-1])


def tridiagonal(alpha: Floats, beta: Floats) -> Floats:
    """The symmetric matrix, (k, k), with diagonal `alpha`, (k,), and off-diagonal `beta`, (k - 1,) or more."""
    side = beta[: len(alpha) - 1]
    matrix = np.zeros((len(alpha), len(alpha)))
    matrix.flat[:: len(alpha) + 1] = alpha
    matrix.flat[1 :: len(alpha) + 1] = side
    matrix.flat[len(alpha) :: len(alpha) + 1] = side
    return matrix
