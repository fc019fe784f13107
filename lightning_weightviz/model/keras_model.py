"""A Keras model as modules that hold its weights under Keras' names, so that it is shown like a network of PyTorch's.

Keras is never imported here: who has a model of its has imported it.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from lightning_weightviz.model.evidence import Trace
from lightning_weightviz.model.keras_classes import ATTENTION
from lightning_weightviz.model.keras_head import answers_of
from lightning_weightviz.model.keras_layers import KerasLayer, arranged, mirror_of
from lightning_weightviz.model.keras_pictures import as_channels_first, picture_shape
from lightning_weightviz.model.keras_saved import SavedLayer
from lightning_weightviz.model.mirror import Mirror

_WEIGHTS = {"kernel", "bias", "embeddings", "recurrent_kernel", "depthwise_kernel", "pointwise_kernel"}
"""Shown also where a layer made them as what no training changes, as a base below adapters."""


@dataclass(frozen=True)
class Mirrored:
    """A Keras model as this package reads it.

    Attributes:
        module: One module per layer that owns weights, nested and named as Keras' layers.
        trace: Which layers give the answers; None where the model does not tell.
        input_shape: (channels, height, width) of the pictures that its first Dense takes; None where not known.
    """

    module: nn.Module
    trace: Trace | None
    input_shape: tuple[int, int, int] | None
    _model: Any = field(default=None, repr=False)
    _sources: tuple[_Source, ...] = field(default=(), repr=False)

    def refresh(self) -> None:
        """Brings the values of the modules to what Keras has now, while it trains; the modules stay."""
        # JAX keeps what it trains apart from the model until it is asked for it.
        if callable(sync := getattr(self._model, "jax_state_sync", None)):
            sync()
        for source in self._sources:
            source.read()
        if _channels_last(self._model):
            as_channels_first(self.module, self.input_shape)


@dataclass(frozen=True)
class _Source:
    """Where the values of a mirror's parameter come from."""

    mirror: Mirror
    attribute: str
    layer: KerasLayer
    variable: Any

    def read(self) -> None:
        """Reads them anew, and whether they are trained."""
        parameter = self.mirror._parameters[self.attribute]
        assert parameter is not None
        parameter.data = arranged(self.layer, self.attribute, _values(self.variable))[0]
        self.say_whether_trained()

    def say_whether_trained(self) -> None:
        """Training may freeze and thaw layers."""
        parameter = self.mirror._parameters[self.attribute]
        assert parameter is not None
        differentiable = parameter.is_floating_point() or parameter.is_complex()
        parameter.requires_grad_(bool(self.variable.trainable) and differentiable)


def is_keras_model(thing: object) -> bool:
    """Whether it is a model or a layer of Keras 3."""
    keras = sys.modules.get("keras")
    layer = getattr(keras, "Layer", None)
    version = str(getattr(keras, "__version__", ""))
    return isinstance(layer, type) and isinstance(thing, layer) and not version.startswith(("1.", "2."))


def is_built(model: Any) -> bool:
    """Whether a model and all its layers have their weights."""
    return bool(model.built) and all(layer.built for layer in model._flatten_layers())


def mirror_of_model(model: Any, input_shape: tuple[int, int, int] | None = None) -> Mirrored:
    """Reads a Keras model of any backend; nothing is called and nothing changes.

    Args:
        model: A Keras model or layer, built, or one in a file.
        input_shape: (channels, height, width) of the input, by the user.

    Raises:
        ValueError: It is not built yet, and so has no weights.
    """
    reader = _Reader()
    module = reader.read(model)
    if not model.built or (not _has_weights(module) and any(not one.built for one in model._flatten_layers())):
        raise ValueError(
            f"the Keras model {model.name!r} has no weights yet, as it is not built: "
            "call it on some data, or model.build(input_shape), before its weights are shown"
        )
    last = _channels_last(model)
    shape = picture_shape(model, module, input_shape, channels_last=last)
    if last:
        as_channels_first(module, shape)
    return Mirrored(module, answers_of(model, reader.mirrors), shape, model, tuple(reader.sources.values()))


@dataclass
class _Reader:
    """Makes each layer's mirror once.

    Attributes:
        mirrors: By the layer's ``id``.
        sources: The parameter of each variable, by the variable's ``id``.
    """

    mirrors: dict[int, Mirror] = field(default_factory=dict)
    sources: dict[int, _Source] = field(default_factory=dict)

    def read(self, layer: Any, above: Any = None) -> Mirror:
        """The mirror of a layer, which the one above holds, with those of the layers in it that have weights."""
        if id(layer) in self.mirrors:
            return self.mirrors[id(layer)]
        own, described = _own_variables(layer), _described(layer, above)
        mirror = mirror_of(described, {name: _values(variable) for name, variable in own.items()})
        self.mirrors[id(layer)] = mirror
        for name, variable in own.items():
            self._adopt(_Source(mirror, name, described, variable))
        for below in layer._layers:
            child = self.read(below, layer)
            if _has_weights(child):
                mirror._modules[_free(_safe(below.name), {**mirror._modules, **own})] = child
        return mirror

    def _adopt(self, source: _Source) -> None:
        """Says whether a variable is trained; one that another layer has too is the same parameter."""
        first = self.sources.setdefault(id(source.variable), source)
        if first is source:
            return source.say_whether_trained()
        mirror, name = source.mirror, source.attribute
        mirror._parameters[name] = first.mirror._parameters[first.attribute]
        mirror.kept.pop(name, None)
        if first.attribute in first.mirror.kept:
            mirror.kept[name] = first.mirror.kept[first.attribute]


def _described(layer: Any, above: Any) -> KerasLayer:
    equation, groups = getattr(layer, "equation", ""), getattr(layer, "groups", 1)
    return KerasLayer(
        name=type(layer).__name__,
        classes=_classes(layer),
        equation=equation if isinstance(equation, str) else "",
        groups=groups if isinstance(groups, int) else 1,
        in_attention=not ATTENTION.isdisjoint(_classes(above)),
    )


def _classes(layer: Any) -> frozenset[str]:
    """Names of Keras' own classes that a layer is one of."""
    if isinstance(layer, SavedLayer):
        return layer.classes
    return frozenset(one.__name__ for one in type(layer).__mro__ if one.__module__.partition(".")[0] == "keras")


def _own_variables(layer: Any) -> dict[str, Any]:
    """A layer's own weights by name; not its state, such as moving means, which Keras keeps apart."""
    found: dict[str, Any] = {}
    for variable in layer._trainable_variables:
        found[_free(_safe(variable.name), found)] = variable
    for variable in layer._non_trainable_variables:
        if variable.name in _WEIGHTS:
            found[_free(_safe(variable.name), found)] = variable
    return found


def _has_weights(module: nn.Module) -> bool:
    return next(module.parameters(), None) is not None


def _safe(name: str) -> str:
    """A name as one segment of a parameter's name.

    >>> _safe("block.1/conv")
    'block_1_conv'
    """
    return name.replace(".", "_").replace("/", "_") or "_"


def _free(name: str, taken: Mapping[str, Any]) -> str:
    """A name that is not taken, with a number behind it where it would be.

    >>> _free("dense", {"dense": 0}), _free("dense", {})
    ('dense_1', 'dense')
    """
    number, free = 0, name
    while free in taken:
        number += 1
        free = f"{name}_{number}"
    return free


def _channels_last(model: Any) -> bool:
    """Whether pictures have their channels last: so Keras was set up, or the file says so."""
    if isinstance(model, SavedLayer):
        return model.channels_last
    order: str = sys.modules["keras"].config.image_data_format()
    return order == "channels_last"


def _values(variable: Any) -> Tensor:
    """A variable's values, of any backend: those of PyTorch's are shared, others come to the host."""
    value = variable.value
    if isinstance(value, Tensor):
        return value.detach()
    array = sys.modules["keras"].ops.convert_to_numpy(value)
    # NumPy's own types alone are known to PyTorch; those that came later are known by their name and size.
    if array.dtype.kind in "fciub" and array.dtype.isbuiltin == 1:
        return torch.from_numpy(array)
    dtype = getattr(torch, array.dtype.name, None)
    if not isinstance(dtype, torch.dtype) or dtype.itemsize != array.dtype.itemsize:
        return torch.from_numpy(array.astype("float32"))
    return torch.from_numpy(array.view(f"uint{8 * dtype.itemsize}")).view(dtype)
