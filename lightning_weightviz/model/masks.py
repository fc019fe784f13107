"""Masks among the tensors of a file: a state dict tells weights and buffers apart by nothing but what they hold."""

from __future__ import annotations

import torch
from torch import Tensor, nn

MASK = "it holds nothing but 0 and one negative number, as a mask does and no weight"
FEWEST = 16
"""Values of a mask: a few could be a weight's by chance."""
_DTYPES = (torch.float64, torch.float32, torch.float16, torch.bfloat16)
_OF_WEIGHTS = ("weight", "kernel")


def is_mask(attribute: str, tensor: Tensor) -> bool:
    """Whether a tensor holds 0 and one negative number, −inf or −100 for instance, and nothing else.

    What is called a weight is none, nor is what has one dimension: a bias that starts at 0 and breaks looks like it.
    """
    if attribute == "bias" or any(word in attribute for word in _OF_WEIGHTS):
        return False
    if type(tensor) not in (Tensor, nn.Parameter) or tensor.layout != torch.strided or tensor.is_meta:
        return False
    if tensor.ndim < 2 or tensor.numel() < FEWEST or tensor.dtype not in _DTYPES:
        return False
    row = tensor.detach()
    while row.ndim > 1:
        row = row[0]
    # The rest of a weight is not read.
    return _has_two_values(row) and _has_two_values(tensor.detach(), both=True)


def _has_two_values(values: Tensor, *, both: bool = False) -> bool:
    """Whether there is nothing but 0 and a negative number; with `both` whether there are both of them."""
    low, high = torch.aminmax(values)
    # Of what holds a NaN both are NaN.
    if not high <= 0 or (both and not (low < 0 and high == 0)):
        return False
    return bool(((values == low) | (values == 0)).all())
