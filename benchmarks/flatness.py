"""Whether a snapshot costs the same after hundreds of others: time, memory and state.

Run it on a machine with nothing else to do::

    python -m benchmarks.flatness                       # 300 snapshots of a ResNet-18; takes some minutes

The table goes to the screen, and with ``--out`` to a text file: medians over each stretch of snapshots of the time
for which training waits and of all work, the process' resident memory at its end, and the bytes of the state. What is
drawn in the background is waited for in *all work* only.
"""

from __future__ import annotations

import argparse
import io
import statistics
import tempfile
import time
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


def measure(model: str, snapshots: int, stretch: int) -> list[str]:
    """One line for each stretch."""
    torch.manual_seed(0)
    network = MODELS[model]()
    lines = [f"{'snapshots':>11} {'blocked ms':>12} {'all ms':>10} {'resident MB':>13} {'state KB':>10}"]
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
                reach = f"{step + 1 - stretch}–{step}"
                lines.append(f"{reach:>11} {times[0]:12.1f} {times[1]:10.1f} {sizes[0]:13.0f} {sizes[1]:10.1f}")
                blocked, whole = [], []
    return lines


def main() -> None:
    """Measures what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=tuple(MODELS), default="resnet18")
    parser.add_argument("--snapshots", type=int, default=300, help="(default: %(default)s)")
    parser.add_argument("--stretch", type=int, default=50, help="snapshots a line (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="of torch (default: %(default)s)")
    parser.add_argument("--out", type=Path, help="folder for flatness.txt")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    text = "\n".join([f"{args.model}, {args.threads} threads", *measure(args.model, args.snapshots, args.stretch)])
    print(text)
    if args.out:
        args.out.mkdir(parents=True, exist_ok=True)
        (args.out / "flatness.txt").write_text(text + "\n")


if __name__ == "__main__":
    main()
