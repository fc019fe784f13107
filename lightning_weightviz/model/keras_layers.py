"""What Keras' layers keep: which layer of PyTorch's each is like, and in which order the axes of its variables are."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from torch import Tensor, nn

from lightning_weightviz.model.mirror import Kept, Mirror

GATES: Mapping[str, tuple[str, ...]] = {
    "LSTMCell": ("i input", "f forget", "c cell", "o output"),
    "ConvLSTMCell": ("i input", "f forget", "c cell", "o output"),
    "GRUCell": ("z update", "r reset", "h new"),
}
"""What the equal stretches of outputs of a recurrent cell are, in Keras' order."""

_WITH_POSITIONS = {"BaseConv", "BaseConvTranspose", "BaseDepthwiseConv", "BaseSeparableConv", "ConvLSTMCell"}
_CONVOLUTIONS: Mapping[int, type[nn.Module]] = {3: nn.Conv1d, 4: nn.Conv2d, 5: nn.Conv3d}
_TRANSPOSED: Mapping[int, type[nn.Module]] = {3: nn.ConvTranspose1d, 4: nn.ConvTranspose2d, 5: nn.ConvTranspose3d}
_OTHERS: Mapping[str, type[nn.Module]] = {
    "Embedding": nn.Embedding,
    "BatchNormalization": nn.BatchNorm1d,
    "LayerNormalization": nn.LayerNorm,
    "GroupNormalization": nn.GroupNorm,
    "RMSNormalization": nn.RMSNorm,
    "LSTMCell": nn.LSTMCell,
    "GRUCell": nn.GRUCell,
    "SimpleRNNCell": nn.RNNCell,
}


@dataclass(frozen=True)
class KerasLayer:
    """A layer of Keras', without its values.

    Attributes:
        name: Of its class, for instance ``Dense``.
        classes: Names of all of Keras' own classes that it is one of.
        equation: Of an EinsumDense; else empty.
        groups: Of a convolution.
        in_attention: Whether it is a projection of an attention layer.
    """

    name: str
    classes: frozenset[str]
    equation: str = ""
    groups: int = 1
    in_attention: bool = False

    @property
    def is_convolution(self) -> bool:
        """Whether its kernels have positions."""
        return bool(self.classes & _WITH_POSITIONS)

    @property
    def gates(self) -> tuple[str, ...]:
        """Of its outputs."""
        return next((gates for cell, gates in GATES.items() if cell in self.classes), ())


def mirror_of(layer: KerasLayer, variables: Mapping[str, Tensor]) -> Mirror:
    """The layer as a module that holds views of its variables, outputs first.

    Args:
        layer: What it is.
        variables: Its own, by Keras' names and in Keras' order of axes.
    """
    found = {name: arranged(layer, name, tensor) for name, tensor in variables.items()}
    base = _like(layer, {name: tensor.ndim for name, (tensor, _) in found.items()})
    mirror = _class(layer.name, base)()  # type: ignore[arg-type]  # classes can be hashed
    for name, (tensor, kept) in found.items():
        mirror._parameters[name] = nn.Parameter(tensor, requires_grad=False)
        if kept is not None:
            mirror.kept[name] = kept
    if isinstance(mirror, nn.Linear):
        mirror.out_features, mirror.in_features = found["kernel"][0].shape[:2]
    elif layer.is_convolution:
        mirror.groups = layer.groups
    return mirror


def arranged(layer: KerasLayer, name: str, tensor: Tensor) -> tuple[Tensor, Kept | None]:
    """A variable in PyTorch's order, and how Keras keeps it; None where that is the same."""
    kept = Kept(tuple(tensor.shape), blocks=layer.gates)
    if layer.is_convolution and tensor.ndim > 2:
        return _convolution(layer, name, tensor), kept
    if "EinsumDense" in layer.classes:
        return _einsum(layer, name, tensor)
    if tensor.ndim == 2 and (layer.gates or ("kernel" in name and layer.classes & {"Dense", "SimpleRNNCell"})):
        # The bias of a GRU is one too: a column for the inputs and one for what it remembers.
        return tensor.T, kept
    return tensor, kept if layer.gates else None


def _convolution(layer: KerasLayer, name: str, tensor: Tensor) -> Tensor:
    """(positions..., inputs, outputs) to (outputs, inputs, positions...); a transposed one has them the other way."""
    positions, dims = range(tensor.ndim - 2), tensor.ndim
    if name == "depthwise_kernel" or "BaseDepthwiseConv" in layer.classes:
        # A row is an output, as in a convolution of so many groups.
        return tensor.permute(dims - 2, dims - 1, *positions).flatten(0, 1).unsqueeze(1)
    return tensor.permute(dims - 1, dims - 2, *positions)


def _einsum(layer: KerasLayer, name: str, tensor: Tensor) -> tuple[Tensor, Kept | None]:
    """The kernel of an equation such as ``abc,cde->abde`` as one matrix, (d·e, c)."""
    inputs, _, rest = layer.equation.replace(" ", "").partition(",")
    axes, _, output = rest.partition("->")
    outer = [axis for axis in axes if axis in output and axis not in inputs]
    inner = [axis for axis in axes if axis not in output]
    if len(outer) + len(inner) != len(axes) or not outer:
        # An axis that all three share is no sum of products.
        return tensor, None
    if name == "bias" and tensor.ndim > 1:
        return tensor.flatten(), Kept(tuple(tensor.shape))
    if name != "kernel" or tensor.ndim != len(axes):
        return tensor, None
    size = dict(zip(axes, tensor.shape, strict=True))
    matrix = tensor.permute(*(axes.index(axis) for axis in (*outer, *inner)))
    rows, columns = (math.prod(size[axis] for axis in group) for group in (outer, inner))
    heads = size[outer[0]] if layer.in_attention and len(outer) > 1 else 1
    kept = Kept(tuple(tensor.shape), "attention" if layer.in_attention else None, heads=heads)
    return matrix.reshape(rows, columns), kept


@cache
def _class(name: str, base: type[nn.Module]) -> type[Mirror]:
    """A class of Keras' name that is one of PyTorch's too."""
    return type(name, (Mirror, base), {})


def _like(layer: KerasLayer, dims: Mapping[str, int]) -> type[nn.Module]:
    """The class of PyTorch's that does the same with variables of so many axes; a plain module where none does."""
    kernel = dims.get("kernel", dims.get("depthwise_kernel", 0))
    if kernel == 2 and layer.classes & {"Dense", "EinsumDense"} and not layer.in_attention:
        return nn.Linear
    if layer.is_convolution:
        by_dims = _TRANSPOSED if "BaseConvTranspose" in layer.classes else _CONVOLUTIONS
        return by_dims.get(kernel, nn.Module)
    return next((base for name, base in _OTHERS.items() if name in layer.classes), nn.Module)
