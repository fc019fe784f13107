"""All work of a snapshot in processor time, on one thread, as a multiple of ``add_histogram`` of every parameter.

Run it on a machine with nothing else to do::

    python -m benchmarks.work --out benchmarks/results      # takes some minutes

Both run in turns in one process, with the event files on disk; figures are medians, behind two turns to warm up.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
import warnings
from pathlib import Path

import torch
from torch.utils.tensorboard import SummaryWriter

from benchmarks.snapshot import MODELS, add_histogram, all_work, move


def measure(name: str, repeats: int) -> str:
    """One line."""
    torch.manual_seed(0)
    model = MODELS[name]()
    with tempfile.TemporaryDirectory() as folder, SummaryWriter(f"{folder}/a") as a, SummaryWriter(f"{folder}/b") as b:
        contestants = (all_work(model, a), add_histogram(model, b))
        taken: list[list[float]] = [[], []]
        for _ in range(repeats + 2):
            move(model)
            for work, times in zip(contestants, taken, strict=True):
                begun = time.process_time()
                work()
                times.append(time.process_time() - begun)
    ours, theirs = (1000 * statistics.median(times[2:]) for times in taken)
    return f"{name:12}{ours:10.1f}{theirs:18.1f}{ours / theirs:8.2f}"


def main() -> None:
    """Measures what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--out", type=Path, help="folder for work.txt")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    lines = [f"{'model':12}{'ours ms':>10}{'add_histogram ms':>18}{'ratio':>8}"]
    print(lines[0], flush=True)
    for name in arguments.models:
        lines.append(measure(name, arguments.repeats))
        print(lines[-1], flush=True)
    if arguments.out:
        arguments.out.mkdir(parents=True, exist_ok=True)
        (arguments.out / "work.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
