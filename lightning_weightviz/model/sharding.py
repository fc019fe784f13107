"""Where a parameter's elements live, and every collective: only this file knows of PyTorch's distributed tensors.

Of a parameter that is split over ranks each measures what it holds, and a few sums and maxima make the whole; only the
layers of the classes are gathered. Which collectives are taken, and in which order, follows from the settings and the
model alone, which are the same on all ranks: never from what a rank found, nor from its number.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeGuard, TypeVar

import torch
from torch import Tensor, distributed, nn

from lightning_weightviz.measure import Sheet
from lightning_weightviz.model import flat_shards
from lightning_weightviz.model.flat_shards import Flat
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


def is_spread(tensor: Tensor) -> bool:
    """Whether only some of its elements are here, in whatever way."""
    return isinstance(tensor, Flat) or is_sharded(tensor)


def _is_fsdp2(module: nn.Module) -> TypeGuard[FSDPModule]:
    return _is_one("torch.distributed.fsdp", "FSDPModule", module)


def _is_one(module: str, name: str, thing: object) -> bool:
    """Whether a thing is of a class of torch's that takes most of a second to import, and is imported if it is."""
    kind = getattr(sys.modules.get(module), name, None)
    return isinstance(kind, type) and isinstance(thing, kind)


def own_class(module: nn.Module) -> type[nn.Module]:
    """The class that the user's module has: FSDP2 makes a new one of it, of another name."""
    # The new class comes first, then FSDP2's own, then the user's.
    kind: type[nn.Module] = type(module).__mro__[2] if _is_fsdp2(module) else type(module)
    return kind


def needs_every_rank(module: nn.Module) -> bool:
    """Whether reading the parameters takes collectives. Replicas (DDP) do not: rank 0 has it all."""
    # After validation parameters are gathered, and only the class of the module tells.
    if any(map(_is_fsdp2, module.modules())) or any(map(is_sharded, module.parameters())):
        return True
    return flat_shards.is_in(module)


def held_by_optimizer(parameter: Tensor) -> Tensor:
    """What an optimizer has of a parameter: itself, unless it was taken apart."""
    return parameter.origin.optimized if isinstance(parameter, Flat) else parameter


def gradient_of(parameter: Tensor) -> Tensor | None:
    """Its gradient as it is on this rank, of one that was taken apart in order (n,); None where there is none."""
    gradient = parameter.origin.gradient() if isinstance(parameter, Flat) else parameter.grad
    return None if gradient is None else gradient.detach()


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
        if isinstance(tensor, Flat):
            return _whole_of_stretches(tensor, name)
        if not is_sharded(tensor):
            return tensor.detach()
        return COLLECTIVES.take(f"gather {name}", lambda: tensor.full_tensor().detach(), tensor.nbytes)


def _whole_of_stretches(tensor: Flat, name: str) -> Tensor:
    """The sum of what each rank has, 0 elsewhere; one that cannot read it takes part before it says so."""
    # Sums of eight and sixteen bits are not everywhere known, and nothing is rounded here.
    wide = torch.promote_types(tensor.dtype, torch.float32) if tensor.itemsize > 1 else torch.float32
    total = torch.zeros(tensor.numel(), dtype=wide, device=_meeting_place(tensor.device))
    failed: Exception | None = None
    try:
        stretch = tensor.origin.here()
        if stretch.counts:
            total[stretch.start : stretch.start + len(stretch.values)] = stretch.values.to(total)
    except Exception as error:
        failed = error
    COLLECTIVES.take(f"gather {name}", lambda: distributed.all_reduce(total), total.nbytes)
    if failed is not None:
        raise failed
    return total.to(tensor.device, tensor.dtype).view(tensor.shape)


@dataclass(frozen=True)
class Shard:
    """What is on this rank of a tensor that is spread.

    Attributes:
        values: As many axes as the tensor.
        offset: Where they begin, a number an axis.
        axes: Along which the tensor is cut.
        counts: Whether this rank is the first of those that hold the same.
    """

    values: Tensor
    offset: tuple[int, ...]
    axes: tuple[int, ...]
    counts: bool


def shard_of(tensor: Tensor) -> Shard | None:
    """What is on this rank of a tensor; None where it is whole, or would have to be summed first."""
    if not is_sharded(tensor) or any(placement.is_partial() for placement in tensor.placements):
        return None
    mesh, placements = tensor.device_mesh, tensor.placements
    coordinate = mesh.get_coordinate()
    # The rectangle as checkpoints know it, whatever shards what first.
    (chunk,) = tensor.__create_chunk_list__()
    replicas = [index for index, placement in enumerate(placements) if placement.is_replicate()]
    # Of several meshes, each with all of it, the one with rank 0 counts.
    first = coordinate is not None and all(coordinate[index] == 0 for index in replicas)
    return Shard(
        values=tensor.to_local().detach(),
        offset=tuple(chunk.offsets),
        axes=tuple(sorted({getattr(one, "dim") for one in placements if not one.is_replicate()})),  # noqa: B009
        counts=first and bool((mesh.mesh == 0).any()),
    )


def is_first() -> bool:
    """Whether this is rank 0, or the only one."""
    return not _in_group() or distributed.get_rank() == 0


def put_together(sheets: Sequence[Sheet]) -> None:
    """Gives each rank the sums and maxima over all ranks: one collective for each kind and dtype of sheet."""
    kinds: dict[tuple[str, torch.dtype], list[Tensor]] = {}
    for sheet in sheets:
        kinds.setdefault((sheet.operation, sheet.buffer.dtype), []).append(sheet.buffer)
    for (operation, _), buffers in sorted(kinds.items(), key=str):
        together = torch.cat(buffers) if len(buffers) > 1 else buffers[0]
        reduced = _reduced(together, operation)
        for buffer, part in zip(buffers, reduced.split([len(one) for one in buffers]), strict=True):
            buffer.copy_(part)


def _reduced(values: Tensor, operation: str) -> Tensor:
    if not _in_group():
        return values
    # A group may know devices alone, while the weights are on the host.
    met = values.to(_meeting_place(values.device))
    kind = distributed.ReduceOp.MAX if operation == "max" else distributed.ReduceOp.SUM
    COLLECTIVES.take(f"{operation} of {len(met)}", lambda: distributed.all_reduce(met, kind), met.nbytes)
    return met.to(values.device)


def _meeting_place(device: torch.device) -> torch.device:
    if device.type == "cpu" and distributed.get_backend() == "nccl":
        return torch.device("cuda", torch.cuda.current_device())
    return device


def on_any(own: Sequence[bool], device: torch.device) -> list[bool]:
    """Where any rank says so; a collective."""
    said = _reduced(torch.tensor(own, dtype=torch.float32, device=device), "max")
    return [number > 0 for number in said.tolist()]


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
