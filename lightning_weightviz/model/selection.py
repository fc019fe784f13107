"""Which parameters to show, and what each of them is: decided once per fit, from the modules that own them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd
from torch.nn.parameter import is_lazy

from lightning_weightviz.model import sharding
from lightning_weightviz.model.layer_kinds import IMAGE_SHAPES, describe, drawn_shape, images_layer, is_multi_label
from lightning_weightviz.snapshot import Parameter

WRAPPERS = frozenset({"_orig_mod", "_fsdp_wrapped_module", "_forward_module", "_checkpoint_wrapped_module"})
"""Segments that wrappers put into parameter names."""


@dataclass(frozen=True)
class Site:
    """Where a parameter is found: the tensor itself may be replaced while the module stays.

    Attributes:
        path: Name of the module that owns it, in the model as it is wrapped.
        module: That module.
        attribute: The parameter's name there.
        parameter: What it is.
    """

    path: str
    module: nn.Module
    attribute: str
    parameter: Parameter

    def is_in(self, model: nn.Module) -> bool:
        """Whether the model still has this parameter, in the same module and of the same shape."""
        try:
            module = model.get_submodule(self.path)
        except AttributeError:
            return False
        tensor = self.module._parameters.get(self.attribute)
        return module is self.module and tensor is not None and drawn_shape(tensor) == self.parameter.shape

    @property
    def tensor(self) -> nn.Parameter:
        """The parameter as it is now."""
        tensor = self.module._parameters[self.attribute]
        assert tensor is not None
        return tensor


@dataclass(frozen=True)
class HeadSite:
    """The layer whose rows are the classes.

    Attributes:
        name: Of its weight.
        module: A Linear or a 1×1 convolution.
        chain: The Linear layers from the input to the head, by name, where the network is nothing else; else empty.
        input_shape: (channels, height, width) of the chain's input where known.
        input_shape_given: Whether the user gave it.
        multi_label: Whether each output is an answer by itself, as the model holds a loss or a metric of such.
    """

    name: str
    module: nn.Module
    chain: tuple[tuple[str, nn.Linear], ...]
    input_shape: tuple[int, int, int] | None
    input_shape_given: bool
    multi_label: bool = False

    @property
    def classes(self) -> int:
        """C, the number of rows."""
        weight = self.module._parameters["weight"]
        assert weight is not None
        return weight.shape[0]


@dataclass(frozen=True)
class Selection:
    """What is shown.

    Attributes:
        sites: In the order of the network.
        head: None where none is found.
        skipped: Why a parameter that was asked for is not shown, by its name.
    """

    sites: tuple[Site, ...]
    head: HeadSite | None
    skipped: dict[str, str]


def clean_name(name: str) -> str:
    """A parameter's name without what wrappers put in.

    >>> clean_name("_orig_mod.encoder._fsdp_wrapped_module.fc.weight")
    'encoder.fc.weight'
    """
    return ".".join(segment for segment in name.split(".") if segment not in WRAPPERS)


def select(
    model: nn.Module,
    *,
    layers: Sequence[str] | None = None,
    exclude: Sequence[str] = (),
    max_layers: int = 12,
    head: str | None = None,
    input_shape: tuple[int, int, int] | None = None,
) -> Selection:
    """Finds the parameters to show.

    Args:
        model: Any module.
        layers: Globs over parameter names; a module's name stands for all its parameters. None: all.
        exclude: The same, of what to leave out.
        max_layers: How many get pictures.
        head: Name of the weight of the layer whose rows are the classes. None: the last Linear or 1×1 convolution.
        input_shape: Of the input, for templates of the classes.

    Raises:
        ValueError: `head` is not a parameter of the model, or not one whose rows can be classes.

    Warns:
        UserWarning: A glob matches nothing.
    """
    found = _find(model)
    names = [name for *_, aliases in found for name in aliases]
    head_site = _find_head(model, head, input_shape, names)
    _warn_of_unmatched("layers", layers or (), names)
    _warn_of_unmatched("exclude", exclude, names)

    images = images_layer(model, input_shape)
    sites, skipped = [], {}
    flattened = sharding.is_flattened(model)
    for path, module, attribute, aliases in found:
        if not _wanted(aliases, layers, exclude):
            continue
        name = aliases[0]
        reason = (
            "its layers are flattened by FullyShardedDataParallel; use fully_shard (ModelParallelStrategy)"
            if flattened
            else _reason_to_skip(module._parameters[attribute])
        )
        if reason is not None:
            skipped[name] = reason
            continue
        is_head = head_site is not None and head_site.module is module and attribute == "weight"
        parameter = describe(module, attribute, aliases, is_head=is_head)
        if module is images and attribute == "weight":
            shape = input_shape or IMAGE_SHAPES[parameter.shape[1]]
            parameter = replace(parameter, layout="filters", tile=shape, tile_inferred=input_shape is None)
        sites.append(Site(path, module, attribute, parameter))
    return Selection(tuple(_mark_pictured(sites, max_layers)), head_site, skipped)


def parameter_names(model: nn.Module) -> list[str]:
    """The names of all parameters, those of tied weights too, in the order of the network."""
    return [name for *_, aliases in _find(model) for name in aliases]


def _find(model: nn.Module) -> list[tuple[str, nn.Module, str, list[str]]]:
    """Each parameter once: the path of its module, the module, its name there, and all its names in the model."""
    found: dict[int, tuple[str, nn.Module, str, list[str]]] = {}
    for module_name, module in model.named_modules(remove_duplicate=False):
        for attribute, tensor in module._parameters.items():
            if tensor is not None:
                name = clean_name(f"{module_name}.{attribute}" if module_name else attribute)
                found.setdefault(id(tensor), (module_name, module, attribute, []))[3].append(name)
    return list(found.values())


def matches(name: str, glob: str) -> bool:
    """Whether a glob is of a parameter's name, or of a module that holds it."""
    return fnmatchcase(name, glob) or fnmatchcase(name, f"{glob}.*")


def _wanted(aliases: Sequence[str], layers: Sequence[str] | None, exclude: Sequence[str]) -> bool:
    asked = layers is None or any(matches(name, glob) for name in aliases for glob in layers)
    return asked and not any(matches(name, glob) for name in aliases for glob in exclude)


def _warn_of_unmatched(argument: str, globs: Sequence[str], names: Sequence[str]) -> None:
    for glob in globs:
        if not any(matches(name, glob) for name in names):
            shown = ", ".join(names[:20]) + (f", … and {len(names) - 20} more" if len(names) > 20 else "")
            warnings.warn(f"{argument}: {glob!r} matches no parameter; there are: {shown}", stacklevel=2)


def _reason_to_skip(tensor: Tensor | None) -> str | None:
    assert tensor is not None
    if is_lazy(tensor):
        return "it is lazy and has no shape yet"
    if tensor.is_meta:
        return "it is on the meta device and has no values"
    if tensor.layout != torch.strided:
        return f"its layout is {tensor.layout}, and only dense tensors are shown"
    if not (tensor.is_floating_point() or tensor.is_complex()):
        return f"its dtype is {tensor.dtype}, and only floating point is shown"
    return sharding.reason_unreadable(tensor)


def _mark_pictured(sites: Sequence[Site], max_layers: int) -> Iterator[Site]:
    """Matrices come first: the first, the last (where the head is) and evenly between; then vectors, in order."""
    matrices = [index for index, site in enumerate(sites) if site.parameter.layout != "vector"]
    vectors = [index for index, site in enumerate(sites) if site.parameter.layout == "vector"]
    if len(matrices) > max_layers:
        last = len(matrices) - 1
        steps = max(max_layers - 1, 1)
        matrices = [matrices[round(i * last / steps)] for i in range(max_layers)]
    chosen = {*matrices, *vectors[: max_layers - len(matrices)]}
    for index, site in enumerate(sites):
        yield replace(site, parameter=replace(site.parameter, pictured=index in chosen))


def _find_head(
    model: nn.Module, head: str | None, input_shape: tuple[int, int, int] | None, names: Sequence[str]
) -> HeadSite | None:
    candidates = {
        clean_name(f"{name}.weight" if name else "weight"): module
        for name, module in model.named_modules()
        if _can_be_head(module)
    }
    if head is None:
        if not candidates:
            return None
        head = list(candidates)[-1]
    elif head not in candidates:
        wrong = "is not one whose rows can be classes" if head in names else "is not a parameter of the model"
        raise ValueError(
            f"head must name the weight of a Linear or 1×1 convolution, got {head!r}, which {wrong}; "
            f"there are: {', '.join(candidates) or 'none in this model'}"
        )
    chain = _chain(model, candidates[head])
    given = input_shape is not None
    if chain and input_shape is None:
        input_shape = IMAGE_SHAPES.get(chain[0][1].in_features)
    if not chain or input_shape is None or torch.Size(input_shape).numel() != chain[0][1].in_features:
        if chain and given:
            warnings.warn(
                f"input_shape: {input_shape} does not have the {chain[0][1].in_features} values that "
                f"{chain[0][0]} takes; no class templates are drawn",
                stacklevel=2,
            )
        chain, input_shape = (), None
    return HeadSite(head, candidates[head], chain, input_shape, given, is_multi_label(model))


def _can_be_head(module: nn.Module) -> bool:
    # The projection inside an attention layer is a Linear too, but nothing comes out of the network there.
    if isinstance(module, nn.Linear):
        usable = type(module).__name__ != "NonDynamicallyQuantizableLinear"
    else:
        usable = isinstance(module, _ConvNd) and set(module.kernel_size) == {1} and module.groups == 1
    weight = module._parameters.get("weight")
    return usable and weight is not None and _reason_to_skip(weight) is None and not weight.is_complex()


def _chain(model: nn.Module, head: nn.Module) -> tuple[tuple[str, nn.Linear], ...]:
    """The Linear layers up to the head, where all that has weights is Linear and each feeds the next."""
    chain: list[tuple[str, nn.Linear]] = []
    for name, module in model.named_modules():
        if not any(True for _ in module.parameters(recurse=False)):
            continue
        if not isinstance(module, nn.Linear) or "weight" not in module._parameters:
            return ()
        if chain and chain[-1][1].out_features != module.in_features:
            return ()
        chain.append((clean_name(name), module))
        if module is head:
            return tuple(chain)
    return ()
