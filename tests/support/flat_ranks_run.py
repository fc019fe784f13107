"""One rank of several, started with a case's name: as `ranks_run`, over weights that are cut in order.

Those of FSDP1 are its own. DeepSpeed needs CUDA: parameters have its attributes here, and no more of it.
"""

from __future__ import annotations

import json
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch import distributed, nn
from torch.distributed.algorithms._checkpoint.checkpoint_wrapper import apply_activation_checkpointing
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import CPUOffload, FullyShardedDataParallel, MixedPrecision, ShardingStrategy
from torch.distributed.fsdp.wrap import ModuleWrapPolicy
from torch.nn.utils import prune

from lightning_weightviz import WeightVisualizer
from lightning_weightviz.model import class_head, spread
from lightning_weightviz.model.gradients import Gradients
from lightning_weightviz.model.names import clean_name
from lightning_weightviz.model.sharding import COLLECTIVES
from lightning_weightviz.model.values import readable
from lightning_weightviz.run.errors import ArgumentError
from tests.support.ranks_run import RECORD, STEPS, TAKEN, Mixed, arguments_of, digest, inputs

LAYERS = ModuleWrapPolicy({nn.Embedding, nn.Conv2d, nn.Linear})
Copies = dict[str, torch.Tensor]


class Tied(nn.Module):
    """Its last layer has the weights of its first, and a layer that is used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(301, 24)
        self.first = nn.Linear(24, 24)
        self.again = self.first
        self.decoder = nn.Linear(24, 301)
        self.decoder.weight = self.embedding.weight

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.decoder(self.again(self.first(self.embedding(tokens % 301)).relu()))
        return logits


def network(case: str) -> nn.Module:
    """Of a case: tied, a chain from pictures to classes, or several kinds of layers."""
    torch.manual_seed(0)
    if "tied" in case:
        return Tied()
    if case == "hybrid":
        return nn.Sequential(nn.Linear(784, 37), nn.ReLU(), nn.Linear(37, 50), nn.ReLU(), nn.Linear(50, 3))
    model = Mixed(3 if case == "empty" else 301, depth=10 if case == "deep" else 0)
    if case == "pruned":
        prune.l1_unstructured(model.second, "weight", 0.7)
    if case == "frozen":
        for frozen in (model.conv.weight, model.first.bias, model.second.weight):
            frozen.requires_grad_(False)
    return model


def batch_of(model: nn.Module) -> torch.Tensor:
    """As of `inputs`; pictures for a chain."""
    chain = isinstance(model, nn.Sequential)
    return torch.randn(8, 784, generator=torch.Generator().manual_seed(1)) if chain else inputs(model)


def wrapped(model: nn.Module, case: str) -> nn.Module:
    """By FSDP1, as the case is called."""
    cpu = torch.device("cpu")
    of_cases: dict[str, dict[str, Any]] = {
        "root": {"use_orig_params": True},
        "layers": {"use_orig_params": True, "auto_wrap_policy": LAYERS},
        "flat": {"use_orig_params": False, "auto_wrap_policy": LAYERS},
        "flat root": {"use_orig_params": False},
        "grad op": {"sharding_strategy": ShardingStrategy.SHARD_GRAD_OP, "use_orig_params": True},
        "no shard": {"sharding_strategy": ShardingStrategy.NO_SHARD, "use_orig_params": False},
        "no shard, original": {"sharding_strategy": ShardingStrategy.NO_SHARD, "use_orig_params": True},
        "empty": {"use_orig_params": False, "auto_wrap_policy": LAYERS},
        "frozen": {"use_orig_params": True},
        "tied": {"use_orig_params": True},
        "tied, flat": {"use_orig_params": False},
        "offloaded": {"use_orig_params": False, "cpu_offload": CPUOffload(offload_params=True)},
        "half": {
            "use_orig_params": True,
            "mixed_precision": MixedPrecision(torch.bfloat16, torch.float32, torch.float32),
        },
        "half, flat": {
            "use_orig_params": False,
            "mixed_precision": MixedPrecision(torch.bfloat16, torch.float32, torch.float32),
        },
    }
    arguments = of_cases.get(case, {"use_orig_params": True, "auto_wrap_policy": LAYERS})
    if case == "hybrid":
        mesh = init_device_mesh("cpu", (2, distributed.get_world_size() // 2), mesh_dim_names=("outer", "inner"))
        arguments = {"sharding_strategy": ShardingStrategy.HYBRID_SHARD, "device_mesh": mesh, "use_orig_params": True}
    model = FullyShardedDataParallel(model, device_id=cpu, **arguments)
    if case == "recomputed":
        apply_activation_checkpointing(model, check_fn=lambda one: isinstance(one, nn.Linear))
    return model


class FullySharded:
    """A training with FSDP1."""

    def __init__(self, case: str) -> None:
        self.case, self._plain = case, network(case)
        self.model = wrapped(network(case), case)
        # Made of the wrapped model, as FSDP1 asks for.
        self._optimizer = torch.optim.SGD(self.parameters, lr=0.1)

    @property
    def parameters(self) -> list[nn.Parameter]:
        return list(self.model.parameters())

    def whole(self) -> Copies:
        with FullyShardedDataParallel.summon_full_params(self.model, writeback=False):
            named = [*self.model.named_parameters(remove_duplicate=False), *self.model.named_buffers()]
            return {clean_name(name): one.detach().clone() for name, one in named}

    def gradients(self) -> Copies:
        """Of the flat shards, put together; and as a model that is whole has them, to hold these by."""
        batch = batch_of(self._plain)
        self._plain.load_state_dict(self.whole())
        self._plain.zero_grad()
        for _ in range(2 if self.case == "accumulated" else 1):
            self._plain(batch).square().mean().backward()
        true = {name: one.grad for name, one in self._plain.named_parameters() if one.grad is not None}
        found = {name: one for name, one in self._gathered() if name in true}
        # Half precision has two or three digits, and a mean over ranks is rounded.
        near = 0.2 if self.case.startswith("half") else 1e-5
        for name, gradient in true.items():
            assert (found[name] - gradient).norm() <= near * gradient.norm(), name
        return found

    def _gathered(self) -> Iterator[tuple[str, torch.Tensor]]:
        for path, unit in self.model.named_modules():
            handle: Any = getattr(unit, "_handle", None)
            if not isinstance(unit, FullyShardedDataParallel) or handle is None:
                continue
            flat, whole = handle.flat_param, handle.flat_param.grad
            if handle.uses_sharded_strategy:
                pieces = [torch.empty_like(whole) for _ in range(handle.world_size)]
                distributed.all_gather(pieces, whole, handle.process_group)
                whole = torch.cat(pieces)
            of_each = whole[: sum(flat._numels_with_padding)].split(flat._numels_with_padding)
            kept = [one for one, padding in zip(of_each, flat._is_padding_mask, strict=True) if not padding]
            for name, shape, one in zip(flat._fqns, flat._shapes, kept, strict=True):
                yield clean_name(f"{path}.{name}" if path else name), one.view(shape).clone()

    def backward(self) -> None:
        self._optimizer.zero_grad()
        batch = batch_of(self._plain)
        if self.case == "accumulated":
            with self.model.no_sync():  # type: ignore[operator]
                self.model(batch).square().mean().backward()
        self.model(batch).square().mean().backward()

    def step(self) -> None:
        self._optimizer.step()


class ZeroStage3:
    """Parameters as DeepSpeed's third stage leaves them: ``ds_tensor`` is this rank's piece, padded with anything."""

    def __init__(self, case: str) -> None:
        self.model, self._plain = network(case), network(case)
        self._rank, self._ranks = distributed.get_rank(), distributed.get_world_size()
        pairs: Any = zip(self._plain.parameters(), self.model.parameters(), strict=True)
        for number, (whole, parameter) in enumerate(pairs):
            parameter.ds_id, parameter.ds_status = number, "ZeroParamStatus.NOT_AVAILABLE"
            parameter.ds_shape, parameter.ds_numel = whole.shape, whole.numel()
            parameter.ds_process_group = distributed.group.WORLD
            parameter.ds_tensor = self._piece(whole)
            parameter.ds_tensor.ds_numel, parameter.ds_tensor.final_location = parameter.ds_tensor.numel(), None
            parameter.data = torch.empty(0, dtype=whole.dtype, device="cpu")

    @property
    def parameters(self) -> list[nn.Parameter]:
        return list(self.model.parameters())

    def _piece(self, whole: torch.Tensor) -> torch.Tensor:
        size = -(-whole.numel() // self._ranks)
        padded = torch.full((size * self._ranks,), torch.nan, dtype=whole.dtype, device="cpu")
        padded[: whole.numel()] = whole.detach().flatten()
        return padded[self._rank * size : (self._rank + 1) * size].clone()

    def whole(self) -> Copies:
        return {name: one.clone() for name, one in self._plain.state_dict().items()}

    def gradients(self) -> Copies:
        return {}

    def backward(self) -> None:
        self._plain.zero_grad()
        self._plain(batch_of(self._plain)).square().mean().backward()

    def step(self) -> None:
        with torch.no_grad():
            pairs: Any = zip(self._plain.parameters(), self.model.parameters(), strict=True)
            for whole, parameter in pairs:
                whole -= 0.1 * whole.grad
                parameter.ds_tensor.copy_(self._piece(whole))


class ZeroStage2(ZeroStage3):
    """As its first two stages leave them: whole in every process, with notes on where the optimizer has them."""

    def __init__(self, case: str) -> None:
        self.model = self._plain = network(case)
        for parameter in self.model.parameters():
            parameter.ds_pipe_replicated, parameter._hp_mapping = False, object()  # type: ignore[attr-defined]

    def gradients(self) -> Copies:
        return {name: one.grad.clone() for name, one in self.model.named_parameters() if one.grad is not None}

    def step(self) -> None:
        with torch.no_grad():
            for whole in self.model.parameters():
                whole.sub_(whole.grad, alpha=0.1)  # type: ignore[arg-type]
                # The sums over ranks went where the optimizer has its part.
                whole.grad = None


KINDS: dict[str, Any] = {"zero 3": ZeroStage3, "zero 3, tied": ZeroStage3, "zero 2": ZeroStage2}


def nothing(*_: Any) -> None:
    """What an observation comes to that fails."""


def only_matrices(values: torch.Tensor, name: str) -> torch.Tensor:
    """Of biases nothing can be read."""
    if name.endswith(".bias"):
        raise RuntimeError("out of luck")
    return readable(values, name)


def train(run: Any, visualizer: WeightVisualizer, steps: Sequence[int], each: Callable[[int], None]) -> None:
    """Some steps, with a snapshot after each."""
    for step in steps:
        run.backward()
        each(step)
        visualizer.observe_gradients(run.parameters if step % 2 else None)
        gradients, before = run.gradients(), run.whole()
        watched = visualizer.before_step(run.parameters)
        run.step()
        visualizer.after_step(watched)
        RECORD.append({"before": before, "gradients": gradients, "after": run.whole()})
        taken = COLLECTIVES.taken
        visualizer.log(step + 1, epoch=step + 1)
        TAKEN.append(COLLECTIVES.taken - taken)
    visualizer.finish()


def main(case: str, folder: Path) -> None:
    """Trains, with what the case is about."""
    rank = int(os.environ["RANK"])
    distributed.init_process_group("gloo", timeout=timedelta(seconds=20))
    if case == "offloaded":
        # All that offloading asks of a GPU: memory that it can read faster, and to be waited for.
        patch.object(torch.Tensor, "pin_memory", lambda self: self).start()
        patch.object(torch.cpu.Stream, "synchronize", nothing, create=True).start()
    run = KINDS.get(case, FullySharded)(case)
    visualizer = WeightVisualizer(run.model, folder=folder, **arguments_of(case))
    if case == "large head":
        class_head.MOST_GATHERED = 1000
    if case == "resumed":
        visualizer.load_state_dict(torch.load(folder / "state.pt"))

    def each(step: int) -> None:
        if case == "reading fails" and rank == 1 and step == 1:
            patch.object(spread, "readable", only_matrices).start()
        if case == "no gradient on one" and rank == 1 and step == 1:
            patch.object(Gradients, "observe", nothing).start()

    ended = "fine"
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            train(run, visualizer, range(STEPS), each)
        except ArgumentError as error:
            ended = type(error).__name__
    failures = [str(one.message) for one in caught if "failed with" in str(one.message)]
    if rank == 0:
        folder.mkdir(parents=True, exist_ok=True)
        torch.save(RECORD, folder / "record.pt")
        torch.save(visualizer.state_dict(), folder / "state.pt")
    seen: dict[str, Any] = {"ended": ended, "failures": failures, "state": digest(visualizer.state_dict())}
    seen |= {"taken": TAKEN, "collectives": COLLECTIVES.taken, "received": COLLECTIVES.received}
    print(json.dumps(seen), flush=True)
    time.sleep(1)
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
