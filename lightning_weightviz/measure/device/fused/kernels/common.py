"""What kernels share."""

from __future__ import annotations

import torch
import triton
import triton.language as tl

TYPES = {torch.float32: tl.float32, torch.float16: tl.float16, torch.bfloat16: tl.bfloat16}
"""Triton's names of the dtypes that kernels read."""


@triton.jit
def finite_or(value, other):
    """Other values in place of those that are not finite."""
    return tl.where(tl.abs(value) < float("inf"), value, other)


@triton.jit
def scale_above(magnitude):
    """As `lightning_weightviz.measure.device.scaling.power_above`, of float32."""
    exponent = magnitude.to(tl.int32, bitcast=True) >> 23
    return ((254 - tl.minimum(tl.maximum(exponent, 1), 253)) << 23).to(tl.float32, bitcast=True)
