"""A layer of another framework as a module of PyTorch's: its values outputs first, and how they are kept over there."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from lightning_weightviz.snapshot import Kind


@dataclass(frozen=True)
class Kept:
    """How a parameter is kept where it was read.

    Attributes:
        shape: Over there, for instance (inputs, outputs).
        kind: What it does, where the mirror's class does not tell.
        blocks: Of its rows, as of `lightning_weightviz.snapshot.Parameter`.
        heads: Equal parts of its rows.
    """

    shape: tuple[int, ...]
    kind: Kind | None = None
    blocks: tuple[str, ...] = ()
    heads: int = 1


class Mirror(nn.Module):
    """A layer with another framework's names and PyTorch's order of axes.

    Its class is one of PyTorch's too, which says what it does. It is made without that one's values, and never called.

    Attributes:
        kept: Of the parameters whose axes were put in another order, by attribute.
        groups: Of a convolution.
    """

    groups: int = 1

    def __init__(self) -> None:
        # PyTorch's own would draw random values, and import what it compiles them with.
        nn.Module.__init__(self)
        self.kept: dict[str, Kept] = {}

    def extra_repr(self) -> str:
        """Its parameters and their shapes."""
        own = {name: tensor.shape for name, tensor in self._parameters.items() if tensor is not None}
        return ", ".join(f"{name}={tuple(shape)}" for name, shape in own.items())


def kept_of(module: nn.Module, attribute: str) -> Kept | None:
    """How a parameter is kept where it was read; None where that is no different."""
    return module.kept.get(attribute) if isinstance(module, Mirror) else None


def weight_name(module: nn.Module) -> str:
    """The attribute under which a Linear or a convolution keeps its weight."""
    return "kernel" if isinstance(module, Mirror) else "weight"
