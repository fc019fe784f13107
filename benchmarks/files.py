"""What `weightviz inspect` and `weightviz render` take of a large file: seconds beside one read of it, and memory.

Run it on a machine with nothing else to do::

    python benchmarks/files.py                               # 10 GB of float32, and as much of bfloat16
    python benchmarks/files.py --gigabytes 1.5 --dtypes F32 --folder /tmp

The file is a decoder of width 4096 in safetensors: a matrix of tokens, then blocks. Half of its matrices are normal
noise, which needs the most steps for the largest singular value; the others have eight directions far above it, as
training makes them. Before each run the file is taken out of the system's cache, so that all read it from the disk.
*share* is the speed of the command as a share of that of reading; *peak* is the process's largest resident memory.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

WIDTH, HIDDEN, TOKENS = 4096, 11008, 32000
DTYPES = {"F32": torch.float32, "BF16": torch.bfloat16}
_COMMAND = """
import re, sys
from lightning_weightviz.command import main
try:
    main()
finally:
    print(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1], file=sys.stderr)
"""


def shapes(limit: float, itemsize: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Names and shapes of a decoder of about so many bytes."""
    yield "model.embed_tokens.weight", (TOKENS, WIDTH)
    size = TOKENS * WIDTH * itemsize
    block = 0
    while size < limit:
        parts = {f"self_attn.{name}_proj.weight": (WIDTH, WIDTH) for name in "qkvo"}
        parts |= {f"mlp.{name}_proj.weight": (HIDDEN, WIDTH) for name in ("gate", "up")}
        parts |= {"mlp.down_proj.weight": (WIDTH, HIDDEN)}
        for name, (rows, columns) in parts.items():
            yield f"model.layers.{block}.{name}", (rows, columns)
            size += rows * columns * itemsize
        yield f"model.layers.{block}.input_layernorm.weight", (WIDTH,)
        block += 1


def values(shape: tuple[int, ...], ordinal: int, noise: Tensor, dtype: torch.dtype) -> Tensor:
    """A tensor of noise, every other one with eight large directions."""
    count = int(np.prod(shape))
    start = ordinal * 7919 % 1000
    flat = noise[start:].repeat(-(-count // (len(noise) - start)))[:count].view(shape) * 0.02
    if len(shape) > 1 and ordinal % 2:
        random = torch.Generator().manual_seed(ordinal)
        left = torch.randn(shape[0], 8, generator=random) * torch.linspace(1, 3, 8)
        flat += left @ torch.randn(8, shape[1], generator=random) * (0.04 / max(shape) ** 0.5)
    return flat.to(dtype)


def write(path: Path, gigabytes: float, dtype: str) -> int:
    """Writes the file, a tensor at a time; returns its bytes."""
    kind = DTYPES[dtype]
    header: dict[str, object] = {}
    named = list(shapes(gigabytes * 1e9, kind.itemsize))
    offset = 0
    for name, shape in named:
        end = offset + int(np.prod(shape)) * kind.itemsize
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header).encode()
    noise = torch.randn((1 << 24) + 12345, generator=torch.Generator().manual_seed(0))
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for ordinal, (_, shape) in enumerate(named):
            file.write(values(shape, ordinal, noise, kind).view(torch.uint8).numpy().data)
    return path.stat().st_size


def forget(path: Path) -> None:
    """Takes a file out of the system's cache."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def read(path: Path) -> float:
    """Seconds that one read from the disk takes."""
    forget(path)
    start = time.perf_counter()
    with path.open("rb", buffering=0) as file:
        while file.read(1 << 24):
            pass
    return time.perf_counter() - start


def run(path: Path, *arguments: str) -> tuple[float, int]:
    """Seconds and bytes that a command takes, its start included."""
    forget(path)
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", _COMMAND, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=True
    )
    seconds = time.perf_counter() - start
    return seconds, int(re.findall(rb"\d+", done.stderr)[-1]) * 1024


def main() -> None:
    """Writes files, measures and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gigabytes", type=float, default=10.0)
    parser.add_argument("--dtypes", nargs="+", choices=sorted(DTYPES), default=["F32", "BF16"])
    parser.add_argument("--folder", type=Path, help="Where the file is written; a temporary one if not given.")
    parser.add_argument("--out", type=Path, help="A text file for the table.")
    arguments = parser.parse_args()
    lines = [
        f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}, torch {torch.__version__}",
        f"{'':24}{'seconds':>10}{'GB/s':>10}{'share':>10}{'peak MB':>10}",
    ]
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        for dtype in arguments.dtypes:
            path = Path(folder, f"{dtype}.safetensors")
            size = write(path, arguments.gigabytes, dtype)
            once = read(path)
            lines.append(f"{f'read {size / 1e9:.1f} GB of {dtype}':24}{once:10.1f}{size / once / 1e9:10.2f}")
            for command in (["inspect", str(path), "--json"], ["render", str(path), "--out", f"{folder}/{dtype}"]):
                seconds, peak = run(path, *command)
                numbers = f"{seconds:10.1f}{size / seconds / 1e9:10.2f}{once / seconds:10.2f}{peak / 1e6:10.0f}"
                lines.append(f"{command[0]:24}{numbers}")
            path.unlink()
            print("\n".join(lines), flush=True)
    if arguments.out:
        arguments.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
