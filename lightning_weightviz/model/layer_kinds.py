"""What a parameter is and how it is drawn: told from the module that owns it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd
from torch.nn.parameter import is_lazy

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


def describe(module: nn.Module, attribute: str, aliases: Sequence[str], *, is_head: bool) -> Parameter:
    """A parameter of a module.

    Args:
        module: That owns it.
        attribute: Its name there.
        aliases: Its names in the model, the one that it goes by first.
        is_head: Whether its rows are the classes.
    """
    tensor = module._parameters[attribute]
    assert tensor is not None
    shape = drawn_shape(tensor)
    return Parameter(
        name=aliases[0],
        aliases=tuple(aliases[1:]),
        kind="head" if is_head else _kind(module, attribute),
        module=type(module).__name__,
        shape=shape,
        dtype=str(tensor.dtype).removeprefix("torch."),
        layout=_layout(module, shape),
        blocks=_blocks(module, attribute),
        heads=_heads(module, attribute),
        padding_index=getattr(module, "padding_idx", None),
    )


def drawn_shape(tensor: Tensor) -> tuple[int, ...]:
    """As it is drawn: a complex number is two, its last axis is (real, imaginary)."""
    return tuple(tensor.shape) + ((2,) if tensor.is_complex() else ())


def _kind(module: nn.Module, attribute: str) -> Kind:
    kinds: list[tuple[type[nn.Module] | tuple[type[nn.Module], ...], Kind]] = [
        (NORMS, "norm"),
        (_ConvNd, "conv"),
        ((nn.Embedding, nn.EmbeddingBag), "embedding"),
        (nn.MultiheadAttention, "attention"),
        ((nn.RNNBase, nn.RNNCellBase), "recurrent"),
        ((nn.Linear, nn.Bilinear), "linear"),
    ]
    kind: Kind = next((kind for types, kind in kinds if isinstance(module, types)), "other")
    return "bias" if kind != "norm" and "bias" in attribute else kind


def _layout(module: nn.Module, shape: tuple[int, ...]) -> Layout:
    if len(shape) < 2:
        return "vector"
    if not isinstance(module, _ConvNd) or len(shape) != 2 + len(module.kernel_size) or max(shape[2:], default=1) == 1:
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
    heads: int = module.num_heads
    return heads


def images_layer(model: nn.Module, input_shape: tuple[int, int, int] | None) -> nn.Module | None:
    """The first layer, where it is a Linear whose input is a picture, of the shape given or of a usual one."""
    weighted = (module for module in model.modules() if any(True for _ in module.parameters(recurse=False)))
    first = next((module for module in weighted if not isinstance(module, NORMS)), None)
    weight = first._parameters.get("weight") if isinstance(first, nn.Linear) else None
    if weight is None or weight.is_complex() or is_lazy(weight) or weight.ndim != 2:
        return None
    shape = input_shape or IMAGE_SHAPES.get(weight.shape[1])
    fits = shape is not None and torch.Size(shape).numel() == weight.shape[1] and max(shape[1:]) <= LARGEST_SIDE
    # A single row of pixels is no picture.
    return first if fits and shape is not None and min(shape[1:]) > 1 else None


def is_multi_label(model: nn.Module) -> bool:
    """Whether it holds a loss that takes outputs one by one, or a metric of torchmetrics that does."""
    return any(
        isinstance(module, (nn.BCELoss, nn.BCEWithLogitsLoss, nn.MultiLabelSoftMarginLoss, nn.MultiLabelMarginLoss))
        or type(module).__name__.startswith("Multilabel")
        for module in model.modules()
    )
