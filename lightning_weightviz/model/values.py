"""Brings what is selected into the form that `measure` takes: whole, plain, dense, real, detached tensors in use."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.parameter import is_lazy

from lightning_weightviz.model import sharding
from lightning_weightviz.model.flat_shards import Flat
from lightning_weightviz.model.in_file import InFile
from lightning_weightviz.model.reparametrization import mask_of
from lightning_weightviz.model.sites import Place


def reason_to_skip(tensor: Tensor) -> str | None:
    """Why the values of a parameter cannot be shown; None where they can."""
    if is_lazy(tensor):
        return "it is lazy and has no shape yet; it is shown once it has one"
    if tensor.is_meta:
        return "it is on the meta device and has no values"
    if not (tensor.is_floating_point() or tensor.is_complex()):
        return f"its dtype is {tensor.dtype}, and only floating point is shown"
    # By its name, as PyTorch has it since 2.8.
    if "float4" in str(tensor.dtype):
        return f"its dtype is {tensor.dtype}, two numbers in a byte, which PyTorch does not take apart"
    if isinstance(tensor, InFile):
        return None
    if isinstance(tensor, Flat):
        return tensor.origin.reason
    if not sharding.is_sharded(tensor) and _is_wrapper(tensor) and _unwrapped(tensor) is None:
        return f"its type {type(tensor).__name__} holds values that cannot be read without knowing it"
    if tensor.layout != torch.strided:
        return f"its layout is {tensor.layout}, and only dense tensors are shown"
    return None


def value_of(place: Place) -> Tensor:
    """The values of a parameter that are in use: of a pruned one, those that the mask leaves."""
    tensor = place.tensor
    mask = mask_of(place.module, place.attribute)
    if mask is None:
        return readable(tensor, place.name)
    with torch.no_grad():
        values, kept = all_readable([(place.name, tensor), (f"the mask of {place.name}", mask)])
        return values * kept.to(tensor.dtype)


def all_readable(tensors: Sequence[tuple[str, Tensor]]) -> list[Tensor]:
    """Each as of `readable`, by its name; where one fails, after all were tried, as other ranks may not fail."""
    read: list[Tensor] = []
    failed: list[Exception] = []
    for name, tensor in tensors:
        try:
            read.append(readable(tensor, name))
        except Exception as error:
            failed.append(error)
    if failed:
        raise failed[0]
    return read


def readable(tensor: Tensor, name: str) -> Tensor:
    """Whole, plain, dense and detached; complex numbers get a last axis of (real, imaginary).

    Args:
        tensor: Any; where it is spread over ranks, all of them must take part.
        name: Of what it is.

    Raises:
        TypeError: It is of a type whose values cannot be read.
    """
    whole = tensor.read() if isinstance(tensor, InFile) else sharding.whole(tensor, name)
    plain = _unwrapped(whole)
    if plain is None:
        raise TypeError(f"{type(whole).__name__} holds values that cannot be read without knowing it")
    dense = plain.to_dense() if plain.layout != torch.strided else plain
    return torch.view_as_real(dense.resolve_conj()) if dense.is_complex() else dense


def differences(now: Sequence[Tensor], before: Sequence[Tensor]) -> list[Tensor]:
    """What has changed, in float32 at least: eight bits have no subtraction, and sixteen lose a small change."""
    wide = (
        torch.promote_types(tensor.dtype, torch.float32) if tensor.itemsize > 1 else torch.float32 for tensor in now
    )
    return [a.to(dtype) - b.to(dtype) for a, b, dtype in zip(now, before, wide, strict=True)]


def _is_wrapper(tensor: Tensor) -> bool:
    return type(tensor) is not Tensor and type(tensor).__torch_dispatch__ is not torch.nn.Parameter.__torch_dispatch__


def _unwrapped(tensor: Tensor) -> Tensor | None:
    """A plain tensor of the same values; None where the type does not say how to get one."""
    tensor = tensor.detach()
    if not _is_wrapper(tensor):
        return tensor.as_subclass(Tensor)
    # Quantised tensors say it under one of these names.
    for name in ("dequantize", "get_original_weight"):
        method = getattr(type(tensor), name, None)
        if method is None or method is getattr(Tensor, name, None):
            continue
        try:
            plain = getattr(tensor, name)()
        except Exception:
            continue
        if isinstance(plain, Tensor) and not _is_wrapper(plain) and plain.shape == tensor.shape:
            return plain.detach()
    return None
