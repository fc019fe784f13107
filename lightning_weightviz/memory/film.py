"""The film strip: a few small pictures of each parameter, the start and log-spaced snapshots."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lightning_weightviz.memory.half import Half, half_of
from lightning_weightviz.snapshot import Measurement, Parameter, Picture, Snapshot, pool_extreme

MAX_FRAMES = 8
FRAME_CELLS = (72, 108)
LEAST_FILMED = 6
"""A film of filters shows so many of them, or all."""


@dataclass(frozen=True)
class Frame:
    """One picture of the film strip.

    Attributes:
        ordinal: Which snapshot it is of, 0 for the first.
        epoch: Its epoch.
        step: Its step.
        cells: float16, at most `FRAME_CELLS`, values or sums of kernels, pooled by signed extreme, or the first
            `filmed` filters, a row each; in units of `scale`.
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
        return Half(self.cells, self.scale).values


def filmed(parameter: Parameter) -> int:
    """How many filters a frame of the film holds; 0 where it is a map of all values."""
    if parameter.layout != "filters":
        return 0
    count, *tile = parameter.filters_shape
    most = math.prod(FRAME_CELLS) // math.prod(tile)
    return min(count, most) if most >= min(count, LEAST_FILMED) else 0


def frame_of(snapshot: Snapshot, measurement: Measurement, picture: Picture) -> Frame:
    """The frame that shows a parameter's picture as it is in this snapshot."""
    count = filmed(measurement.parameter)
    filters = picture.filters[:count].reshape(count, -1) if picture.filters is not None and count else None
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


def thinned(frames: list[Frame], base: int) -> list[Frame]:
    """The first frame, and those that are kept with `base`."""
    return frames[:1] + [frame for frame in frames[1:] if keeps_frame(frame.ordinal, base)]
