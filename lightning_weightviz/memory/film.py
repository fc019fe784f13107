"""The film strip: a few small pictures of each parameter, the start and log-spaced snapshots."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lightning_weightviz.memory.curves import Time
from lightning_weightviz.memory.half import Half, half_of
from lightning_weightviz.snapshot import Measurement, Parameter, Picture, Snapshot, pool_extreme

MAX_FRAMES = 8
FRAME_CELLS = (72, 108)
LEAST_FILMED, MOST_FILMED = 6, 25
"""A film of filters shows at least so many of them, or all, and at most so many, or nothing would be seen."""


@dataclass(frozen=True)
class Frame:
    """One picture of the film strip.

    Attributes:
        ordinal: Which snapshot it is of, 0 for the first.
        epoch: Its epoch.
        step: Its step.
        cells: float16, at most `FRAME_CELLS`, values or sums of kernels, pooled by signed extreme; where `filmed` is
            not 0, all filters of the picture, a row each (earlier versions kept the first ones); in units of `scale`.
        scale: A power of two, so that weights of any size keep float16's eleven bits.
        moved: ‖w − w₀‖ / ‖w₀‖ by then; NaN where not known.
    """

    ordinal: int
    epoch: int
    step: int
    cells: npt.NDArray[np.float16]
    scale: float
    moved: float

    @property
    def values(self) -> npt.NDArray[np.float32]:
        """The cells in the weights' own unit."""
        return self.of_rows(slice(None))

    def of_rows(self, rows: slice | Sequence[int]) -> npt.NDArray[np.float32]:
        """Some rows of the cells in the weights' own unit."""
        return Half(self.cells[rows], self.scale).values


def filmed(parameter: Parameter) -> int:
    """How many filters a frame of the film shows; 0 where it is a map of all values."""
    if parameter.layout != "filters":
        return 0
    count, *tile = parameter.filters_shape
    most = math.prod(FRAME_CELLS) // math.prod(tile)
    return min(count, most, MOST_FILMED) if most >= min(count, LEAST_FILMED) else 0


def frame_of(snapshot: Snapshot | Time, measurement: Measurement, picture: Picture) -> Frame:
    """The frame that shows a parameter's picture as it is in this snapshot."""
    filters = None
    if picture.filters is not None and filmed(measurement.parameter):
        # Which of them are worth a look is known later.
        filters = picture.filters.reshape(len(picture.filters), -1)
    values = picture.extreme if picture.sums is None else picture.sums
    half = half_of(pool_extreme(values, *FRAME_CELLS) if filters is None else filters)
    return Frame(snapshot.ordinal, snapshot.epoch, snapshot.step, half.cells, half.scale, measurement.moved)


def keeps_frame(ordinal: int, base: int) -> bool:
    """Whether a snapshot's frame is kept: of the first two, and of every power of `base`.

    >>> [ordinal for ordinal in range(70) if keeps_frame(ordinal, 4)]
    [0, 1, 4, 16, 64]
    """
    while ordinal > 1 and ordinal % base == 0:
        ordinal //= base
    return ordinal <= 1


def worth_a_look(frames: Sequence[Frame], count: int) -> tuple[list[int], int]:
    """Which `count` filters of a film to show: those that have moved most, the most first, and some that moved least.

    Returns:
        Their rows, and how many of them, at the end, are there for having moved least; 0 where all are shown.
    """
    # Of a frame of an earlier version the first ones are known.
    rows = min(len(frame.cells) for frame in frames)
    if rows <= count:
        return list(range(rows)), 0
    first, last = frames[0], frames[-1]
    with np.errstate(invalid="ignore", over="ignore"):
        # In units of the larger scale, in which float32 holds all squares.
        scale = max(first.scale, last.scale)
        change = last.cells[:rows].astype(np.float32)
        change *= np.float32(last.scale / scale)
        change -= first.cells[:rows].astype(np.float32) * np.float32(first.scale / scale)
        moved = np.einsum("ij,ij->i", change, change)
    # One that is broken has gone farthest.
    order = np.argsort(-np.nan_to_num(moved, nan=np.inf), kind="stable").tolist()
    least = max(1, count // 4)
    return order[: count - least] + order[len(order) - least :], least


def thinned(frames: list[Frame], base: int) -> list[Frame]:
    """The first frame, and those that are kept with `base`."""
    return frames[:1] + [frame for frame in frames[1:] if keeps_frame(frame.ordinal, base)]
