"""All singular values of matrices: squares of them are the eigenvalues of WWᵀ or WᵀW, whichever is smaller.

Both that product and its eigenvalues are taken in the device's widest dtype, as values below the root of its precision
are lost. A device with a stream sends the product, and the host finds the eigenvalues: a device would be waited for.
"""

from __future__ import annotations

import torch
from torch import Tensor

from lightning_weightviz.measure.device.abilities import accumulator, looks
from lightning_weightviz.measure.device.spectrum import Blocks, Lanczos, finished

EXACT = 2048
"""The longest shorter side of matrices of which all values are found; of larger ones the largest."""
STEPS = 64
"""Of the iteration that finds the largest: some dozens of directions that stand apart."""
MOST_SENT = 1 << 25
"""Elements of products that one measurement sends from a device with a stream: 256 MiB."""
_BLOCK = 1 << 21


def products_of(shape: tuple[int, int], matrices: int) -> int:
    """Elements of the products of matrices of that shape, where all values are found; else 0."""
    short = min(shape)
    return matrices * short**2 if short <= EXACT else 0


def singular_values(values: Tensor, scale: Tensor | None, matrices: int, *, exact: bool) -> dict[str, Tensor]:
    """Enqueues what the host makes a `lightning_weightviz.snapshot.Spectrum` of.

    Args:
        values: (rows, columns), one matrix below the other, at least one element, any float dtype.
        scale: As in `lightning_weightviz.measure.device.pooling.pool`.
        matrices: How many there are.
        exact: Whether to find all values; else `STEPS` of the Lanczos iteration are taken.

    Returns:
        Of the scaled values, in the device's widest dtype: ``deviations``, (matrices,), the standard deviation of each;
        NaN where it holds what is not finite. And ``squares``, (matrices, k), squared singular values; or
        ``products``, (matrices, k, k), of which these are the eigenvalues; or ``alpha`` and ``beta``, (matrices,
        steps), the tridiagonal matrices of the iteration. ``scale``, 0-d, where there is one.
    """
    of_each = values.unflatten(0, (matrices, -1))
    tall = of_each if of_each.shape[1] >= of_each.shape[2] else of_each.mT
    arrays = {"deviations": _deviations(tall, scale)}
    if scale is not None:
        arrays["scale"] = scale.to(accumulator(values.device))
    if not exact:
        steps = Lanczos(tall.shape[2], matrices).run_by_steps(values.device, STEPS)
        alpha, beta, _ = finished(steps, Blocks(tall, scale))
        return arrays | {"alpha": alpha, "beta": beta}
    if not looks(values.device):
        return arrays | {"products": torch.stack([_product(one, scale) for one in tall])}
    squares = [_eigenvalues(_product(one, scale)) for one in tall]
    return arrays | {"squares": torch.stack(squares)}


def _wide(part: Tensor, scale: Tensor | None) -> Tensor:
    wide = part.to(accumulator(part.device))
    return wide if scale is None else wide * scale


def _blocks(tall: Tensor, dim: int) -> tuple[Tensor, ...]:
    """Stretches along its longer side, which can be made wide one by one."""
    return torch.split(tall, max(1, _BLOCK * tall.shape[dim] // tall.numel()), dim)


def _deviations(tall: Tensor, scale: Tensor | None) -> Tensor:
    """Of (matrices, long, short), (matrices,), from the mean, as squares of values far from 0 would hide the spread."""
    sums = torch.stack([_wide(part, scale).sum((1, 2)) for part in _blocks(tall, 1)])
    mean = (sums.sum(0) / tall[0].numel())[:, None, None]
    squares = torch.stack([(_wide(part, scale) - mean).square().sum((1, 2)) for part in _blocks(tall, 1)])
    return (squares.sum(0) / tall[0].numel()).sqrt()


def _product(tall: Tensor, scale: Tensor | None) -> Tensor:
    """WᵀW of (long, short), (short, short)."""
    length = tall.shape[1]
    product = torch.zeros(length, length, dtype=accumulator(tall.device), device=tall.device)
    # It is symmetric: a quarter of the rows at a time needs five eighths of the products.
    quarter = -(-length // 4)
    for part in _blocks(tall, 0):
        wide = _wide(part, scale)
        for first in range(0, length, quarter):
            end = first + quarter
            product[first:end, first:].addmm_(wide[:, first:end].T, wide[:, first:])
    for first in range(0, length, quarter):
        end = first + quarter
        product[end:, first:end] = product[first:end, end:].T
    return product


def _eigenvalues(product: Tensor) -> Tensor:
    """On the host; NaN where the product is not finite."""
    if not bool(product.isfinite().all()):
        return torch.full_like(product[0], torch.nan)
    found: Tensor = torch.linalg.eigvalsh(product)
    return found
