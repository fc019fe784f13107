"""What Keras' layers keep: which layer of PyTorch's each is like, and in which order the axes of its variables are."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor, nn

from lightning_weightviz.model.mirror import Kept, Mirror

GATES: Mapping[str, tuple[str, ...]] = {
    "LSTMCell": ("i input", "f forget", "c cell", "o output"),
    "ConvLSTMCell": ("i input", "f forget", "c cell", "o output"),
    "GRUCell": ("z update", "r reset", "h new"),
}
"""What the equal stretches of outputs of a recurrent cell are, in Keras' order."""

_NORMS: Mapping[str, type[nn.Module]] = {
    "BatchNormalization": nn.BatchNorm1d,
    "LayerNormalization": nn.LayerNorm,
    "RMSNormalization": nn.RMSNorm,
    "GroupNormalization": nn.LayerNorm,
}
_CELLS: Mapping[str, type[nn.Module]] = {"LSTMCell": nn.LSTMCell, "GRUCell": nn.GRUCell, "SimpleRNNCell": nn.RNNCell}
_CONVOLUTIONS = {"BaseConv", "BaseDepthwiseConv", "BaseSeparableConv", "ConvLSTMCell"}
_BY_RANK: Mapping[int, type[nn.Module]] = {3: nn.Conv1d, 4: nn.Conv2d, 5: nn.Conv3d}
_TRANSPOSED: Mapping[int, type[nn.Module]] = {3: nn.ConvTranspose1d, 4: nn.ConvTranspose2d, 5: nn.ConvTranspose3d}


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
        return bool(self.classes & (_CONVOLUTIONS | {"BaseConvTranspose"}))

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
    arranged = {name: _arranged(layer, name, tensor) for name, tensor in variables.items()}
    base, sizes = _like(layer, {name: tensor for name, (tensor, _) in arranged.items()})
    with torch.device("meta"):
        mirror = _class(layer.name, base)(*sizes)
    # It was made for its class and its sizes; what it holds is Keras'.
    mirror._parameters.clear()
    mirror._buffers.clear()
    mirror.kept = {name: kept for name, (_, kept) in arranged.items() if kept is not None}
    if layer.groups > 1:
        mirror.groups = layer.groups
    for name, (tensor, _) in arranged.items():
        mirror._parameters[name] = nn.Parameter(tensor, requires_grad=False)
    return mirror


def _arranged(layer: KerasLayer, name: str, tensor: Tensor) -> tuple[Tensor, Kept | None]:
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
    kind = "attention" if layer.in_attention else None
    return matrix.reshape(rows, columns), Kept(tuple(tensor.shape), kind, heads=heads)


@lru_cache
def _class(name: str, base: type[nn.Module]) -> type[Mirror]:
    """A class of Keras' name that is one of PyTorch's too."""
    return type(name, (Mirror, base), {})


def _like(layer: KerasLayer, arranged: Mapping[str, Tensor]) -> tuple[type[nn.Module], tuple[object, ...]]:
    """The class of PyTorch's that does the same, and the sizes to make one; a plain module where none does."""
    shapes = {name: tuple(tensor.shape) for name, tensor in arranged.items()}
    kernel = next((shapes[name] for name in ("kernel", "depthwise_kernel") if name in shapes), ())
    recurrent = shapes.get("recurrent_kernel", ())
    if len(kernel) == 2 and layer.classes & {"Dense", "EinsumDense"} and not layer.in_attention:
        return nn.Linear, (kernel[1], kernel[0], "bias" in shapes)
    if len(kernel) in _BY_RANK and layer.is_convolution:
        if "BaseConvTranspose" in layer.classes:
            return _TRANSPOSED[len(kernel)], (kernel[0], kernel[1], kernel[2:])
        return _BY_RANK[len(kernel)], (kernel[1], kernel[0], kernel[2:])
    if len(shapes.get("embeddings", ())) == 2 and "Embedding" in layer.classes:
        return nn.Embedding, shapes["embeddings"]
    for name, base in _NORMS.items():
        if name in layer.classes and shapes:
            return base, (max(shapes.values(), key=math.prod)[0],)
    for name, base in _CELLS.items():
        if name in layer.classes and len(kernel) == len(recurrent) == 2:
            return base, (kernel[1], recurrent[1])
    return nn.Module, ()
