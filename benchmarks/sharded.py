"""What a snapshot of weights that are spread over ranks takes, beside gathering them first: seconds, bytes and memory.

Run it on a machine with nothing else to do::

    python benchmarks/sharded.py                   # on 2 and on 4 processes, and a large model on paper
    python benchmarks/sharded.py --ranks 2 --blocks 1 --repeats 3

Both run in the same processes, in turns; times are medians on rank 0, without drawing. *bytes* is what collectives gave
a rank, *memory* how far its resident memory rose above what it was before, each as a multiple of the rank's own shard.
The processes meet over gloo on the CPU. `bytes_of_snapshot` is the same on paper, for models of any size.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from lightning_weightviz.measure.device.moments import SMALL
from lightning_weightviz.measure.device.spectrum import COLD_STEPS, WARM_STEPS
from lightning_weightviz.measure.device.subset import shares
from lightning_weightviz.measure.histogram_scheme import SLOTS

WIDTH, HIDDEN = 1024, 4096


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
    # Each sheet has a number that says whether a rank has failed, and the first one whether steps are few.
    extremes = 2 + len(shapes) + 2 * len(large) + 2 * maps
    sums = 1 + (SLOTS + 1 + 3 + 1) * len(large) + sum(shape[0] if len(shape) == 2 else 1 for shape in large)
    sums += sum(count for shape, count in zip(shapes, kept, strict=True) if torch.Size(shape).numel() >= SMALL)
    sums += 2 * maps + 2 * sum(columns for _, columns in drawn) + sum(small) + 3 * len(shapes)
    powers = 1 + 4 * len(large)
    steps = COLD_STEPS if first else WARM_STEPS
    products = sum(1 + sum(columns for _, columns in matrices if step < columns) for step in range(steps))
    return 8 * (1 + extremes + sums + powers) + 4 * products


def decoder(width: int, hidden: int, layers: int, tokens: int, keys: int) -> Iterator[tuple[int, ...]]:
    """Shapes of a Llama."""
    yield tokens, width
    for _ in range(layers):
        yield from ((width, width), (keys, width), (keys, width), (width, width))
        yield from ((hidden, width), (hidden, width), (width, hidden), (width,), (width,))
    yield from ((width,), (tokens, width))
