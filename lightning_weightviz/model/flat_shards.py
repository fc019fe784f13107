"""Parameters that are not in the user's layers as they were: cut in order by FSDP1 or by DeepSpeed's ZeRO-3.

FSDP1 joins the parameters of its module, one after the other, and gives each rank an equal piece of that. ZeRO-3 does
so with each parameter. What is found of them here stands in the layers in their place, of their own name and shape.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol
from weakref import WeakKeyDictionary, ref

import torch
from torch import Tensor, distributed, nn
from torch.utils.weak import WeakIdRef


@dataclass(frozen=True)
class Stretch:
    """What is on this rank of a parameter's elements in order.

    Attributes:
        values: (n,), detached.
        start: Which element the first one is.
        counts: Whether this rank is the first of those that hold the same.
    """

    values: Tensor
    start: int
    counts: bool


class Origin(Protocol):
    """Where a parameter is kept instead of in its layer. It keeps nothing alive."""

    @property
    def reason(self) -> str | None:
        """Why its elements cannot be told from what is kept; None where they can."""

    @property
    def optimized(self) -> Tensor:
        """What an optimizer has of it, and what is frozen with it."""

    @property
    def piece(self) -> Tensor:
        """What is on this rank, with what else is there: of its dtype, on its device."""

    @property
    def gradient_dtype(self) -> torch.dtype:
        """Of its gradients."""

    def here(self) -> Stretch:
        """Its values as they are now."""

    def gradient(self) -> Tensor | None:
        """The gradient of these, (n,); None where there is none."""


class Flat(Tensor):
    """Has the shape and the dtype that a parameter had, and no values: these are asked of its `origin`.

    Args:
        shape: Before it was taken apart.
        origin: Where it is now.

    Attributes:
        origin: Where it is now.
    """

    origin: Origin

    @staticmethod
    def __new__(cls, shape: torch.Size, origin: Origin) -> Flat:
        """A tensor of PyTorch's that has everything but values; as of a parameter, `nn.Parameter` is its type."""
        like = origin.piece
        made: Flat = Tensor._make_wrapper_subclass(cls, shape, dtype=like.dtype, device=like.device)
        made._is_param = True  # how PyTorch knows them of other classes
        return made

    def __init__(self, shape: torch.Size, origin: Origin) -> None:
        self.origin = origin

    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]  # as PyTorch's own do

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]  # PyTorch's own is a function of C
        cls, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Computes nothing, which PyTorch tells of with a TypeError."""
        return NotImplemented

    def __repr__(self) -> str:  # type: ignore[override]
        """What is known of it."""
        return f"Flat(shape={tuple(self.shape)}, dtype={self.dtype})"

    def stands_for(self, shape: torch.Size, origin: Origin) -> bool:
        """Whether it is still right for a parameter of this shape and origin."""
        like = origin.piece
        known = (self.origin, self.shape, self.dtype, self.device)
        return known == (origin, shape, like.dtype, like.device)


_FOUND: WeakKeyDictionary[nn.Module, dict[str, Flat]] = WeakKeyDictionary()
"""By the layer and the attribute that they were. Nothing in it keeps a model alive."""


def find(model: nn.Module) -> None:
    """Finds what was taken apart in a model, for `taken_from`; a parameter keeps its stand-in from time to time."""
    found: dict[nn.Module, dict[str, Flat]] = {}
    shared: dict[Origin, Flat] = {}
    for module, attribute, shape, origin in _all_in(model):
        if origin not in shared:
            before = taken_from(module).get(attribute)
            stays = before is not None and before.stands_for(shape, origin)
            shared[origin] = before if before is not None and stays else Flat(shape, origin)
            shared[origin].requires_grad_(origin.optimized.requires_grad)
        found.setdefault(module, {})[attribute] = shared[origin]
    if _FOUND:
        for module in model.modules():
            _FOUND.pop(module, None)
    _FOUND.update(found)


def taken_from(module: nn.Module) -> dict[str, Flat]:
    """What stands for the parameters that were taken from a layer, by attribute, as of the last `find`."""
    return _FOUND.get(module, {}) if _FOUND else {}


def is_in(model: nn.Module) -> bool:
    """Whether parameters of a model are kept in such a way."""
    return next(_all_in(model), None) is not None


def is_wrapper(module: nn.Module) -> bool:
    """Whether it is FSDP1's, around a module of the user's."""
    # By name, as importing FSDP1 warns of its deprecation.
    return any(base.__name__ == "FullyShardedDataParallel" for base in type(module).__mro__)


def is_flat_parameter(tensor: Tensor) -> bool:
    """Whether it is what FSDP1 has made of several parameters."""
    return "_is_flat_param" in vars(tensor)


def _all_in(model: nn.Module) -> Iterator[tuple[nn.Module, str, torch.Size, Origin]]:
    for module in model.modules():
        yield from _flattened(module)
        for attribute, tensor in module._parameters.items():
            known = {} if tensor is None else vars(tensor)
            if tensor is not None and isinstance(known.get("ds_tensor"), Tensor):
                yield module, attribute, torch.Size(known["ds_shape"]), Partitioned(WeakIdRef(tensor))


def _flattened(module: nn.Module) -> Iterator[tuple[nn.Module, str, torch.Size, Origin]]:
    handle: Any = vars(module).get("_handle") if is_wrapper(module) else None
    if handle is None:
        return
    flat, index = handle.flat_param, {}
    for number, (attribute, owner, _) in enumerate(flat._param_infos):
        index[owner, attribute] = number
        yield owner, attribute, flat._shapes[number], Flattened(ref(handle), number)
    for attribute, owner, _, first_attribute, first_owner, _ in flat._shared_param_infos:
        number = index[first_owner, first_attribute]
        yield owner, attribute, flat._shapes[number], Flattened(ref(handle), number)


@dataclass(frozen=True)
class Flattened:
    """A parameter that FSDP1 has joined with others; see `Origin`.

    Layout and names are those of ``torch.distributed.fsdp._flat_param.FlatParameter``.

    Attributes:
        handle: What keeps them.
        number: Which of them it is.
    """

    handle: ref[Any]
    number: int

    @property
    def _flat(self) -> Any:
        handle = self.handle()
        assert handle is not None  # its layers keep it
        return handle.flat_param

    @property
    def reason(self) -> str | None:
        """As of `Origin`."""
        if self._flat._param_extensions[self.number] is not None:
            return "it is a DTensor that FullyShardedDataParallel has flattened"
        if not self._flat._contiguities[self.number]:
            return "FullyShardedDataParallel has flattened it in another order than that of its axes"
        return None

    @property
    def optimized(self) -> Tensor:
        """As of `Origin`: what is left of it; with ``use_orig_params=False`` all that it was joined with."""
        flat = self._flat
        optimized: Tensor = flat if flat._params is None else flat._params[self.number]
        return optimized

    @property
    def gradient_dtype(self) -> torch.dtype:
        """As of `Origin`."""
        handle: Any = self.handle()
        dtype: torch.dtype = handle._fwd_bwd_param_dtype if handle._keep_low_precision_grads else self.piece.dtype
        return dtype

    @property
    def piece(self) -> Tensor:
        """As of `Origin`, also while all are gathered: in full precision."""
        flat = self._flat
        piece: Tensor = getattr(flat, "_local_shard", flat.data)
        return piece.detach()

    def here(self) -> Stretch:
        """As of `Origin`."""
        handle: Any = self.handle()
        place = self._flat._shard_param_infos[self.number]
        alone = not handle.uses_sharded_strategy
        counts = distributed.get_rank() == 0 if alone else _holds_first(handle.process_group)
        if not place.in_shard:
            return Stretch(self.piece[:0], 0, counts)
        values = self.piece.narrow(0, place.offset_in_shard, place.numel_in_shard)
        return Stretch(values, place.intra_param_start_idx, counts)

    def gradient(self) -> Tensor | None:
        """As of `Origin`; one that is not summed over the ranks yet is none."""
        flat, place = self._flat, self._flat._shard_param_infos[self.number]
        gradient = self.optimized.grad
        if gradient is None or not place.in_shard:
            return None
        gradient = gradient.detach().flatten()
        if flat._params is None:
            if gradient.shape != flat._sharded_size:
                return None
            gradient = gradient.narrow(0, place.offset_in_shard, place.numel_in_shard)
        return gradient if len(gradient) == place.numel_in_shard else None


@dataclass(frozen=True)
class Partitioned:
    """A parameter that DeepSpeed's ZeRO-3 has cut into equal pieces, the last ones padded; see `Origin`.

    Names are those of ``deepspeed.runtime.zero.partition_parameters``.

    Attributes:
        parameter: What is left of it in its layer.
    """

    parameter: WeakIdRef

    @property
    def reason(self) -> str | None:
        """As of `Origin`: the same on all ranks."""
        parameter: Any = self.optimized
        if hasattr(parameter.ds_tensor, "ds_quant_scale"):
            return "DeepSpeed has quantised it"
        if getattr(parameter.ds_tensor, "final_location", None) == "nvme":
            return "DeepSpeed keeps it on a disk"
        # With MiCS a parameter is whole within a part of the group.
        if -(-parameter.ds_numel // distributed.get_world_size(self._group)) != len(self.piece):
            return "DeepSpeed has partitioned it over other ranks than those of its group"
        return None

    @property
    def _group(self) -> Any:
        return getattr(self.optimized, "ds_process_group", None)

    @property
    def optimized(self) -> Tensor:
        """As of `Origin`."""
        parameter: Tensor | None = self.parameter()
        assert parameter is not None  # its layer keeps it
        return parameter

    @property
    def piece(self) -> Tensor:
        """As of `Origin`: padded."""
        piece: Tensor = self.optimized.ds_tensor  # type: ignore[attr-defined]
        return piece.detach().flatten()

    @property
    def gradient_dtype(self) -> torch.dtype:
        """As of `Origin`."""
        return self.piece.dtype

    def here(self) -> Stretch:
        """As of `Origin`."""
        parameter: Any = self.optimized
        piece = self.piece
        start = distributed.get_rank(self._group) * len(piece)
        # Behind the last element there is padding, on more than one rank where there are few.
        return Stretch(piece[: max(parameter.ds_numel - start, 0)], start, _holds_first(self._group))

    def gradient(self) -> Tensor | None:
        """As of `Origin`: DeepSpeed keeps them in its optimizer, in an order of its own."""
        return None


def _holds_first(group: Any) -> bool:
    """Whether rank 0 of all is in a group: of several groups, each with all elements, that one counts."""
    return 0 in distributed.get_process_group_ranks(group or distributed.group.WORLD)
