"""Small real trainings: a classifier on separable data, and how the Trainer is set up for tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.loggers import TensorBoardLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset


class Classifier(LightningModule):
    """784-style perceptron in small: 16 inputs, 8 hidden units with dropout, 4 classes."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.fc1 = nn.Linear(16, 8)
        self.dropout = nn.Dropout(0.2)
        self.norm = nn.BatchNorm1d(8)
        self.fc2 = nn.Linear(8, 4)

    def forward(self, inputs: Tensor) -> Tensor:
        outputs: Tensor = self.fc2(self.norm(self.dropout(torch.relu(self.fc1(inputs)))))
        return outputs

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        inputs, labels = batch
        loss = nn.functional.cross_entropy(self(inputs), labels)
        self.log("loss", loss, on_step=True, on_epoch=True)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.05, momentum=0.9)


def batches(size: int = 8, count: int = 5) -> DataLoader[Any]:
    """`count` batches of labelled points, the same at each call; shuffled, so that the order takes random numbers."""
    generator = torch.Generator().manual_seed(1)
    inputs = torch.randn(size * count, 16, generator=generator)
    return DataLoader(TensorDataset(inputs, inputs[:, :4].argmax(1)), batch_size=size, shuffle=True)


@contextmanager
def quiet_threads() -> Iterator[None]:
    """One thread: sums then have one order, and runs can be compared bit by bit."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def trainer(folder: Path, *callbacks: Any, **arguments: Any) -> Trainer:
    """A Trainer on the CPU with a TensorBoard logger under `folder`, and nothing to print."""
    defaults: dict[str, Any] = {
        "accelerator": "cpu",
        "max_epochs": 3,
        "logger": TensorBoardLogger(folder, name="", version="run"),
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "enable_checkpointing": False,
        "log_every_n_steps": 1,
        "default_root_dir": folder,
        "callbacks": list(callbacks),
    }
    return Trainer(**{**defaults, **arguments})


def events(folder: Path) -> EventAccumulator:
    """All that the event files under `folder`/run hold."""
    accumulator = EventAccumulator(
        str(folder / "run"), size_guidance={"images": 0, "histograms": 0, "scalars": 0, "compressedHistograms": 0}
    )
    accumulator.Reload()
    return accumulator


def steps_of(accumulator: EventAccumulator, kind: str, tag: str) -> list[int]:
    """The steps at which a tag was written; `kind` is Images, Histograms or Scalars."""
    return [event.step for event in getattr(accumulator, kind)(tag)]
