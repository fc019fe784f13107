"""What a snapshot of weights that are spread over ranks takes, beside gathering them first: seconds, bytes and memory.

Run it on a machine with nothing else to do::

    python benchmarks/sharded.py                   # on 2 and on 4 processes, and a large model on paper
    python benchmarks/sharded.py --ranks 2 --blocks 1 --repeats 3

Both run in the same processes, in turns; times are medians on rank 0, without drawing. *bytes* is what collectives gave
a rank, *memory* how far its resident memory rose above what it was before, each as a multiple of the rank's own shard.
The processes meet over gloo on the CPU. `bytes_of_snapshot` is the same on paper, for models of any size.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import distributed, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor

from lightning_weightviz.measure import Meter
from lightning_weightviz.measure.device.moments import SMALL
from lightning_weightviz.measure.device.spectrum import COLD_STEPS, WARM_STEPS
from lightning_weightviz.measure.device.subset import shares
from lightning_weightviz.measure.histogram_scheme import SLOTS
from lightning_weightviz.model.measuring import Measuring
from lightning_weightviz.model.observer import Observer
from lightning_weightviz.model.selection import Choice
from lightning_weightviz.model.sharding import COLLECTIVES

WIDTH, HIDDEN = 2048, 16384


def bytes_of_snapshot(shapes: Sequence[tuple[int, ...]], pictured: int, cells: int = 256, *, first: bool) -> int:
    """What collectives give a rank at a snapshot of the weights of a decoder, cut by rows, but for its head.

    Args:
        shapes: Of all parameters.
        pictured: How many of them get pictures, the first ones of two dimensions.
        cells: Most cells an axis of a picture.
        first: Whether nothing is known of the largest singular values yet.
    """
    large = [shape for shape in shapes if torch.Size(shape).numel() >= SMALL]
    small = [torch.Size(shape).numel() for shape in shapes if torch.Size(shape).numel() < SMALL]
    matrices = [shape for shape in large if len(shape) == 2]
    drawn = matrices[:pictured]
    kept = shares([torch.Size(shape).numel() for shape in shapes])
    maps = sum(min(rows, cells) * min(columns, cells) for rows, columns in drawn)
    # Each sheet has a number that says whether a rank has failed, and the first one whether few steps are enough.
    # Another one, of the same round, says what ranks could not read.
    extremes = 1 + (1 + len(shapes)) + bool(large) + 2 * len(large) + 2 * maps
    sums = 1 + (SLOTS + 1 + 3 + 1) * len(large) + sum(shape[0] if len(shape) == 2 else 1 for shape in large)
    sums += sum(count for shape, count in zip(shapes, kept, strict=True) if torch.Size(shape).numel() >= SMALL)
    sums += 2 * maps + 2 * sum(columns for _, columns in drawn) + sum(small) + 3 * len(shapes)
    powers = 1 + 4 * len(large) if large else 0
    steps = COLD_STEPS if first else WARM_STEPS
    of_steps = [sum(columns for _, columns in matrices if step < columns) for step in range(steps)]
    return 8 * (extremes + sums + powers) + 4 * sum(1 + numbers for numbers in of_steps if numbers)


def decoder(width: int, hidden: int, layers: int, tokens: int, keys: int) -> Iterator[tuple[int, ...]]:
    """Shapes of a Llama."""
    yield tokens, width
    for _ in range(layers):
        yield from ((width, width), (keys, width), (keys, width), (width, width))
        yield from ((hidden, width), (hidden, width), (width, hidden), (width,), (width,))
    yield from ((width,), (tokens, width))


def network(blocks: int) -> nn.Sequential:
    """Blocks of two matrices, sharded by rows."""
    torch.manual_seed(0)
    layers = [nn.Sequential(nn.Linear(WIDTH, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, WIDTH)) for _ in range(blocks)]
    model = nn.Sequential(*layers, nn.Linear(WIDTH, 10))
    mesh = init_device_mesh("cpu", (distributed.get_world_size(),))
    for layer in model:
        fully_shard(layer, mesh=mesh)
    fully_shard(model, mesh=mesh)
    return model


def resident(name: str) -> int:
    """Bytes: ``VmRSS`` of now, ``VmHWM`` the most since `forget_peak`."""
    found = re.search(rf"{name}:\s+(\d+)", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) * 1024


def timed(work: Callable[[], Any]) -> dict[str, float]:
    """Seconds, bytes from collectives, and how far memory rose."""
    distributed.barrier()
    Path("/proc/self/clear_refs").write_text("5")
    before, received, began = resident("VmRSS"), COLLECTIVES.received, time.perf_counter()
    work()
    seconds = time.perf_counter() - began
    return {
        "seconds": seconds,
        "bytes": COLLECTIVES.received - received,
        "memory": resident("VmHWM") - before,
    }


def measure(blocks: int, repeats: int) -> None:
    """One rank's part; rank 0 prints medians as JSON."""
    torch.set_num_threads(1)
    distributed.init_process_group("gloo")
    model = network(blocks)
    observer = Observer(model, Choice(), Measuring(background=False), classes=False)
    meter = Meter([site.parameter for site in observer.sites])

    def by_parts() -> None:
        taken = observer.take()
        assert taken is not None
        taken.result()

    def gathered() -> None:
        whole = [
            COLLECTIVES.take("gather", tensor.full_tensor, tensor.nbytes)
            for tensor in model.parameters()
            if isinstance(tensor, DTensor)
        ]
        if distributed.get_rank() == 0:
            meter.measure(whole).result()

    ways = {"by parts": by_parts, "gathered": gathered}
    first = {name: timed(work) for name, work in ways.items()}
    again: dict[str, list[dict[str, float]]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, work in ways.items():
            again[name].append(timed(work))
    if distributed.get_rank() == 0:
        medians = {
            name: {key: statistics.median(run[key] for run in runs) for key in runs[0]} for name, runs in again.items()
        }
        shard = sum(tensor.to_local().nbytes for tensor in model.parameters() if isinstance(tensor, DTensor))
        whole = sum(tensor.nbytes for tensor in model.parameters())
        largest = max(tensor.to_local().nbytes for tensor in model.parameters() if isinstance(tensor, DTensor))
        print(json.dumps({"first": first, "later": medians, "shard": shard, "whole": whole, "largest": largest}))
    distributed.destroy_process_group()


def run(ranks: int, blocks: int, repeats: int) -> dict[str, Any]:
    """Starts the ranks, and reads what rank 0 prints."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {**os.environ, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(ranks)}
    command = [sys.executable, __file__, "--rank", "--blocks", str(blocks), "--repeats", str(repeats)]
    processes = [
        subprocess.Popen(command, env={**shared, "RANK": str(rank)}, stdout=subprocess.PIPE, text=True)
        for rank in range(ranks)
    ]
    printed = [process.communicate()[0] for process in processes]
    found: dict[str, Any] = json.loads(printed[0].splitlines()[-1])
    return found


def table(ranks: int, found: dict[str, Any]) -> Iterator[str]:
    """The results of one number of ranks."""
    megabyte = 1 << 20
    yield f"{ranks} ranks, {found['whole'] / megabyte:.0f} MiB of float32, shard {found['shard'] / megabyte:.0f} MiB"
    yield f"{'':24}{'seconds':>9}{'MiB received':>14}{'memory MiB':>12}{'of largest shard':>18}"
    for when in ("first", "later"):
        for name, one in found[when].items():
            row = f"{name}, {when}"
            memory = one["memory"]
            yield (
                f"{row:24}{one['seconds']:9.2f}{one['bytes'] / megabyte:14.1f}{memory / megabyte:12.0f}"
                f"{memory / found['largest']:18.1f}"
            )


def on_paper() -> Iterator[str]:
    """A Llama of 70 B parameters on 512 ranks."""
    shapes = list(decoder(8192, 28672, 80, 128256, 1024))
    size = sum(torch.Size(shape).numel() for shape in shapes)
    yield f"{size / 1e9:.1f} B parameters in bfloat16 on 512 ranks, 12 pictures"
    matrices = [shape for shape in shapes if len(shape) == 2]
    for first in (True, False):
        received = bytes_of_snapshot(shapes, 12, first=first)
        steps = COLD_STEPS if first else WARM_STEPS
        read = size * 2 / 512 * (3 + 2 * steps)
        vectors = 4 * sum(columns for _, columns in matrices)
        yield (
            f"{'first' if first else 'later'}: read from its own memory {read / 1e9:.1f} GB a rank, received "
            f"{received / 1e6:.0f} MB, kept {steps * vectors / 1e6:.0f} MB of vectors meanwhile; gathering: "
            f"{2 * size / 1e9:.0f} GB"
        )


def main() -> None:
    """Reads the arguments, runs all and prints the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ranks", type=int, nargs="+", default=[2, 4])
    parser.add_argument("--blocks", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--rank", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.rank:
        measure(arguments.blocks, arguments.repeats)
        return
    lines = [f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}, torch {torch.__version__}"]
    for ranks in arguments.ranks:
        lines += ["", *table(ranks, run(ranks, arguments.blocks, arguments.repeats))]
    lines += ["", *on_paper()]
    print("\n".join(lines))
    if arguments.out:
        arguments.out.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
