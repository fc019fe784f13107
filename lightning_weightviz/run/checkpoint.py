"""State for checkpoints: numpy arrays as tensors, since only they and primitives load with ``weights_only=True``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from pickle import UnpicklingError
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


def write(file: Path, state: Mapping[str, Any]) -> None:
    """Writes what `to_tensors` made to a file."""
    # Whole or not at all: who resumes must not find half of it.
    part = file.with_name(f"{file.name}.part")
    torch.save(dict(state), part)
    part.replace(file)


def read(file: Path) -> dict[str, Any]:
    """Reads what `write` wrote; nothing that the file holds is run.

    Raises:
        TypeError: It holds something else.
    """
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
    except (UnpicklingError, RuntimeError, EOFError):
        state = None
    if not isinstance(state, dict) or not isinstance(state.get("visualizer"), dict):
        raise TypeError("it was not written by WeightVisualizationCallback")
    return state


def _convert(state: Any, kind: type, convert: Callable[[Any], Any]) -> Any:
    if isinstance(state, kind):
        return convert(state)
    if isinstance(state, dict):
        return {key: _convert(value, kind, convert) for key, value in state.items()}
    if isinstance(state, list):
        return [_convert(value, kind, convert) for value in state]
    return state
