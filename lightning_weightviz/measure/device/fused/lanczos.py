"""The Lanczos iterations of many matrices side by side: each step is the products, and one launch for all the rest."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from lightning_weightviz.measure.device.fused.kernels import lanczos as kernels
from lightning_weightviz.measure.device.fused.launching import current, table
from lightning_weightviz.measure.device.fused.products import Products
from lightning_weightviz.measure.device.lockstep import starts
from lightning_weightviz.measure.device.spectrum import COLD_STEPS, WARM_STEPS, Lanczos

BLOCK = 256
"""Elements of all vectors that one program reads at a time."""


def run_together(iterations: Sequence[Lanczos], products: Products) -> list[tuple[Tensor, Tensor]]:
    """Enqueues one run of each iteration; as `lightning_weightviz.measure.device.lockstep.run_together`.

    Args:
        iterations: Either all settled or none.
        products: Of their matrices, in the same order.
    """
    device, longest = products.device, products.longest
    steps = min(WARM_STEPS if all(one.settled for one in iterations) else COLD_STEPS, longest)
    lengths = tuple(one.length for one in iterations for _ in range(one.matrices))
    basis = torch.zeros(len(lengths), steps, longest, dtype=torch.float32, device=device)
    basis[:, 0] = starts(iterations, device)
    sides = torch.zeros(2, len(lengths), steps, dtype=torch.float32, device=device)
    own = table(lengths, device)
    for step in range(steps):
        product = products.multiply(basis[:, step])
        with current(device):
            kernels.take_step[(len(lengths),)](
                own, product, basis, sides, step, steps, longest, len(lengths), STEPS=COLD_STEPS, BLOCK=BLOCK
            )
    found, first = [], 0
    for one in iterations:
        rows, taken = slice(first, first + one.matrices), min(steps, one.length)
        one.keep(basis[rows, :taken])
        found.append((sides[0, rows, :taken], sides[1, rows, :taken]))
        first += one.matrices
    return found
