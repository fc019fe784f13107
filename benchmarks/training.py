"""What a training loses to being looked at: whole time, processor time and steps, beside others' ways.

Run it on a machine with nothing else to do::

    python benchmarks/training.py                        # three trainings on one core, on two, and on one of two
    python benchmarks/training.py --models resnet18 --cores 2/2 --repeats 5

Each training runs alone, with our default arguments and without a limit, with the limit, with all targets, with
``add_histogram`` of every parameter at the end of each epoch, and with the histograms of ``wandb.watch``, in turns in
one process. Figures are medians of the repeats, as multiples of the training alone. *seconds a snapshot* is what it
takes longer, over the number of epochs, *counted* what our budget says of it, and *processor* the same of processor
time of all threads. *step* is the median of the times from one batch to the next in an epoch, *99 %* what all but a
hundredth stay below, and *longest* the longest. The very first step, in which training waits for the first snapshot, is
none of them.
"""

from __future__ import annotations

import argparse
import logging
import os
import platform
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from lightning_weightviz import WeightVisualizationCallback


class Network(LightningModule):
    """A classifier."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """The loss of a batch."""
        return nn.functional.cross_entropy(self.network(batch[0]), batch[1])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """SGD with momentum."""
        return torch.optim.SGD(self.parameters(), lr=0.01, momentum=0.9)


class Transformer(nn.Module):
    """Two layers of width 128."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens = nn.Embedding(1000, 128)
        layer = nn.TransformerEncoderLayer(128, 4, 512, batch_first=True, dropout=0.0)
        self.layers = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(128, 10)

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits of the mean."""
        logits: Tensor = self.head(self.layers(self.tokens(tokens)).mean(1))
        return logits


def mlp() -> tuple[nn.Module, Tensor, int]:
    """784-128-64-10 on as many images as there are digits in scikit-learn."""
    network = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 10))
    return network, torch.randn(1797, 784), 32


def resnet18() -> tuple[nn.Module, Tensor, int]:
    """On 32×32 images."""
    from torchvision.models import resnet18 as make

    return make(num_classes=10), torch.randn(512, 3, 32, 32), 32


def transformer() -> tuple[nn.Module, Tensor, int]:
    """On sequences of 32 tokens."""
    return Transformer(), torch.randint(0, 1000, (1024, 32)), 32


MODELS: dict[str, Callable[[], tuple[nn.Module, Tensor, int]]] = {
    "mlp": mlp,
    "resnet18": resnet18,
    "transformer": transformer,
}


class AddHistogram(Callback):
    """What tutorials do."""

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """A histogram of each parameter."""
        assert isinstance(trainer.logger, TensorBoardLogger)
        for name, parameter in pl_module.named_parameters():
            trainer.logger.experiment.add_histogram(name, parameter, trainer.global_step)


class Watch(Callback):
    """The statistics of ``wandb.watch(log="parameters")``: 64 bins of each parameter."""

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """A histogram of each parameter, as W&B computes it."""
        for parameter in pl_module.parameters():
            flat = parameter.detach().reshape(-1)
            low, high = flat.min().item(), flat.max().item()
            np.asarray(flat.histc(64, low, high).tolist())


class Steps(Callback):
    """How long it is from one batch to the next in an epoch."""

    def __init__(self) -> None:
        self.between: list[float] = []
        self._before = 0.0

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Now."""
        now = time.perf_counter()
        if batch_idx > 0 and trainer.global_step > 1:
            self.between.append(now - self._before)
        self._before = now


WAYS: dict[str, Callable[[], list[Callback]]] = {
    "alone": list,
    "defaults": lambda: [WeightVisualizationCallback(max_overhead=None)],
    "limited": lambda: [WeightVisualizationCallback()],
    "all targets": lambda: [
        WeightVisualizationCallback(targets=("weights", "gradients", "updates"), max_overhead=None)
    ],
    "add_histogram": lambda: [AddHistogram()],
    "wandb.watch": lambda: [Watch()],
}


def train(model: str, way: str, epochs: int) -> dict[str, float]:
    """Seconds of the epochs, processor seconds, and the median and longest step."""
    torch.manual_seed(0)
    network, inputs, batch = MODELS[model]()
    labels = torch.randint(0, 10, (len(inputs),))
    loader = DataLoader(TensorDataset(inputs, labels), batch_size=batch, shuffle=True)
    steps = Steps()
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(
            max_epochs=epochs,
            accelerator="cpu",
            logger=TensorBoardLogger(folder),
            callbacks=[steps, *WAYS[way]()],
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        used, began = time.process_time(), time.perf_counter()
        trainer.fit(Network(network), loader)
        seconds, used = time.perf_counter() - began, time.process_time() - used
    ours = [one for one in trainer.callbacks if isinstance(one, WeightVisualizationCallback)]  # type: ignore[attr-defined]
    return {
        "seconds": seconds,
        "counted": sum(one._training.schedule.lost for one in ours if one._training is not None),
        "used": used,
        "step": float(np.median(steps.between)),
        "most": float(np.quantile(steps.between, 0.99)),
        "longest": max(steps.between),
    }


def table(model: str, used_cores: str, epochs: int, repeats: int) -> Iterator[str]:
    """The results of one training."""
    for way in WAYS:
        train(model, way, 1)
    runs: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    for _ in range(repeats):
        for way in WAYS:
            runs[way].append(train(model, way, epochs))
    medians = {
        way: {key: statistics.median(run[key] for run in found) for key in found[0]} for way, found in runs.items()
    }
    alone = medians["alone"]
    yield f"{model}, {epochs} epochs of {alone['seconds'] / epochs:.2f} s, {used_cores} cores"
    yield f"{'':16}{'whole':>8}{'seconds a snapshot':>20}{'counted':>9}{'processor':>11}{'step':>7}{'99 %':>7} longest"
    for way, found in medians.items():
        more, counted, used = ((found[key] - alone[key]) / epochs for key in ("seconds", "counted", "used"))
        whole, step, most, longest = (found[key] / alone[key] for key in ("seconds", "step", "most", "longest"))
        yield f"{way:16}{whole:8.2f}{more:20.3f}{counted:9.3f}{used:11.3f}{step:7.2f}{most:7.2f}{longest:8.2f}"


def main() -> None:
    """Reads the arguments, runs all and prints the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument(
        "--cores", nargs="+", default=["1/1", "2/2", "1/2"], help="those of PyTorch, of those there are"
    )
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    logging.getLogger("lightning.pytorch.utilities.rank_zero").setLevel(logging.ERROR)
    lines = [f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}, torch {torch.__version__}"]
    for cores in arguments.cores:
        of_torch, of_process = map(int, cores.split("/"))
        # Of the process and all its threads, ours among them.
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, range(of_process))
        torch.set_num_threads(of_torch)
        for model in arguments.models:
            used_cores = f"{of_torch} of {of_process}"
            lines += ["", *table(model, used_cores, arguments.epochs, arguments.repeats)]
            print("\n".join(lines[-len(WAYS) - 2 :]), flush=True)
    if arguments.out:
        arguments.out.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
