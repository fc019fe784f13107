"""One training of a digit classifier under the callback, and what it is made of."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import DataLoader, TensorDataset

from lightning_weightviz import Finding, WeightVisualizationCallback
from lightning_weightviz.artifacts import Batch

EPOCHS = 16
BATCH = 32

Optimize = Callable[[nn.Module], torch.optim.Optimizer]
Schedule = Callable[[float], float]
"""The learning rate's factor at a share of the training."""


class Digits(LightningModule):
    """Learns to tell digits apart.

    Args:
        network: Gives logits.
        optimize: Makes the optimizer.
        schedule: Of its learning rate, epoch by epoch.
    """

    def __init__(self, network: nn.Module, optimize: Optimize, schedule: Schedule | None = None) -> None:
        super().__init__()
        self.network = network
        self.optimize = optimize
        self.schedule = schedule
        self.each_epoch: Callable[[int], None] | None = None
        self.each_batch: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]] | None = None
        self.after_backward: Callable[[int], None] | None = None

    def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> Tensor:
        """The loss of a batch."""
        images, labels = batch if self.each_batch is None else self.each_batch(*batch)
        logits = self.network(images.to(next(self.network.parameters()).dtype))
        loss = nn.functional.cross_entropy(logits.float(), labels)
        self.log("loss", loss, on_step=False, on_epoch=True)
        return loss

    def on_train_epoch_start(self) -> None:
        """Lets a planted fault do what it does between epochs."""
        if self.each_epoch is not None:
            self.each_epoch(self.current_epoch)

    def on_after_backward(self) -> None:
        """Lets a planted fault change gradients."""
        if self.after_backward is not None:
            self.after_backward(self.current_epoch)

    def configure_optimizers(self) -> Any:
        """The optimizer, and its schedule where there is one."""
        optimizer = self.optimize(self.network)
        if self.schedule is None:
            return optimizer
        schedule = self.schedule
        epochs = self.trainer.max_epochs or EPOCHS
        return [optimizer], [LambdaLR(optimizer, lambda epoch: schedule(epoch / epochs))]


@cache
def digits() -> tuple[Tensor, Tensor]:
    """1,797 images (n, 1, 8, 8) of mean 0 and spread 1, and labels."""
    found = load_digits()
    images = torch.tensor(found.images, dtype=torch.float32)[:, None]
    return (images - images.mean()) / images.std(), torch.tensor(found.target)


def loader(images: Tensor, labels: Tensor, *, shuffle: bool = True) -> DataLoader[Any]:
    """Batches of it."""
    return DataLoader(TensorDataset(images, labels), batch_size=BATCH, shuffle=shuffle)


@dataclass
class Run:
    """A training to judge.

    Attributes:
        module: What is trained.
        data: What on.
        epochs: How many.
        precision: As of the Trainer.
    """

    module: LightningModule
    data: DataLoader[Any] = field(default_factory=lambda: loader(*digits()))
    epochs: int = EPOCHS
    precision: Any = "32-true"


class _Nowhere:
    def write(self, batch: Batch) -> None:
        """Drops it."""

    def flush(self) -> None:
        """Nothing waits."""


def train(run: Run, *, sink: Any = None, views: Sequence[str] = ("classes",)) -> tuple[Finding, ...]:
    """What the callback finds; what it draws goes to the sink, if there is one."""
    callback = WeightVisualizationCallback(
        sinks=[_Nowhere() if sink is None else sink],
        views=views,
        background=False,
        max_overhead=None,
        on_alert="ignore",
    )
    with TemporaryDirectory() as folder, _quietly():
        Trainer(
            accelerator="cpu",
            max_epochs=run.epochs,
            callbacks=[callback],
            logger=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            enable_checkpointing=False,
            precision=run.precision,
            default_root_dir=Path(folder),
        ).fit(run.module, run.data)
    return callback.findings


class _quietly(warnings.catch_warnings):  # noqa: N801
    def __enter__(self) -> Any:
        entered = super().__enter__()
        warnings.simplefilter("ignore")
        return entered


def parameters_without(network: nn.Module, layer: str) -> Iterator[nn.Parameter]:
    """All but those of one layer."""
    return (one for name, one in network.named_parameters() if not name.startswith(layer + "."))
