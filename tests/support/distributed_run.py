"""Trains on two processes; run as a script, as Lightning starts the second process by running it again."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.strategies import DDPStrategy, FSDPStrategy, ModelParallelStrategy, Strategy
from torch import nn
from torch.distributed.algorithms._checkpoint.checkpoint_wrapper import checkpoint_wrapper
from torch.distributed.fsdp import CPUOffloadPolicy, FullyShardedDataParallel, MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor

from lightning_weightviz import WeightVisualizationCallback
from lightning_weightviz.run import schedule
from lightning_weightviz.views import VIEWS
from tests.support.training import Classifier, batches, trainer


class Sharded(Classifier):
    """Each layer's rows are spread over the ranks; one layer is large enough to be measured by its parts.

    Args:
        kind: Of what is done to it besides.
    """

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.norm = nn.Identity()  # type: ignore[assignment]  # buffers of a batch norm are not sharded
        self.fc1, self.fc2 = nn.Linear(16, 1201), nn.Linear(1201, 4)

    def configure_model(self) -> None:
        assert self.device_mesh is not None and self.device_mesh["data_parallel"].size() == 2
        options: dict[str, Any] = {"mesh": self.device_mesh["data_parallel"]}
        if self.kind == "bf16":
            options["mp_policy"] = MixedPrecisionPolicy(param_dtype=torch.bfloat16, output_dtype=torch.float32)
        if self.kind == "offload":
            options["offload_policy"] = CPUOffloadPolicy(pin_memory=False)
        if self.kind == "checkpointing":
            self.fc1 = checkpoint_wrapper(self.fc1)  # type: ignore[assignment]
        if self.kind == "compiled":
            # Without a compiler of C++, which a machine may lack; the modules are wrapped and traced all the same.
            self.fc1 = torch.compile(self.fc1, backend="aot_eager")  # type: ignore[assignment]
        for layer in (self.fc1, self.fc2):
            fully_shard(layer, **options)
        fully_shard(self, **options)

    def training_step(self, batch: tuple[torch.Tensor, torch.Tensor], batch_idx: int) -> torch.Tensor:
        if self.kind == "interrupted" and self.current_epoch == 2 and self.global_rank == 1:
            os.kill(os.getpid(), signal.SIGINT)
        return super().training_step(batch, batch_idx)

    def validation_step(self, batch: tuple[torch.Tensor, torch.Tensor], batch_idx: int) -> None:
        self(batch[0])


class OnCPU(FSDPStrategy):
    """Lightning's own, which asks for a GPU, with the one line that says where weights are."""

    def _setup_model(self, model: nn.Module) -> nn.Module:
        return FullyShardedDataParallel(model, device_id=torch.device("cpu"), **self.kwargs)


class Flattened(Classifier):
    """Whose optimizer takes what FSDP1 has made of the layers."""

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.trainer.model.parameters(), lr=0.05, momentum=0.9)  # type: ignore[union-attr]


class Keeper(Callback):
    """Keeps the first layer's weights at the end, whole."""

    weight: torch.Tensor

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        gathered: Any = isinstance(trainer.model, FullyShardedDataParallel)
        summoned: Any = FullyShardedDataParallel.summon_full_params
        with summoned(trainer.model, writeback=False) if gathered else nullcontext():
            weight = next(pl_module.get_submodule("fc1").parameters()).detach()
            self.weight = weight.full_tensor() if isinstance(weight, DTensor) else weight.clone()


class Meeting(Classifier):
    """Reduces a metric over the ranks, and gathers from them at the end of an epoch."""

    def training_step(self, batch: tuple[torch.Tensor, torch.Tensor], batch_idx: int) -> torch.Tensor:
        loss = super().training_step(batch, batch_idx)
        self.log("met", loss.detach(), on_step=False, on_epoch=True, sync_dist=True)
        return loss

    def on_train_epoch_end(self) -> None:
        assert torch.equal(self.all_gather(torch.tensor(self.global_rank)), torch.arange(2))  # type: ignore[arg-type]


def model_of(kind: str) -> Classifier:
    """Of a kind of run."""
    if kind == "ddp metrics":
        return Meeting()
    if kind == "fsdp1 flat":
        return Flattened()
    return Classifier() if kind == "ddp" or kind.startswith("fsdp1") else Sharded(kind)


def strategy_of(kind: str) -> Strategy:
    """Of a kind of run."""
    if kind.startswith("ddp"):
        return DDPStrategy(process_group_backend="gloo", timeout=timedelta(seconds=20))
    if kind.startswith("fsdp1"):
        policy: Any = {nn.Linear} if kind == "fsdp1 layers" else None
        return OnCPU(auto_wrap_policy=policy, use_orig_params=kind != "fsdp1 flat", process_group_backend="gloo")
    # Left to itself Lightning splits the devices for tensors in parallel, and FSDP2 gets one of them.
    return ModelParallelStrategy(data_parallel_size=2, tensor_parallel_size=1, timeout=timedelta(seconds=20))


def main(kind: str, folder: Path) -> None:
    """Three epochs; rank 0 keeps the final weights beside the event file, for the test to compare."""
    # A shell that starts tests in the background has them ignore Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    torch.set_num_threads(1)
    model, keeper = model_of(kind), Keeper()
    schedule.FREE_SECONDS, overhead = 600.0, 0.01
    if kind == "clocks":
        # By its own clock rank 1 can afford nothing.
        schedule.FREE_SECONDS, overhead = (1000.0 if os.environ.get("LOCAL_RANK", "0") == "0" else -1000.0), 1e-9
    callback = WeightVisualizationCallback(
        targets=("weights", "gradients", "updates"), views=tuple(VIEWS), max_overhead=overhead
    )
    running = trainer(folder, callback, keeper, strategy=strategy_of(kind), devices=2)
    running.fit(model, batches(), batches() if isinstance(model, Sharded) else None)
    if running.is_global_zero:
        torch.save(keeper.weight, folder / "fc1.pt")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
