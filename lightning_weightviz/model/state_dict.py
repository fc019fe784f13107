"""A state dict as modules, each of the class that its keys and shapes tell of, so that it is shown like a network."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from lightning_weightviz.model.masks import is_mask

EMBEDDING = re.compile(r"(^|[._])(emb\w*|wte|wpe|tok\w*|vocab\w*)$|embedding", re.IGNORECASE)
"""Names by which embeddings go: their shape is that of a Linear."""

MOST_DEPTH = 100
"""Modules in each other; PyTorch goes through them by recursion."""
_CONVOLUTIONS: Mapping[int, Any] = {3: nn.Conv1d, 4: nn.Conv2d, 5: nn.Conv3d}
_RECURRENT: Mapping[int, Any] = {4: nn.LSTM, 3: nn.GRU, 1: nn.RNN}


def module_of(state: Mapping[str, Any]) -> nn.Module:
    """The modules that a state dict was taken of, as far as it tells.

    Buffers that PyTorch's normalisations keep are left out, and masks are buffers. What tells nothing is a plain
    ``Module``. Tensors are shared, not copied, and the random state is not touched.

    Args:
        state: Tensors by name, or a checkpoint that holds such a mapping under ``state_dict``.

    Raises:
        TypeError: A name is no string, or a value no tensor.

    Example:
        >>> module_of({"fc.weight": torch.zeros(3, 4), "fc.bias": torch.zeros(3)})
        Module(
          (fc): Linear(in_features=4, out_features=3, bias=True)
        )
    """
    inner = state.get("state_dict")
    tensors = inner if isinstance(inner, Mapping) else state
    groups: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        if not isinstance(name, str) or not isinstance(tensor, Tensor):
            raise TypeError(f"a state dict must hold tensors by name, got {name!r}: {type(tensor).__name__}")
        prefix, attribute = _split(name)
        groups.setdefault(prefix, {})[attribute] = tensor
    root = nn.Module() if set(groups) != {""} else _owner("", groups[""])
    for prefix, group in groups.items():
        module = _at(root, prefix, group) if prefix else root
        for attribute, tensor in group.items():
            # A state dict does not say what is frozen, so nothing is said to be.
            trainable = tensor.is_floating_point() or tensor.is_complex()
            if is_mask(attribute, tensor):
                module._buffers[attribute] = tensor.detach()
            elif attribute not in ("running_mean", "running_var", "num_batches_tracked"):
                module._parameters[attribute] = nn.Parameter(tensor.detach(), requires_grad=trainable)
    return root


def _split(name: str) -> tuple[str, str]:
    """A module's path and the attribute; a name that no modules could give is an attribute of the root as it is."""
    prefix, _, attribute = name.rpartition(".")
    segments = name.split(".")
    return (prefix, attribute) if all(segments) and len(segments) <= MOST_DEPTH else ("", name)


def _at(root: nn.Module, prefix: str, group: Mapping[str, Tensor]) -> nn.Module:
    """The module at a path, made where there is none, with those on the way."""
    *path, last = prefix.split(".")
    for name in path:
        child = root._modules.setdefault(name, nn.Module())
        assert child is not None
        root = child
    below = root._modules.get(last)
    module = root._modules[last] = _owner(prefix, group)
    if below is not None:
        module._modules.update(below._modules)
    return module


def _owner(name: str, group: Mapping[str, Tensor]) -> nn.Module:
    """A module without values, of the class that owns parameters of these names and shapes."""
    try:
        with torch.device("meta"), warnings.catch_warnings():
            # Torch warns of what has no elements.
            warnings.simplefilter("ignore")
            made = _guess(name, group)
    except Exception:  # names of a layer on shapes that it cannot have
        made = nn.Module()
    # It was made for its class and its sizes; what it holds is the state dict's.
    made._parameters.clear()
    made._buffers.clear()
    return made


def _guess(name: str, group: Mapping[str, Tensor]) -> nn.Module:
    weight, inputs, hidden = (group.get(key) for key in ("weight", "weight_ih_l0", "weight_hh_l0"))
    if "in_proj_weight" in group:
        # How many heads there are is in no state dict.
        return nn.MultiheadAttention(group["in_proj_weight"].shape[1], 1)
    if inputs is not None and hidden is not None:
        recurrent = _RECURRENT.get(len(inputs) // max(hidden.shape[1], 1))
        return recurrent(inputs.shape[1], hidden.shape[1]) if recurrent else nn.Module()
    if weight is None or weight.ndim == 0:
        return nn.Module()
    if "running_mean" in group:
        return nn.BatchNorm1d(len(weight))
    if weight.ndim == 1:
        return nn.LayerNorm(len(weight))
    if weight.ndim == 2:
        rows, columns = weight.shape
        if EMBEDDING.search(name):
            # Its own start, on the meta device, would import what PyTorch compiles with: seconds and 100 MB.
            return nn.Embedding(rows, columns, _weight=torch.empty(rows, columns, dtype=torch.float32, device="meta"))
        return nn.Linear(columns, rows, "bias" in group)
    convolution = _CONVOLUTIONS.get(weight.ndim)
    return convolution(weight.shape[1], weight.shape[0], tuple(weight.shape[2:])) if convolution else nn.Module()
