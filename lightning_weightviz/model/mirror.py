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

    Attributes:
        kept: Of the parameters whose axes were put in another order, by attribute.
    """

    kept: dict[str, Kept]


def kept_of(module: nn.Module, attribute: str) -> Kept | None:
    """How a parameter is kept where it was read; None where that is no different."""
    return module.kept.get(attribute) if isinstance(module, Mirror) else None


def weight_name(module: nn.Module) -> str:
    """The attribute under which a Linear or a convolution keeps its weight."""
    return "kernel" if isinstance(module, Mirror) else "weight"
