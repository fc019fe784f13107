"""What all rules cost beside the snapshot that they judge: measured, remembered, drawn and encoded, on one core.

python -m benchmarks.rules
python -m benchmarks.rules --out benchmarks/results
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torchvision.models import resnet18, resnet50

from lightning_weightviz import WeightVisualizer, visualizer
from lightning_weightviz.artifacts import Animation, Batch, Image
from lightning_weightviz.findings.support.engine import Engine, Judged

MODELS: dict[str, Callable[[], nn.Module]] = {
    "784-128-64-10": lambda: nn.Sequential(
        nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 10)
    ),
    "ResNet-18": resnet18,
    "ResNet-50": resnet50,
}
FIRST = 5
"""The first snapshot that is counted: from then on all rules have what they need."""


class _Timed(Engine):
    """Remembers how long each snapshot took to judge."""

    seconds: list[float] = []  # noqa: RUF012

    def judge(self, snapshot: Any, past: Any, pairs: Any = ()) -> Judged:
        """As an engine does."""
        began = time.perf_counter()
        judged = super().judge(snapshot, past, pairs)
        self.seconds.append(time.perf_counter() - began)
        return judged


class _Encoder:
    """Encodes each picture, as every logger's sink does, and drops it."""

    def write(self, batch: Batch) -> None:
        """Encodes."""
        for artifact in batch.artifacts:
            if isinstance(artifact, Image):
                _ = artifact.png
            elif isinstance(artifact, Animation):
                _ = artifact.gif

    def flush(self) -> None:
        """Nothing waits."""


def measure(make: Callable[[], nn.Module], snapshots: int) -> tuple[float, float]:
    """Median seconds of judging, and of whole snapshots."""
    model = make()
    _Timed.seconds = []
    weights = WeightVisualizer(model, sinks=[_Encoder()], background=False, on_alert="ignore")
    whole = []
    for ordinal in range(snapshots):
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(0.01 * torch.randn_like(parameter))
        began = time.perf_counter()
        weights.log(ordinal, epoch=ordinal, initial=ordinal == 0)
        whole.append(time.perf_counter() - began)
    return statistics.median(_Timed.seconds[FIRST:]), statistics.median(whole[FIRST:])


def main() -> None:
    """Measures each model, and prints a line of each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=list(MODELS))
    parser.add_argument("--snapshots", type=int, default=30)
    parser.add_argument("--out", type=Path, help="a folder for rules.txt")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    setattr(visualizer, "Engine", _Timed)  # noqa: B010  # a name that the module does not export
    lines = [f"{'model':16} {'rules, ms':>10} {'snapshot, ms':>13} {'share, %':>9}"]
    for name in arguments.models:
        rules, whole = measure(MODELS[name], arguments.snapshots)
        lines.append(f"{name:16} {1000 * rules:10.2f} {1000 * whole:13.1f} {100 * rules / whole:9.2f}")
    print("\n".join(lines))
    if arguments.out is not None:
        (arguments.out / "rules.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
