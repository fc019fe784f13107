"""Tensors whose values stay in a file until they are asked for, and are read again each time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


class InFile(Tensor):
    """A tensor of known shape and dtype that holds no values.

    Views of it, and whatever else PyTorch makes of it, are made of the values once these are read.

    Args:
        like: Of its shape, strides and dtype, on any device.
        read: Gives its values.
        source: What it was made of, in the file's own order of axes. None: itself.

    Attributes:
        read: Gives its values; nobody else keeps them.
        source: What it was made of.

    Example:
        >>> tensor = InFile(torch.empty(2, 3, device="meta"), lambda: torch.tensor([[1, 2, 3], [4, 5, 6]]))
        >>> tensor.T.shape, tensor.T.read().tolist()
        (torch.Size([3, 2]), [[1, 4], [2, 5], [3, 6]])
    """

    read: Callable[[], Tensor]
    source: InFile

    @staticmethod
    def __new__(cls, like: Tensor, read: Callable[[], Tensor], source: InFile | None = None) -> InFile:
        """A tensor of PyTorch's that has everything but values."""
        del read, source
        cpu = torch.device("cpu")
        made: InFile = Tensor._make_wrapper_subclass(
            cls, like.shape, strides=like.stride(), dtype=like.dtype, device=cpu
        )
        return made

    def __init__(self, like: Tensor, read: Callable[[], Tensor], source: InFile | None = None) -> None:
        self.read = read
        self.source = self if source is None else source

    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]  # as PyTorch's own do

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]  # PyTorch's own is a function of C
        cls, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        first, *others = args
        given = kwargs or {}
        meta = torch.empty_strided(first.shape, first.stride(), dtype=first.dtype, device="meta")
        return cls(function(meta, *others, **given), lambda: function(first.read(), *others, **given), first.source)

    def __repr__(self) -> str:  # type: ignore[override]
        """What is known of it; its values would have to be read."""
        return f"InFile(shape={tuple(self.shape)}, dtype={self.dtype})"
