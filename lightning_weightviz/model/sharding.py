"""Where a parameter's elements live, and every collective: only this file knows of distributed tensors.

A parameter that is split over ranks is gathered, one tensor at a time and on every rank, before it is measured.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, TypeGuard

import torch
from torch import Tensor, distributed, nn

if TYPE_CHECKING:
    from torch.distributed.fsdp import FSDPModule
    from torch.distributed.tensor import DTensor


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


def whole(tensor: Tensor) -> Tensor:
    """All elements of a tensor, detached; a collective where `is_sharded`, in which every rank must take part."""
    with torch.no_grad():
        return tensor.full_tensor().detach() if is_sharded(tensor) else tensor.detach()


def agreed(decision: bool) -> bool:
    """What rank 0 has decided, on every rank: a collective, as each rank has a clock of its own."""
    if not (distributed.is_available() and distributed.is_initialized()):
        return decision
    decisions = [decision]
    distributed.broadcast_object_list(decisions, src=0)
    return decisions[0]
