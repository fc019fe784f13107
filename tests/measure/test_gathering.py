from __future__ import annotations

import numpy as np
import pytest
import torch

from lightning_weightviz.measure.device import gathering
from lightning_weightviz.measure.device.gathering import Gathering
from tests.measure.test_meter import NoLook
from tests.support.oracles import numbers


@pytest.fixture(params=[(1 << 20, 1 << 23), (500, 1200), (1, 1)], autouse=True)
def _sizes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some together, in few batches or many, or each alone."""
    monkeypatch.setattr(gathering, "JOINED", request.param[0])
    monkeypatch.setattr(gathering, "BATCH", request.param[1])


def test_elements_of_any_dtype_and_layout_come_in_the_order_of_the_tensors() -> None:
    random = torch.Generator().manual_seed(0)
    dtypes = [torch.float32, torch.bfloat16, torch.float8_e4m3fn, torch.float32, torch.float16, torch.float64]
    tensors = [torch.randn(20 + 3 * k, 30, generator=random).to(dtype) for k, dtype in enumerate(dtypes * 2)]
    tensors += [torch.randn(20, 40, generator=random).T, torch.randn(4, 5, 6, 7).to(memory_format=torch.channels_last)]
    tensors += [torch.tensor(3.0), torch.empty(0), torch.randn(600)]
    tensors[0][3, 4], tensors[1][0, 0] = torch.nan, torch.inf
    places = [np.sort(np.random.default_rng(k).permutation(t.numel())[: k + 3]) for k, t in enumerate(tensors)]
    padding = [k % 4 for k in range(len(tensors))]
    expected = [
        np.append(numbers(one).ravel()[place], np.zeros(zeros))
        for one, place, zeros in zip(tensors, places, padding, strict=True)
    ]
    gather = Gathering(tensors, places, padding)
    with NoLook():
        found = gather(tensors)
    assert found.dtype == torch.float32
    np.testing.assert_array_equal(found.numpy(), np.concatenate(expected).astype(np.float32))


def test_what_was_gathered_is_a_copy() -> None:
    tensors = [torch.ones(5), torch.ones(7)]
    found = Gathering(tensors, [np.arange(5), np.arange(7)], [0, 0])(tensors)
    tensors[0].zero_()
    assert found.tolist() == [1.0] * 12
