"""What a snapshot costs on a CUDA device: time of the stream, time of the host, memory; nothing of it waits.

One command; without a device it says so and ends::

    python -m benchmarks.on_cuda
    python -m benchmarks.on_cuda --out benchmarks/results

*once* and *twice* are reading every weight once and twice, by ``torch._foreach_norm``: the floor. *stream* is the
time from the first to the last operation that a snapshot enqueues on the training's stream, *host* the time until the
call returns, both medians of `--repeats` snapshots with default arguments and a device that was idle before. *first* is
the stream's time of the first snapshot, which finds the singular vectors. *peak* is the memory of training steps alone,
*with* that of steps with a snapshot behind each, as a multiple. *fused*: with ``fused=True``. Each snapshot is taken
under ``torch.cuda.set_sync_debug_mode("error")``, so that one that makes the host wait ends the benchmark.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from lightning_weightviz import WeightVisualizer
from lightning_weightviz.measure import Measured
from lightning_weightviz.model.observer import Observer
from lightning_weightviz.run.deferred import Deferred
from lightning_weightviz.snapshot import Target

DEVICE = torch.device("cuda")


class Blocks(nn.Module):
    """The matrices of a decoder without attention itself: a step that reads and changes every weight."""

    def __init__(self, width: int, depth: int, tokens: int) -> None:
        super().__init__()
        self.tokens = nn.Embedding(tokens, width)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.LayerNorm(width),
                nn.Linear(width, 3 * width),
                nn.Linear(3 * width, width),
                nn.Linear(width, 4 * width),
                nn.GELU(),
                nn.Linear(4 * width, width),
            )
            for _ in range(depth)
        )
        self.head = nn.Linear(width, tokens, bias=False)

    def forward(self, indices: Tensor) -> Tensor:
        """Scores of the next token."""
        values = self.tokens(indices)
        for block in self.blocks:
            values = values + block(values)
        scores: Tensor = self.head(values)
        return scores


@dataclass(frozen=True)
class Case:
    """A model that is trained, and what one step is fed with: inputs and classes."""

    name: str
    model: Callable[[], nn.Module]
    batch: Callable[[], tuple[Tensor, Tensor]]


def resnet50() -> nn.Module:
    """Of torchvision, untrained."""
    from torchvision import models

    model: nn.Module = models.resnet50()
    return model


def _images() -> tuple[Tensor, Tensor]:
    return torch.randn(32, 3, 224, 224, device=DEVICE), torch.randint(1000, (32,), device=DEVICE)


def _texts() -> tuple[Tensor, Tensor]:
    return torch.randint(50257, (2048,), device=DEVICE), torch.randint(50257, (2048,), device=DEVICE)


CASES = {
    "resnet50": Case("ResNet-50, 25.6 M float32", resnet50, _images),
    "decoder": Case("decoder, 1.5 B bfloat16", lambda: Blocks(1600, 37, 50257).to(torch.bfloat16), _texts),
}


def milliseconds(work: Callable[[], object], repeats: int, behind: Callable[[], object]) -> tuple[float, float]:
    """Medians of what some work takes on the stream and of how long the host is busy; `behind` is not timed."""
    streams, hosts = [], []
    for _ in range(repeats):
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        torch.cuda.synchronize()
        began = time.perf_counter()
        begin.record()
        work()
        end.record()
        hosts.append(1e3 * (time.perf_counter() - began))
        end.synchronize()
        streams.append(begin.elapsed_time(end))
        behind()
    return statistics.median(streams), statistics.median(hosts)


def nothing() -> None:
    """Is done where there is nothing to do."""


class Snapshots:
    """Takes snapshots of a model as a callback does, each of which ends the benchmark if it makes the host wait."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self._pending: Deferred[dict[Target, Measured]] | None = None

    def take(self) -> None:
        """Enqueues one."""
        torch.cuda.set_sync_debug_mode("error")
        try:
            self._pending = self._observer.take()
        finally:
            torch.cuda.set_sync_debug_mode("default")

    def take_and_read(self) -> None:
        """Both, one after the other."""
        self.take()
        self.read()

    def read(self) -> None:
        """Waits for it, as the background thread does."""
        if self._pending is not None:
            self._pending.result()


def measure(case: Case, repeats: int, *, fused: bool) -> dict[str, float]:
    """All numbers of one model, in milliseconds and bytes."""
    torch.manual_seed(0)
    model = case.model().to(DEVICE)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)
    inputs, classes = case.batch()

    def step() -> None:
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(inputs).float(), classes).backward()
        optimizer.step()

    def peak(between: Callable[[], object]) -> float:
        torch.cuda.reset_peak_memory_stats()
        for _ in range(3):
            step()
            between()
        torch.cuda.synchronize()
        return float(torch.cuda.max_memory_allocated())

    weights = [parameter.detach() for parameter in model.parameters()]
    peak(nothing)
    found = {"parameters": float(sum(one.numel() for one in weights)), "training": peak(nothing)}
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "the model has more than 24 matrices|No logger|no layer of classes")
        snapshots = Snapshots(WeightVisualizer(model, folder=folder, fused=fused)._observer)
        found["first_stream"], found["first_host"] = milliseconds(snapshots.take, 1, snapshots.read)
        found["with_snapshots"] = peak(snapshots.take_and_read)
        found["stream"], found["host"] = milliseconds(snapshots.take, repeats, snapshots.read)

    def once() -> None:
        torch._foreach_norm(weights)

    def twice() -> None:
        once()
        once()

    found["once"], _ = milliseconds(once, repeats, nothing)
    found["twice"], _ = milliseconds(twice, repeats, nothing)
    return found


def table(results: dict[str, dict[str, float]]) -> str:
    """One row a model."""
    lines = [
        f"# {torch.cuda.get_device_name()}, torch {torch.__version__}",
        f"{'model':36}{'once ms':>9}{'twice ms':>10}{'stream ms':>11}{'x twice':>9}{'host ms':>9}"
        f"{'first ms':>10}{'peak MB':>9}{'with':>8}",
    ]
    for name, one in results.items():
        lines.append(
            f"{name:36}{one['once']:9.2f}{one['twice']:10.2f}{one['stream']:11.2f}{one['stream'] / one['twice']:9.1f}"
            f"{one['host']:9.1f}{one['first_stream']:10.1f}{one['training'] / 1e6:9.0f}"
            f"{one['with_snapshots'] / one['training']:8.3f}"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--out", type=Path, help="folder for the table")
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        print("no CUDA device: nothing was measured")
        return
    found = table(
        {
            CASES[name].name + (", fused" if fused else ""): measure(CASES[name], arguments.repeats, fused=fused)
            for name in arguments.models
            for fused in (False, True)
        }
    )
    print(found, end="")
    if arguments.out is not None:
        arguments.out.mkdir(parents=True, exist_ok=True)
        (arguments.out / "cuda.txt").write_text(found)


if __name__ == "__main__":
    main()
