"""Where a parameter's elements live, and every collective: only this file knows of distributed tensors.

A parameter that is split over ranks is gathered, one tensor at a time and on every rank, before it is measured. Which
collectives are taken, and in which order, follows from the settings and the model alone, which are the same on all
ranks: never from what a rank found, nor from its number.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeGuard, TypeVar

import torch
from torch import Tensor, distributed, nn

from lightning_weightviz.run.errors import ArgumentError

if TYPE_CHECKING:
    from torch.distributed.fsdp import FSDPModule
    from torch.distributed.tensor import DTensor

CHECK = "LIGHTNING_WEIGHTVIZ_CHECK_RANKS"
"""The environment variable under which ranks compare what they are about to do, at the price of a collective each."""

_Result = TypeVar("_Result")


def is_sharded(tensor: Tensor) -> TypeGuard[DTensor]:
    """Whether the tensor's elements are spread over ranks, so that all of them must take part in reading it."""
    return _is_one("torch.distributed.tensor", "DTensor", tensor)


def _is_fsdp2(module: nn.Module) -> TypeGuard[FSDPModule]:
    return _is_one("torch.distributed.fsdp", "FSDPModule", module)


def _is_one(module: str, name: str, thing: object) -> bool:
    """Whether a thing is of a class of torch's that takes most of a second to import, and is imported if it is."""
    kind = getattr(sys.modules.get(module), name, None)
    return isinstance(kind, type) and isinstance(thing, kind)


def needs_every_rank(module: nn.Module) -> bool:
    """Whether reading the parameters takes collectives. Replicas (DDP) do not: rank 0 has it all."""
    # After validation parameters are gathered, and only the class of the module tells.
    return any(map(_is_fsdp2, module.modules())) or any(map(is_sharded, module.parameters()))


def reason_unreadable(tensor: Tensor) -> str | None:
    """Why a parameter's elements cannot be read on this rank; None where they can."""
    if any(name.startswith("ds_") for name in vars(tensor)):
        return "it is partitioned by DeepSpeed ZeRO-3"
    return None


def is_flattened(module: nn.Module) -> bool:
    """Whether FSDP1 has flattened parameters of the module, so that they are no longer those of the user's layers."""
    # By name, as importing FSDP1 warns of its deprecation.
    return any(
        base.__name__ == "FullyShardedDataParallel" for child in module.modules() for base in type(child).__mro__
    )


def settle(module: nn.Module) -> None:
    """Gives FSDP2's parameters back as sharded: after validation the root holds them gathered and cast."""
    for child in module.modules():
        if _is_fsdp2(child):
            child.reshard()


def whole(tensor: Tensor, name: str) -> Tensor:
    """All elements of a tensor, detached; a collective where `is_sharded`, in which every rank must take part.

    Args:
        tensor: Any.
        name: Of what it is, for who looks for ranks that differ.
    """
    with torch.no_grad():
        if not is_sharded(tensor):
            return tensor.detach()
        return COLLECTIVES.take(f"gather {name}", lambda: tensor.full_tensor().detach(), tensor.nbytes)


def local(tensor: Tensor) -> Tensor:
    """This rank's part of a tensor, detached; all of one that is not spread."""
    return tensor.to_local().detach() if is_sharded(tensor) else tensor.detach()


def copies(tensor: Tensor) -> int:
    """On how many ranks each element of a tensor is."""
    ranks = distributed.get_world_size() if _in_group() else 1
    if not is_sharded(tensor):
        return ranks
    mesh = tensor.device_mesh
    parts = math.prod(mesh.size(dim) for dim, placed in enumerate(tensor.placements) if not placed.is_replicate())
    return max(ranks // parts, 1)


def summed(values: Tensor, name: str) -> Tensor:
    """The sum over all ranks, on each of them: a collective."""
    if _in_group():
        COLLECTIVES.take(f"sum {name}", lambda: distributed.all_reduce(values), values.nbytes)
    return values


def agreed(decision: bool) -> bool:
    """What rank 0 has decided, on every rank: a collective, as each rank has a clock of its own."""
    if not _in_group():
        return decision
    decisions = [decision]
    COLLECTIVES.take("agree", lambda: distributed.broadcast_object_list(decisions, src=0), 1)
    return decisions[0]


def failures_of_all(own: Mapping[str, str]) -> dict[str, str]:
    """What could not be read on any rank, and why, on every rank: all must leave out the same. A collective."""
    if not _in_group():
        return dict(own)
    of_all: list[Any] = [None] * distributed.get_world_size()
    COLLECTIVES.take("tell of failures", lambda: distributed.all_gather_object(of_all, dict(own)), len(of_all))
    return {name: reason for one in reversed(of_all) for name, reason in one.items()}


def all_done() -> None:
    """Under `CHECK`, compares once more where a snapshot ends, as a rank may have taken fewer collectives."""
    if _in_group():
        COLLECTIVES.compare("the end of a snapshot")


class RanksDifferError(ArgumentError):
    """Ranks have taken different collectives: each would wait for ever for the others."""


class Collectives:
    """Takes collectives, and knows how many there were.

    Attributes:
        taken: How many this process has taken part in.
        received: Bytes that they gave it.
    """

    def __init__(self) -> None:
        self.taken = 0
        self.received = 0

    def take(self, name: str, collective: Callable[[], _Result], received: int) -> _Result:
        """Takes one.

        Args:
            name: The same on all ranks.
            collective: Does it.
            received: Bytes that it gives to this rank.

        Raises:
            RanksDifferError: Under `CHECK`, another rank is about to take another one.
        """
        self.compare(name)
        self.taken += 1
        self.received += received
        return collective()

    def compare(self, name: str) -> None:
        """Raises, under `CHECK`, where another rank is at another collective."""
        if not os.environ.get(CHECK):
            return
        at = (self.taken, name)
        of_all: list[Any] = [None] * distributed.get_world_size()
        distributed.all_gather_object(of_all, at)
        if len(set(of_all)) > 1:
            places = "; ".join(f"rank {rank}: {name} (collective {count})" for rank, (count, name) in enumerate(of_all))
            raise RanksDifferError(f"ranks differ in what they measure: {places}. Give all of them the same arguments")


COLLECTIVES = Collectives()
"""Of this process."""


def _in_group() -> bool:
    return distributed.is_available() and distributed.is_initialized()
