"""What a file can tell of a mask: buffers that hold nothing but 0 and one negative number are no weights."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from lightning_weightviz.model.masks import is_mask
from lightning_weightviz.model.selection import select
from lightning_weightviz.model.state_dict import module_of

INF, NAN = torch.inf, torch.nan


def causal(low: float = -INF, size: int = 8) -> Tensor:
    return torch.triu(torch.full((size, size), low), 1)


def windows() -> Tensor:
    """As in Swin's published files: the first windows have no mask."""
    mask = torch.zeros(6, 9, 9)
    mask[4:, :5, 5:] = mask[4:, 5:, :5] = -100.0
    return mask


def strided() -> Tensor:
    return torch.triu(torch.full((8, 8), -INF), 1).T.contiguous().T


MASKS = {
    "causal": causal(),
    "of a large number": causal(-1e9),
    "of half precision": causal(float(torch.finfo(torch.float16).min)).half(),
    "of bfloat16": causal().bfloat16(),
    "of float64": causal().double(),
    "with axes for batch and heads": causal()[None, None],
    "of windows": windows(),
    "transposed": strided(),
}


@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
def test_masks_are_no_weights(mask: Tensor) -> None:
    assert is_mask("mask", mask)
    module = module_of({"layer.mask": mask, "layer.weight": torch.ones(2, 3)})
    assert [site.parameter.name for site in select(module).sites] == ["layer.weight"]
    assert [name for name, _ in module.named_buffers()] == ["layer.mask"]


def changed(place: tuple[int, ...], value: float) -> Tensor:
    mask = causal()
    mask[place] = value
    return mask


WEIGHTS = {
    "one positive value": changed((7, 0), 1e-9),
    "one NaN": changed((7, 0), NAN),
    "one NaN at the front": changed((0, 0), NAN),
    "one positive infinity": changed((7, 0), INF),
    "another negative value": changed((7, 0), -1.0),
    "zeros": torch.zeros(8, 8),
    "no zero": torch.full((8, 8), -INF),
    "ones": torch.tril(torch.ones(8, 8)),
    "one dimension": torch.tensor([0.0] * 20 + [-INF]),
    "a few values": torch.tensor([[0.0, -1.0]]),
    "nothing": torch.zeros(0, 8),
    "a number": torch.tensor(-INF),
    "normal": torch.randn(8, 8, generator=torch.Generator().manual_seed(0)),
    "complex": torch.zeros(8, 8, dtype=torch.complex64),
    "integers": causal(-1.0).long(),
    "on meta": causal().to("meta"),
    "sparse": causal(-1.0).to_sparse(),
    "eight bits": causal(-1.0).to(torch.float8_e4m3fn),
}


@pytest.mark.parametrize("tensor", WEIGHTS.values(), ids=WEIGHTS)
def test_what_may_be_a_weight_is_one(tensor: Tensor) -> None:
    assert not is_mask("mask", tensor)


@pytest.mark.parametrize("name", ["weight", "bias", "weight_ih_l0", "in_proj_weight", "kernel"])
def test_what_is_called_a_weight_is_one(name: str) -> None:
    assert not is_mask(name, causal())
    assert is_mask("attn_bias", causal())
