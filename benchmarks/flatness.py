"""Whether a snapshot costs the same after hundreds of others: time, memory and state.

Run it on a machine with nothing else to do::

    python -m benchmarks.flatness                       # 300 snapshots of a ResNet-18; takes some minutes
    make soak                                           # 5,000 of a 784-128-64-10 network, and fails if it is not flat

The table goes to the screen, and with ``--out`` to a text file: medians over each stretch of snapshots of the time
for which training waits and of all work, the process' resident memory at its end, and the bytes of the state. What is
drawn in the background is waited for in *all work* only.

With ``--check`` the last stretch may take no more than the most that one of the first tenth of the stretches took, and
a margin for what a machine does besides. Films and curves are thinned when they are full, and fill up again: what is
kept rises and falls between bounds that the first snapshots reach.
"""

from __future__ import annotations

import argparse
import io
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.utils.tensorboard import SummaryWriter

from benchmarks.snapshot import MODELS, move
from lightning_weightviz import WeightVisualizer


def resident() -> int:
    """Bytes of memory that the process holds, from the kernel; Linux only."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return 4096 * pages


def state_bytes(visualizer: WeightVisualizer) -> int:
    """As it goes into a checkpoint."""
    buffer = io.BytesIO()
    torch.save(visualizer.state_dict(), buffer)
    return buffer.tell()


@dataclass(frozen=True)
class Stretch:
    """What some snapshots took: milliseconds that training waits, and of all work; megabytes resident; kB of state."""

    first: int
    last: int
    blocked: float
    whole: float
    resident: float
    state: float

    @property
    def line(self) -> str:
        """Of the table."""
        reach = f"{self.first}–{self.last}"
        return f"{reach:>11} {self.blocked:12.1f} {self.whole:10.1f} {self.resident:13.0f} {self.state:10.1f}"


MARGINS = {"blocked": 1.5, "whole": 1.25, "resident": 1.05, "state": 1.05}


def not_flat(stretches: Sequence[Stretch]) -> list[str]:
    """What the last stretch takes more of than any of the first tenth."""
    early, last = stretches[: max(len(stretches) // 10, 1)], stretches[-1]
    found = []
    for name, margin in MARGINS.items():
        before, now = max(getattr(one, name) for one in early), getattr(last, name)
        if now > margin * before:
            found.append(f"{name}: {now:.1f} at the end, {before:.1f} in the first tenth")
    return found


def measure(model: str, snapshots: int, stretch: int) -> list[Stretch]:
    """One for so many snapshots each."""
    torch.manual_seed(0)
    network = MODELS[model]()
    stretches = []
    with tempfile.TemporaryDirectory() as folder, SummaryWriter(folder) as writer:
        visualizer = WeightVisualizer(network, writer)
        blocked: list[float] = []
        whole: list[float] = []
        for step in range(snapshots):
            move(network)
            begun = time.perf_counter()
            visualizer.log(step, epoch=step)
            blocked.append(time.perf_counter() - begun)
            visualizer.collect(wait=True)
            whole.append(time.perf_counter() - begun)
            if len(blocked) == stretch:
                times = [1000 * statistics.median(values) for values in (blocked, whole)]
                sizes = resident() / 1e6, state_bytes(visualizer) / 1e3
                stretches.append(Stretch(step + 1 - stretch, step, times[0], times[1], *sizes))
                blocked, whole = [], []
    return stretches


def main() -> None:
    """Measures what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=tuple(MODELS), default="resnet18")
    parser.add_argument("--snapshots", type=int, default=300, help="(default: %(default)s)")
    parser.add_argument("--stretch", type=int, default=50, help="snapshots a line (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="of torch (default: %(default)s)")
    parser.add_argument("--out", type=Path, help="folder for flatness_<model>.txt")
    parser.add_argument("--check", action="store_true", help="exit with 1 where it is not flat")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    stretches = measure(args.model, args.snapshots, args.stretch)
    head = f"{'snapshots':>11} {'blocked ms':>12} {'all ms':>10} {'resident MB':>13} {'state KB':>10}"
    text = "\n".join([f"{args.model}, {args.threads} threads", head, *(one.line for one in stretches)])
    print(text)
    if args.out:
        args.out.mkdir(parents=True, exist_ok=True)
        (args.out / f"flatness_{args.model}.txt").write_text(text + "\n")
    if args.check and (found := not_flat(stretches)):
        sys.exit("not flat: " + "; ".join(found))


if __name__ == "__main__":
    main()
