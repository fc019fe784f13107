"""What this rank holds of parameters that are spread over ranks, as `measure` takes it; nothing is sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from lightning_weightviz.measure import Part, Split, Spread, box, cut_axes, stretch
from lightning_weightviz.model import sharding
from lightning_weightviz.model.flat_shards import Flat, Stretch
from lightning_weightviz.model.reparametrization import mask_of
from lightning_weightviz.model.sites import Site
from lightning_weightviz.model.values import readable
from lightning_weightviz.snapshot import Parameter


def value_here(site: Site) -> Spread:
    """What is here of a parameter's values in use: of a pruned one, those that the mask leaves.

    Raises:
        TypeError: It is of a type whose values cannot be read.
    """
    parameter, place = site.parameter, site.place
    mask = mask_of(place.module, place.attribute)
    if mask is None:
        return here(place.tensor, parameter)
    with torch.no_grad():
        values, kept = here(place.tensor, parameter), _mask_here(mask, place.tensor, parameter)
        if list(map(_rectangle, values.parts)) != list(map(_rectangle, kept.parts)):
            raise TypeError(f"the mask of {parameter.name} is not spread over the ranks as it is")
        masked = [a.values * b.values.to(a.values.dtype) for a, b in zip(values.parts, kept.parts, strict=True)]
        return values.with_values(masked, values.dtype)


def _mask_here(mask: Tensor, tensor: Tensor, parameter: Parameter) -> Spread:
    # Whoever takes parameters apart in order leaves buffers whole.
    if not isinstance(tensor, Flat):
        return here(mask, parameter)
    at = tensor.origin.here()
    values = mask.flatten()[at.start : at.start + len(at.values)]
    return _of_stretch(replace(at, values=values), parameter)


def gradient_here(gradient: Tensor | None, site: Site) -> Spread:
    """What is here of a parameter's gradient, as `sharding.gradient_of` gives it; None: it is on other ranks alone.

    Raises:
        TypeError: It is of a type whose values cannot be read.
        ValueError: Some of it should be here.
    """
    parameter, tensor = site.parameter, site.tensor
    if not isinstance(tensor, Flat):
        assert gradient is not None
        return here(gradient, parameter)
    at, dtype = tensor.origin.here(), tensor.origin.gradient_dtype
    if gradient is None:
        if len(at.values) > 0:
            raise ValueError(f"this rank has no gradient of {parameter.name}, and others have one")
        gradient = at.values
    return _of_stretch(replace(at, values=gradient.to(dtype)), parameter)


def nothing_of(site: Site) -> Spread:
    """As of `value_here`, where it cannot be read: it is cut as on the other ranks."""
    parameter, tensor = site.parameter, site.tensor
    return Spread((), _split_of(tensor, parameter) or "rows", tensor.dtype, tensor.device)


def _split_of(tensor: Tensor, parameter: Parameter) -> Split | None:
    """How it is cut; None where it is whole, or has no rectangles."""
    if isinstance(tensor, Flat):
        return "stretches"
    shard = sharding.shard_of(tensor)
    return None if shard is None or tensor.is_complex() else cut_axes(shard.axes, parameter)


def here(tensor: Tensor, parameter: Parameter) -> Spread:
    """What is here of a tensor of a parameter's shape: its values, or its gradient.

    Raises:
        TypeError: It is of a type whose values cannot be read.
    """
    if isinstance(tensor, Flat):
        return _of_stretch(tensor.origin.here(), parameter)
    shard, split = sharding.shard_of(tensor), _split_of(tensor, parameter)
    if shard is None or split is None:
        # Whole on every rank, or gathered as it is cut in a way that has no rectangles: the first one measures it.
        values = readable(tensor, parameter.name)
        parts = tuple(box(values, [0] * values.ndim, parameter)) if sharding.is_first() else ()
        return Spread(parts, "rows", values.dtype, values.device)
    values = readable(shard.values, parameter.name)
    parts = tuple(box(values, shard.offset, parameter)) if shard.counts else ()
    return Spread(parts, split, values.dtype, values.device)


def _of_stretch(at: Stretch, parameter: Parameter) -> Spread:
    values = readable(at.values, parameter.name)
    parts = tuple(stretch(values, at.start, parameter)) if at.counts else ()
    return Spread(parts, "stretches", values.dtype, values.device)


def changes(now: Sequence[Spread], before: Sequence[Spread]) -> list[Spread]:
    """What has changed of each, in float32 at least.

    Raises:
        ValueError: They are not cut alike.
    """
    return [_change(*pair) for pair in zip(now, before, strict=True)]


def _change(now: Spread, before: Spread) -> Spread:
    dtype = torch.promote_types(now.dtype, torch.float32) if now.dtype.itemsize > 1 else torch.float32
    if list(map(_rectangle, now.parts)) != list(map(_rectangle, before.parts)):
        raise ValueError("the weights are spread over the ranks in another way than at the snapshot before")
    pairs = zip(now.parts, before.parts, strict=True)
    return now.with_values([a.values.to(dtype) - b.values.to(dtype) for a, b in pairs], dtype)


def _rectangle(part: Part) -> tuple[tuple[int, int], tuple[int, int]]:
    return part.rows, part.columns
