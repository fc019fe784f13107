"""Which maps of a picture are remembered, or drawn in a range of their own."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lightning_weightviz.snapshot import Picture, pool_mean

CHANGE_CELLS = 128
"""Most cells an axis of the maps that changes are told from."""
EXTRA_MAPS = ("rms", "norms", "sums", "positions")
"""Names of `extra_maps`."""


def change_map(picture: Picture) -> npt.NDArray[np.float32]:
    """What a change is told from: filters, all values, or means of at most `CHANGE_CELLS` cells an axis.

    Not extremes: between two of one size and opposite signs, a little change looks like a large one.
    """
    if picture.filters is not None:
        return picture.filters
    return pool_mean(picture.extreme if picture.mean is None else picture.mean, CHANGE_CELLS, CHANGE_CELLS)


def extra_maps(picture: Picture) -> dict[str, npt.NDArray[np.float32]]:
    """What is drawn beside the values, each in a range of its own: of pooled maps ``rms``, of kernels their maps."""
    if picture.sums is not None and picture.positions is not None:
        return {"norms": picture.kernel_norms, "sums": picture.sums, "positions": picture.positions}
    return {"rms": picture.rms} if picture.is_pooled and picture.filters is None else {}
