"""The Lanczos iteration of one matrix where the program may look at it: no more steps than it takes.

In numpy, whose small operations take a third of torch's time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from lightning_weightviz.measure.tridiagonal import Top, is_found, is_near, is_settled, top

_FIRST_LOOK = 2
_FIRST_COLD_LOOK = 8
_FIRST_SETTLED = 24
"""Before, the value may rest for some steps and then go on growing."""
_NOISE = 1e-6

Floats = npt.NDArray[np.float64]
Row = npt.NDArray[np.float32]


class Found(NamedTuple):
    """What an iteration has found.

    Attributes:
        value: Largest eigenvalue of WᵀW.
        start: float32, (length,), where the next iteration starts, of any length.
    """

    value: float
    start: Row


def iterate(multiply: Callable[[Row], Row], start: Row, most: int, *, warm: bool) -> Found:
    """Goes on until the value is near enough.

    Args:
        multiply: WᵀW v of a vector.
        start: float32, of norm 1.
        most: Steps, at most.
        warm: Whether the start was good a snapshot ago.
    """
    steps = min(most, len(start))
    basis = np.empty((steps, len(start)), np.float32)
    alpha, beta = np.zeros((2, steps))
    basis[0] = vector = start
    for done in range(1, steps + 1):
        product = multiply(vector)
        alpha[done - 1] = vector.dot(product)
        known = basis[:done]
        rest = _orthogonal(known, product)
        length = float(rest.dot(rest)) ** 0.5
        if not length > _NOISE * alpha.max():
            break
        beta[done - 1] = length
        if done == steps or (done >= _FIRST_LOOK and _is_done(alpha[:done], beta[:done], warm=warm)):
            break
        # Once more without the basis, as rounding errors of the first time would grow with the steps.
        rest = _orthogonal(known, rest / np.float32(length))
        basis[done] = vector = rest / np.float32(float(rest.dot(rest)) ** 0.5)
    best = top(alpha[:done], beta[:done])
    return Found(max(best.value, 0.0), np.einsum("i,ij->j", best.mixture.astype(np.float32), basis[:done]))


def _is_done(alpha: Floats, beta: Floats, *, warm: bool) -> bool:
    """Whether these steps are enough."""
    if warm:
        return is_near(_residual(top(alpha, beta), beta))
    if len(alpha) < _FIRST_COLD_LOOK:
        return False
    settled = len(alpha) >= _FIRST_SETTLED and is_settled(alpha, beta)
    return settled or is_found(_residual(top(alpha, beta), beta))


def _residual(found: Top, beta: Floats) -> float:
    """How far the largest vector is from being one of the whole matrix, relative to its value."""
    return float(beta[-1]) * found.last / found.value


def _orthogonal(basis: npt.NDArray[np.float32], vector: Row) -> Row:
    """What of a vector is orthogonal to the rows of an orthonormal basis.

    Not by BLAS: numpy's has threads for products with matrices, which stay awake and take the cores from torch's.
    """
    inside: Row = np.einsum("i,ij->j", np.einsum("ij,j->i", basis, vector), basis)
    return vector - inside
