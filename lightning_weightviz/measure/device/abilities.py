"""What a device can do and what it costs to ask it something."""

from __future__ import annotations

import torch

HOSTS = frozenset({"cpu"})
"""Types of devices whose values the program may look at without waiting."""


def looks(device: torch.device) -> bool:
    """Whether the program may look at a value without waiting: true on the host, false on a device with a stream.

    Where it may, whole parameters of finite values skip what only NaN and Inf need.
    """
    return device.type in HOSTS


def accumulator(device: torch.device) -> torch.dtype:
    """The dtype in which sums are kept: float64, or float32 where the device has no wider one."""
    return torch.float32 if device.type == "mps" else torch.float64
