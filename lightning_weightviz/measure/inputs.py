"""What measuring takes, apart from the values of the parameters."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor


@dataclass(frozen=True)
class HeadSource:
    """Where a `lightning_weightviz.snapshot.ClassRows` comes from.

    Attributes:
        name: Of the weight.
        class_names: One a class.
        weight: (C, d), any float dtype; that of a 1x1 convolution comes flattened.
        bias: (C,) or None.
        chain: ``(module name, weight)`` of the Linear layers from the input up to and including the head; empty
            where there is no such chain.
        input_shape: (channels, height, width) or None.
        input_shape_given: Whether the user gave it.
        multi_label: Whether each output is an answer by itself.
        in_columns: Whether the user's own weight is (d, C).
    """

    name: str
    class_names: tuple[str, ...]
    weight: Tensor
    bias: Tensor | None = None
    chain: tuple[tuple[str, Tensor], ...] = ()
    input_shape: tuple[int, int, int] | None = None
    input_shape_given: bool = False
    multi_label: bool = False
    in_columns: bool = False

    @property
    def has_templates(self) -> bool:
        """Whether the product of the chain's weights can be drawn as images of the input."""
        if not self.chain or self.input_shape is None or self.weight.numel() == 0:
            return False
        return math.prod(self.input_shape) == self.chain[0][1].shape[1]


@dataclass(frozen=True)
class Wanted:
    """Which of the expensive quantities are measured.

    Attributes:
        spectrum: The largest singular values.
        powers: How many power sums: 2, or 4 with those that the kurtosis needs.
        sort: Exact percentiles of large parameters; those of small ones always are.
        means: Pooled maps of means.
        all_values: All singular values of all matrices, at each snapshot.
        still: Which units have not turned since the start.
    """

    spectrum: bool
    powers: int
    sort: bool
    means: bool
    all_values: bool
    still: bool


def plain(tensor: Tensor, name: str) -> Tensor:
    """The same values as a `torch.Tensor` that is of no subclass, detached, in the same memory.

    Args:
        tensor: Any.
        name: What it is called in the error.

    Raises:
        TypeError: It is of a subclass that decides what its values are (``__torch_dispatch__``): they cannot be read.
    """
    if type(tensor).__torch_dispatch__ is not Tensor.__torch_dispatch__:
        raise TypeError(f"cannot read the values of {name}: {type(tensor).__qualname__} decides what they are")
    # A subclass may change what a method does; none of them is asked.
    with torch._C.DisableTorchFunctionSubclass():
        return tensor.detach().as_subclass(Tensor)


def plain_head(head: HeadSource) -> HeadSource:
    """The same with each tensor as of `plain`."""
    return replace(
        head,
        weight=plain(head.weight, head.name),
        bias=None if head.bias is None else plain(head.bias, f"the bias of {head.name}"),
        chain=tuple((name, plain(weight, name)) for name, weight in head.chain),
    )
