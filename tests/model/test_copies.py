"""Copies in kept memory: the values of the moment, each tensor once, the memory again."""

from __future__ import annotations

import torch

from lightning_weightviz.model.copies import Copies


def test_a_copy_holds_the_values_of_the_moment_in_the_same_layout() -> None:
    tensor = torch.randn(4, 3, 5, 5).to(memory_format=torch.channels_last)
    values = tensor.clone()
    copy = Copies().of(tensor)
    tensor.zero_()
    assert torch.equal(copy, values)
    assert copy.stride() == tensor.stride()


def test_memory_is_used_again() -> None:
    copies, tensor = Copies(), torch.randn(8, 8)
    first = copies.of(tensor).data_ptr()
    for _ in range(3):
        copies.renew()
        tensor += 1
        again = copies.of(tensor)
        assert again.data_ptr() == first
        assert torch.equal(again, tensor)


def test_a_tensor_is_copied_once() -> None:
    copies, tensor = Copies(), torch.randn(8, 8)
    assert copies.of(tensor) is copies.of(tensor)
    assert copies.of(tensor) is not copies.of(tensor.T)


def test_tensors_of_another_dtype_or_shape_at_the_same_address_are_told_apart() -> None:
    copies, tensor = Copies(), torch.ones(4, 4)
    views = [tensor, tensor.view(torch.int32), tensor.view(2, 8), tensor[:2]]
    for view, copy in zip(views, [copies.of(view) for view in views], strict=True):
        assert torch.equal(view, copy)


def test_memory_of_tensors_that_are_gone_is_let_go() -> None:
    copies, gone = Copies(), torch.randn(8, 8)
    copies.of(gone)
    copies.renew()
    copies.renew()
    assert copies._before == {} and copies._now == {}
