"""A model in a file of Keras', with as much of the attributes of Keras' own as this package asks a live model for."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from types import SimpleNamespace
from typing import Any, NamedTuple

from torch import Tensor


@dataclass(frozen=True)
class SavedVariable:
    """A weight.

    Attributes:
        name: As Keras calls it.
        value: Outputs last, as Keras keeps it.
        trainable: Whether training changes it.
    """

    name: str
    value: Tensor
    trainable: bool


class History(NamedTuple):
    """Which call of which layer gave a tensor."""

    operation: SavedLayer
    node_index: int
    tensor_index: int


@dataclass(eq=False)
class SavedLayer:
    """A layer or a model, whose class has the name of Keras' own; see `made`.

    Attributes:
        name: Of the layer.
        classes: Names of Keras' classes that it is one of.
        equation: Of an EinsumDense.
        groups: Of a convolution.
        activation: A namespace whose ``__name__`` is that of what it does at its end; None where there is none.
        layer: What it wraps.
        built: It has its weights.
        input_shape: Of a model with one input, the batch first; None where it is not known.
        output_names: Of a model.
        loss: What it was compiled with: names, in a list or by output where there are several.
        channels_last: Whether pictures are kept that way.
    """

    name: str
    classes: frozenset[str] = frozenset()
    equation: str = ""
    groups: int = 1
    activation: Any = None
    layer: SavedLayer | None = None
    built: bool = True
    input_shape: tuple[int | None, ...] | None = None
    output_names: list[str] = field(default_factory=list)
    loss: Any = None
    channels_last: bool = True
    _layers: list[SavedLayer] = field(default_factory=list)
    _trainable_variables: list[SavedVariable] = field(default_factory=list)
    _non_trainable_variables: tuple[SavedVariable, ...] = ()
    _outputs: list[Any] = field(default_factory=list)
    _inbound_nodes: list[Any] = field(default_factory=list)

    def hold(self, *layers: SavedLayer) -> None:
        """Takes layers as parts."""
        self._layers += layers

    def own(self, *variables: SavedVariable) -> None:
        """Takes variables."""
        self._trainable_variables += variables

    def call(self, *sources: History) -> None:
        """Is fed with tensors once more."""
        self._inbound_nodes.append(SimpleNamespace(input_tensors=_tensors(sources)))

    def give(self, *sources: History) -> None:
        """Has tensors as its outputs."""
        self._outputs = _tensors(sources)

    @property
    def calls(self) -> int:
        """How often it is fed."""
        return len(self._inbound_nodes)

    def _flatten_layers(self, include_self: bool = True) -> Iterator[SavedLayer]:
        """All layers in the order in which Keras goes through them."""
        if include_self:
            yield self
        seen: set[int] = set()
        waiting = deque(self._layers)
        while waiting:
            one = waiting.popleft()
            if id(one) not in seen:
                seen.add(id(one))
                yield one
                waiting.extendleft(one._layers)


def _tensors(sources: tuple[History, ...]) -> list[Any]:
    return [SimpleNamespace(_keras_history=source) for source in sources]


@cache
def made(name: str) -> type[SavedLayer]:
    """The class for a name of Keras' or of a user's own."""
    return type(name if name.isidentifier() else "Layer", (SavedLayer,), {})
