"""Where parameters are in a model, while it changes: asked of modules that may answer in any way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from lightning_weightviz.model import flat_shards
from lightning_weightviz.model.names import joined
from lightning_weightviz.snapshot import Parameter


@dataclass(frozen=True)
class Place:
    """One parameter of a model, and where it was found first.

    Attributes:
        path: Name of the module that owns it, in the model as it is wrapped.
        module: That module.
        attribute: The parameter's name there.
        aliases: All its clean names in the model; several where weights are tied.
    """

    path: str
    module: nn.Module
    attribute: str
    aliases: tuple[str, ...]

    @property
    def name(self) -> str:
        """The clean name that it goes by."""
        return self.aliases[0]

    @property
    def tensor(self) -> nn.Parameter:
        """The parameter as it is now: it may be replaced while the module stays."""
        tensor: nn.Parameter = own_parameters(self.module)[self.attribute]
        return tensor

    def may_have_outputs(self, count: int) -> bool:
        """Whether it is a weight of so many rows or columns, or of a layer of so many channels."""
        tensor = self.tensor
        if is_lazy(tensor) or tensor.ndim < 2:
            return False
        return count in (*tensor.shape[:2], attribute_of(self.module, "out_channels"))

    @property
    def fingerprint(self) -> tuple[object, ...]:
        """What a selection was made from: where it differs, the model has other parameters than before."""
        tensor = self.tensor
        shape = None if is_lazy(tensor) else tuple(tensor.shape)
        return self.path, id(self.module), self.attribute, self.aliases, shape, tensor.dtype, tensor.is_meta


@dataclass(frozen=True)
class Site:
    """A parameter that is shown, and where it is.

    Attributes:
        place: Where.
        parameter: What it is.
    """

    place: Place
    parameter: Parameter

    @property
    def tensor(self) -> nn.Parameter:
        """The parameter as it is now."""
        return self.place.tensor


def own_parameters(module: nn.Module) -> dict[str, nn.Parameter]:
    """A module's own parameters by name, and those that were taken from it as they were, as of the last `places_in`.

    Of a TorchScript module too, whose ``_parameters`` is no dict.
    """
    own: dict[str, Any] = {name: tensor for name, tensor in module._parameters.items() if tensor is not None}
    if taken := flat_shards.taken_from(module):
        # In their own order: what is not registered any more is registered last.
        own = {name: own.get(name, tensor) for name, tensor in taken.items()} | own | taken
    return {name: tensor for name, tensor in own.items() if not flat_shards.is_flat_parameter(tensor)}


def own_buffers(module: nn.Module) -> dict[str, Tensor]:
    """The same of its buffers."""
    return {name: tensor for name, tensor in module._buffers.items() if tensor is not None}


def attribute_of(module: nn.Module, name: str, otherwise: Any = None) -> Any:
    """An attribute of a module; `otherwise` where there is none, whatever its ``__getattr__`` raises."""
    try:
        return getattr(module, name, otherwise)
    except Exception:
        return otherwise


def places_in(model: nn.Module) -> list[Place]:
    """Each parameter once, in the order of the network."""
    flat_shards.find(model)
    found: dict[int, tuple[str, nn.Module, str, list[str]]] = {}
    for path, module in model.named_modules(remove_duplicate=False):
        for attribute, tensor in own_parameters(module).items():
            *_, aliases = found.setdefault(id(tensor), (path, module, attribute, []))
            aliases.append(joined(path, attribute))
    return [Place(path, module, attribute, tuple(aliases)) for path, module, attribute, aliases in found.values()]


def parameter_names(model: nn.Module) -> list[str]:
    """The names of all parameters, those of tied weights too, in the order of the network."""
    return [name for place in places_in(model) for name in place.aliases]


def weighted_modules(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """The modules that own parameters, by name, in the order of the network."""
    return ((path, module) for path, module in model.named_modules() if own_parameters(module))
