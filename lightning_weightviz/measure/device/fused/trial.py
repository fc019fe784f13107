"""The smallest kernel: whether there is a compiler, and a driver that takes what it makes."""

from __future__ import annotations

import torch

from lightning_weightviz.measure.device.fused.kernels.trial import put_one
from lightning_weightviz.measure.device.fused.launching import current


def error_of(device: torch.device) -> str:
    """Why it cannot be built and launched on a device, in one line; empty where it can. Waits for nothing."""
    try:
        with current(device):
            put_one[(1,)](torch.empty(1, dtype=torch.float32, device=device))
    except Exception as error:
        # No compiler of C, a folder that cannot be written to, a device too new.
        return f"Triton builds no kernel there ({type(error).__name__}: {next(iter(str(error).splitlines()), '')})"
    return ""
