"""What FSDP1 and DeepSpeed take from layers stands in them again, as it was, and nothing is kept alive."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import distributed, nn
from torch.distributed.algorithms._checkpoint.checkpoint_wrapper import checkpoint_wrapper
from torch.distributed.fsdp import FullyShardedDataParallel
from torch.distributed.fsdp.wrap import ModuleWrapPolicy
from torch.nn.utils import parametrizations, prune

from lightning_weightviz.model.flat_shards import Flat
from lightning_weightviz.model.selection import select
from lightning_weightviz.model.sharding import is_spread, needs_every_rank, whole
from lightning_weightviz.model.sites import parameter_names
from lightning_weightviz.model.spread import value_here


@pytest.fixture(autouse=True)
def alone(tmp_path: Path) -> Iterator[None]:
    """A group of this process alone: FSDP1 shards nothing then, but flattens all the same."""
    distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    yield
    distributed.destroy_process_group()


class Network(nn.Module):
    """Attention, a tied layer, and a layer that is recomputed."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(3))
        self.embedding = nn.Embedding(12, 8)
        self.attention = nn.MultiheadAttention(8, 2)
        self.inner = checkpoint_wrapper(nn.Sequential(nn.Linear(8, 6), nn.LayerNorm(6), nn.Linear(6, 8)))
        self.decoder = nn.Linear(8, 12)
        self.decoder.weight = self.embedding.weight


def wrapped(model: nn.Module, **arguments: Any) -> nn.Module:
    """By FSDP1, which warns of its end and of ranks that are alone."""
    return FullyShardedDataParallel(model, device_id=torch.device("cpu"), **arguments)


pytestmark = pytest.mark.filterwarnings("ignore:.*FSDP.*", "ignore:.*FullyShardedDataParallel.*", "ignore:.*NO_SHARD.*")


@pytest.mark.parametrize("original", [False, True])
@pytest.mark.parametrize("policy", [None, ModuleWrapPolicy({nn.MultiheadAttention, nn.LayerNorm})])
def test_parameters_are_those_of_the_users_layers(original: bool, policy: ModuleWrapPolicy | None) -> None:
    true, model = Network(), wrapped(Network(), use_orig_params=original, auto_wrap_policy=policy)
    assert needs_every_rank(model) and not needs_every_rank(true)
    expected, found = select(true), select(model)
    assert [site.parameter for site in found.sites] == [site.parameter for site in expected.sites]
    assert parameter_names(model) == parameter_names(true)
    assert found.skipped == {}
    assert [head.name for head in found.heads] == [head.name for head in expected.heads]
    # It is the same thing at the next look.
    assert select(model).fingerprint == found.fingerprint


def test_values_are_those_that_were_taken() -> None:
    torch.manual_seed(0)
    true = nn.Sequential(nn.Linear(5, 7), nn.Linear(7, 3))
    before = {name: one.clone() for name, one in true.state_dict().items()}
    for site in select(wrapped(true, use_orig_params=False)).sites:
        assert isinstance(site.tensor, Flat) and isinstance(site.tensor, nn.Parameter) and is_spread(site.tensor)
        assert torch.equal(whole(site.tensor, "it"), before[site.parameter.name])


def test_what_is_frozen_later_is_frozen() -> None:
    model: Any = wrapped(nn.Sequential(nn.Linear(5, 7), nn.Linear(7, 3)), use_orig_params=True)
    selection = select(model)
    model[0].weight.requires_grad_(False)
    select(model)
    assert not selection.knows_what_is_trained
    assert [site.parameter.trainable for site in select(model).sites] == [False, True, True, True]


def test_nothing_keeps_the_model_alive() -> None:
    model = wrapped(nn.Linear(5, 7), use_orig_params=False)
    select(model)
    seen = weakref.ref(model)
    del model
    gc.collect()
    assert seen() is None


def test_what_lies_in_another_order_is_left_out() -> None:
    model = nn.Sequential(nn.Conv2d(4, 5, 3).to(memory_format=torch.channels_last), nn.Conv2d(5, 5, 3))
    found = select(wrapped(model, use_orig_params=False))
    reason = "FullyShardedDataParallel has flattened it in another order than that of its axes"
    assert found.skipped == {"0.weight": reason}
    assert [site.parameter.name for site in found.sites] == ["0.bias", "1.weight", "1.bias"]


def test_pruned_weights_are_shown_as_they_are_used() -> None:
    torch.manual_seed(0)
    layer = nn.Linear(6, 5)
    prune.l1_unstructured(layer, "weight", 0.5)
    true = layer.weight.detach().clone()
    model = wrapped(layer, use_orig_params=True)
    (site,) = [one for one in select(model).sites if one.parameter.name == "weight_orig"]
    (part,) = value_here(site).parts
    assert torch.equal(part.values, true) and (true == 0).sum() == 15


def test_normalised_weights_are_shown_by_their_parameters() -> None:
    model = wrapped(parametrizations.weight_norm(nn.Linear(6, 5)), use_orig_params=True)
    found = select(model)
    names = ["bias", "parametrizations.weight.original0", "parametrizations.weight.original1"]
    assert [site.parameter.name for site in found.sites] == names
    assert found.heads == ()


def test_a_model_of_no_wrapper_is_asked_for_nothing() -> None:
    model = nn.Linear(5, 7)
    assert not is_spread(model.weight) and not needs_every_rank(model)


def test_parameters_of_deepspeed_that_are_whole_are_whole() -> None:
    """Before they are partitioned, and in its first two stages."""
    model: Any = nn.Linear(5, 7)
    model.weight.ds_id, model.weight.ds_shape, model.weight.ds_tensor = 0, model.weight.shape, None
    assert not needs_every_rank(model) and select(model).skipped == {}


def partitioned(ranks: int = 1) -> Any:
    """A layer whose weight is cut by DeepSpeed."""
    model: Any = nn.Linear(5, 3)
    model.weight.ds_id, model.weight.ds_shape, model.weight.ds_numel = 0, model.weight.shape, 15
    model.weight.ds_tensor = model.weight.detach().flatten()[: -(-15 // ranks)].clone()
    model.weight.data = torch.empty(0)
    return model


def test_what_deepspeed_has_cut_is_as_it_was() -> None:
    model = partitioned()
    weight, bias = select(model).sites
    (part,) = value_here(weight).parts
    assert part.values.shape == (3, 5) and torch.equal(part.values.flatten(), model.weight.ds_tensor)
    assert (weight.parameter.shape, bias.parameter.shape) == ((3, 5), (3,))
    assert needs_every_rank(model)


def test_what_deepspeed_keeps_elsewhere_is_left_out() -> None:
    quantised, on_disk, elsewhere = partitioned(), partitioned(), partitioned(ranks=2)
    quantised.weight.ds_tensor.ds_quant_scale = torch.ones(1)
    on_disk.weight.ds_tensor.final_location = "nvme"
    reasons = [select(model).skipped for model in (quantised, on_disk, elsewhere)]
    assert reasons == [
        {"weight": "DeepSpeed has quantised it"},
        {"weight": "DeepSpeed keeps it on a disk"},
        {"weight": "DeepSpeed has partitioned it over other ranks than those of its group"},
    ]
