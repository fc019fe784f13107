"""State for checkpoints: numpy arrays as tensors, since only they and primitives load with ``weights_only=True``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor


def to_tensors(state: Any) -> Any:
    """Copies nested dicts and lists, arrays as tensors."""
    return _convert(state, np.ndarray, lambda array: torch.from_numpy(array.copy()))


def to_arrays(state: Any) -> Any:
    """The inverse of `to_tensors`."""
    return _convert(state, Tensor, lambda tensor: tensor.detach().cpu().numpy().copy())


def _convert(state: Any, kind: type, convert: Callable[[Any], Any]) -> Any:
    if isinstance(state, kind):
        return convert(state)
    if isinstance(state, dict):
        return {key: _convert(value, kind, convert) for key, value in state.items()}
    if isinstance(state, list):
        return [_convert(value, kind, convert) for value in state]
    return state
