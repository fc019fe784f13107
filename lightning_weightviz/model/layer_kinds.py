"""What a parameter is and how it is drawn, inferred from the module that owns it."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd
from torch.nn.parameter import is_lazy

from lightning_weightviz.model.mirror import kept_of, weight_name
from lightning_weightviz.model.sharding import own_class
from lightning_weightviz.model.sites import Place, attribute_of, own_parameters, weighted_modules
from lightning_weightviz.snapshot import Kind, Layout, Parameter

NORMS = (_NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm, nn.LocalResponseNorm)
IMAGE_SHAPES = {784: (1, 28, 28), 1024: (1, 32, 32), 3072: (3, 32, 32)}
"""Inputs that are taken for pictures where no shape is given: MNIST, CIFAR in grey and in colour."""

GATES = {
    (nn.LSTM, nn.LSTMCell): ("i input", "f forget", "g cell", "o output"),
    (nn.GRU, nn.GRUCell): ("r reset", "z update", "n new"),
}
"""What the equal stretches of rows of a recurrent layer's parameters are, in PyTorch's order."""
LARGEST_SIDE = 220
"""Rows that are larger pictures are drawn as a matrix: they would not fit a tile of the page."""

_KINDS: tuple[tuple[type[nn.Module] | tuple[type[nn.Module], ...], Kind], ...] = (
    (NORMS, "norm"),
    (_ConvNd, "conv"),
    ((nn.Embedding, nn.EmbeddingBag), "embedding"),
    (nn.MultiheadAttention, "attention"),
    ((nn.RNNBase, nn.RNNCellBase), "recurrent"),
    ((nn.Linear, nn.Bilinear), "linear"),
)


def parameter_of(place: Place, *, is_head: bool = False) -> Parameter:
    """What the parameter at a place is.

    Args:
        place: Of a parameter that has a shape.
        is_head: Whether its rows are the classes.
    """
    module, attribute, tensor = place.module, place.attribute, place.tensor
    shape, kept = drawn_shape(tensor), kept_of(module, attribute)
    # The last axis of pairs is none of a matrix behind another.
    stacked = 1 if tensor.is_complex() else _stacked(module, shape)
    return Parameter(
        name=place.name,
        aliases=place.aliases[1:],
        kind="head" if is_head else _kind(module, attribute),
        module=own_class(module).__name__,
        shape=shape,
        dtype=str(tensor.dtype).removeprefix("torch."),
        layout=_layout(module, shape),
        blocks=_blocks(module, attribute) if kept is None else kept.blocks,
        heads=_heads(module, attribute) if kept is None else kept.heads,
        padding_index=_padding_index(module),
        trainable=tensor.requires_grad,
        stacked=stacked,
        units_axis=_units_axis(module, attribute, shape, stacked),
        groups=_groups(module, shape),
        kept_shape=() if kept is None else kept.shape,
    )


def drawn_shape(tensor: Tensor) -> tuple[int, ...]:
    """As it is drawn: a complex number is two, its last axis is (real, imaginary)."""
    return tuple(tensor.shape) + ((2,) if tensor.is_complex() else ())


def as_images(parameter: Parameter, input_shape: tuple[int, int, int] | None) -> Parameter:
    """The weight of `images_layer`, each of whose rows is a picture."""
    shape = input_shape or IMAGE_SHAPES[parameter.shape[1]]
    return replace(parameter, layout="filters", tile=shape, tile_inferred=input_shape is None)


def _kind(module: nn.Module, attribute: str) -> Kind:
    kept = kept_of(module, attribute)
    kind: Kind = next((kind for types, kind in _KINDS if isinstance(module, types)), "other")
    if kept is not None and kept.kind is not None:
        kind = kept.kind
    return "bias" if kind != "norm" and "bias" in attribute else kind


def _layout(module: nn.Module, shape: tuple[int, ...]) -> Layout:
    if len(shape) < 2:
        return "vector"
    if not isinstance(module, _ConvNd) or len(shape) < 3 or max(shape[2:], default=1) == 1:
        return "matrix"
    tiled = len(shape) == 4 and shape[1] in (1, 3) and max(shape[2:]) <= LARGEST_SIDE
    return "filters" if tiled else "kernels"


def _blocks(module: nn.Module, attribute: str) -> tuple[str, ...]:
    if isinstance(module, nn.MultiheadAttention) and attribute.startswith("in_proj"):
        return ("q query", "k key", "v value")
    if attribute.startswith(("weight_hr", "bias_hr")):
        return ()
    return next((names for types, names in GATES.items() if isinstance(module, types)), ())


def _heads(module: nn.Module, attribute: str) -> int:
    if not isinstance(module, nn.MultiheadAttention) or not attribute.endswith("proj_weight"):
        return 1
    return int(attribute_of(module, "num_heads", 1))


def _padding_index(module: nn.Module) -> int | None:
    index = attribute_of(module, "padding_idx")
    return index if isinstance(index, int) and isinstance(module, (nn.Embedding, nn.EmbeddingBag)) else None


def _stacked(module: nn.Module, shape: tuple[int, ...]) -> int:
    """Experts and the like: one matrix behind the other, in a module that is none of PyTorch's layers."""
    known = isinstance(module, tuple(types for types, _ in _KINDS))
    return shape[0] if len(shape) == 3 and not known and min(shape) > 1 else 1


def _units_axis(module: nn.Module, attribute: str, shape: tuple[int, ...], stacked: int) -> int:
    """1 where the outputs are columns of the matrix, as in ``inputs @ weight``."""
    if len(shape) < 2:
        return 0
    if isinstance(module, _ConvTransposeNd):
        return 1
    if kept_of(module, attribute) is not None:
        return 0
    if stacked > 1:
        # A bias of one value per output tells; without it, inputs come first, as batched products take them.
        bias = own_parameters(module).get(f"{attribute.removesuffix('_weight')}_bias")
        return 0 if bias is not None and bias.shape[-1] == shape[1] != shape[2] else 1
    # The name under which Keras' layers keep matrices of (inputs, outputs).
    return int(takes_inputs_by_rows(module) or attribute == "kernel")


def takes_inputs_by_rows(module: nn.Module) -> bool:
    """Whether the rows of its weight are inputs: of a transposed convolution, and of Hugging Face's ``Conv1D``."""
    named = own_class(module).__name__ == "Conv1D" and not isinstance(module, nn.Conv1d)
    return named or isinstance(module, _ConvTransposeNd)


def _groups(module: nn.Module, shape: tuple[int, ...]) -> int:
    """Of a transposed convolution: each takes its own rows to its own outputs."""
    if not isinstance(module, _ConvTransposeNd) or len(shape) < 2:
        return 1
    groups = attribute_of(module, "groups", 1)
    return groups if isinstance(groups, int) and groups > 0 and shape[0] % groups == 0 else 1


def images_layer(model: nn.Module, input_shape: tuple[int, int, int] | None) -> nn.Module | None:
    """The first layer, where it is a Linear whose input is a picture, of the shape given or of a usual one."""
    first = next((module for _, module in weighted_modules(model) if not isinstance(module, NORMS)), None)
    weight = own_parameters(first).get(weight_name(first)) if isinstance(first, nn.Linear) else None
    if weight is None or is_lazy(weight) or weight.is_complex() or weight.ndim != 2:
        return None
    shape = input_shape or IMAGE_SHAPES.get(weight.shape[1])
    fits = shape is not None and torch.Size(shape).numel() == weight.shape[1] and max(shape[1:]) <= LARGEST_SIDE
    # A single row of pixels is no picture.
    return first if fits and shape is not None and min(shape[1:]) > 1 else None
