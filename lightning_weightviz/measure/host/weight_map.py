"""From what was pooled on the device to the picture that views draw."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from lightning_weightviz.measure.enqueued import Finish
from lightning_weightviz.measure.transfer import Arrays
from lightning_weightviz.snapshot import Parameter, Picture, Rank


def picture_of(parameter: Parameter, arrays: Arrays, finish: Finish | None) -> Picture:
    """A parameter's picture from the arrays of `pool`, with ``filters`` and those of `rank` where there are some.

    Args:
        parameter: Whose.
        arrays: What arrived of it.
        finish: Makes those of `pool` of it; None: they are there.
    """
    arrays = arrays if finish is None else finish(arrays)
    arrays = {key: values if key == "changed" else _own(values) for key, values in arrays.items()}
    rank = None
    if "ordered_norms" in arrays:
        moved = arrays["changes"] > 0
        rank = Rank(
            norms=arrays["ordered_norms"],
            changed=arrays["changed"].astype(np.int64)[moved],
            changes=arrays["changes"][moved],
            sampled=float(arrays["sampled"]),
        )
    positions = arrays.get("positions")
    return Picture(
        extreme=arrays["extreme"],
        rms=arrays["rms"],
        shape=parameter.map_shape,
        row_norms=arrays["row_norms"],
        column_norms=arrays["column_norms"],
        filters=arrays.get("filters"),
        sums=arrays.get("sums"),
        positions=None if positions is None else positions.reshape(parameter.shape[2:]),
        mean=arrays.get("mean"),
        rank=rank,
    )


def _own(values: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """As float32 in memory of their own: a view would keep all that arrived with it."""
    return values if values.dtype == np.float32 and values.base is None else values.astype(np.float32)
