"""Brings what is selected into the form that `measure` takes: whole, dense, real, detached tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from lightning_weightviz.measure import HeadSource
from lightning_weightviz.model import sharding
from lightning_weightviz.model.selection import HeadSite


def readable(tensors: Sequence[Tensor]) -> list[Tensor]:
    """Whole, dense and detached; complex numbers get a last axis of (real, imaginary)."""
    dense = (tensor.to_dense() if tensor.layout != torch.strided else tensor for tensor in map(sharding.whole, tensors))
    return [torch.view_as_real(tensor.resolve_conj()) if tensor.is_complex() else tensor for tensor in dense]


def gradients(parameters: Sequence[nn.Parameter], observed: Mapping[int, Tensor]) -> list[Tensor]:
    """The gradients that were observed, by ``id`` of the parameter; elsewhere zeros, without their memory."""
    return [
        observed[id(parameter)]
        if id(parameter) in observed
        else torch.zeros((), dtype=parameter.dtype, device=parameter.device).expand(parameter.shape)
        for parameter in parameters
    ]


def differences(now: Sequence[Tensor], before: Sequence[Tensor]) -> list[Tensor]:
    """What has changed, in float32 at least: eight bits have no subtraction, and sixteen lose a small change."""
    wide = (
        torch.promote_types(tensor.dtype, torch.float32) if tensor.itemsize > 1 else torch.float32 for tensor in now
    )
    return [a.to(dtype) - b.to(dtype) for a, b, dtype in zip(now, before, wide, strict=True)]


def head_source(head: HeadSite, class_names: Sequence[str] | None) -> HeadSource:
    """The head's tensors as they are now; classes without names are numbered from 0."""
    weight = _whole(head.module, "weight")
    bias = head.module._parameters.get("bias")
    return HeadSource(
        name=head.name,
        class_names=tuple(class_names or (str(index) for index in range(head.classes))),
        weight=weight.reshape(weight.shape[0], -1),
        bias=None if bias is None else sharding.whole(bias),
        chain=tuple((name, _whole(module, "weight")) for name, module in head.chain),
        input_shape=head.input_shape,
        input_shape_given=head.input_shape_given,
        multi_label=head.multi_label,
    )


def _whole(module: nn.Module, attribute: str) -> Tensor:
    tensor = module._parameters[attribute]
    assert tensor is not None
    return sharding.whole(tensor)
