"""Trains on two processes; run as a script, as Lightning starts the second process by running it again."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import torch
from lightning.pytorch.strategies import DDPStrategy, ModelParallelStrategy
from torch import nn
from torch.distributed.fsdp import fully_shard

from lightning_weightviz import WeightVisualizationCallback
from lightning_weightviz.run import schedule
from lightning_weightviz.views import VIEWS
from tests.support.training import Classifier, batches, trainer


class Sharded(Classifier):
    """Each layer's rows are spread over the ranks."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.Identity()  # type: ignore[assignment]  # buffers of a batch norm are not sharded

    def configure_model(self) -> None:
        assert self.device_mesh is not None and self.device_mesh["data_parallel"].size() == 2
        mesh = self.device_mesh["data_parallel"]
        for layer in (self.fc1, self.fc2):
            fully_shard(layer, mesh=mesh)
        fully_shard(self, mesh=mesh)

    def validation_step(self, batch: tuple[torch.Tensor, torch.Tensor], batch_idx: int) -> None:
        self(batch[0])


def main(kind: str, folder: Path) -> None:
    """Three epochs; rank 0 keeps the final weights beside the event file, for the test to compare."""
    torch.set_num_threads(1)
    model = Classifier() if kind == "ddp" else Sharded()
    # Left to itself Lightning splits the devices for tensors in parallel, and FSDP2 gets one of them.
    sharded = ModelParallelStrategy(data_parallel_size=2, tensor_parallel_size=1)
    strategy = DDPStrategy(process_group_backend="gloo") if kind == "ddp" else sharded
    overhead = 0.01
    if kind == "clocks":
        # By its own clock rank 1 can afford nothing.
        schedule.FREE_SECONDS, overhead = (1000.0 if os.environ.get("LOCAL_RANK", "0") == "0" else -1000.0), 1e-9
    callback = WeightVisualizationCallback(
        targets=("weights", "gradients", "updates"), views=tuple(VIEWS), max_overhead=overhead
    )
    running = trainer(folder, callback, strategy=strategy, devices=2)
    running.fit(model, batches(), None if kind == "ddp" else batches())
    weight = model.fc1.weight.detach()
    whole = weight.full_tensor() if hasattr(weight, "full_tensor") else weight
    if running.is_global_zero:
        torch.save(whole, folder / "fc1.pt")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
