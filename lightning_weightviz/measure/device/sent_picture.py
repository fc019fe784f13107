"""A parameter's picture on its way: what is sent of it, and what makes the picture of that on the host.

Where each operation is a launch, only what reads the matrix is enqueued; all else is done where the results are read.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import partial

import torch
from torch import Tensor

from lightning_weightviz.measure.device.abilities import looks
from lightning_weightviz.measure.device.cell_sums import CellSums, Columns, cell_sums
from lightning_weightviz.measure.device.cells import cut_of
from lightning_weightviz.measure.device.pooling import pool, pooled
from lightning_weightviz.measure.device.scaling import widen
from lightning_weightviz.measure.transfer import Arrays

VALUES_SENT = 1 << 16
"""Most values of a matrix that is sent whole: not more than its picture may have."""
SUMS_SENT = 1 << 19
"""Most rows and columns of a matrix whose sums of them are sent."""
HOST = torch.device("cpu")
_SUMS = "sums of "
"""Marks what is a field of `CellSums`."""


@dataclass(frozen=True)
class SentPicture:
    """What is sent of a picture.

    Attributes:
        tensors: By key.
        finish: Makes a picture's arrays of what arrives of `tensors`, on the host, and leaves other keys as they are;
            None: they are a picture's already.
        columns: What is known of the matrix's columns; None: nothing.
    """

    tensors: dict[str, Tensor]
    finish: Callable[[Arrays], Arrays] | None
    columns: Columns | None


def picture_to_send(
    values: Tensor, limits: tuple[int, int], scale: Tensor | None, kernel: int = 1, *, mean: bool = False
) -> SentPicture:
    """Enqueues a picture; arguments as of `pool`."""
    rows, columns = values.shape
    if not looks(values.device) and scale is not None and values.numel() <= VALUES_SENT:
        known = values if values.dtype in (torch.float16, torch.float32, torch.float64) else widen(values)
        # In the order of memory, so that nothing is copied here, and sums are the same there.
        turned = not known.is_contiguous() and known.T.is_contiguous()
        finish = partial(_pool_values, turned=turned, limits=limits, kernel=kernel, mean=mean)
        return SentPicture({"values": known.T if turned else known, "scale": scale}, finish, None)
    if looks(values.device) or scale is None or rows + columns > SUMS_SENT:
        done = pool(values, limits, scale, kernel, mean=mean)
        return SentPicture(done.arrays, None, done.columns)
    sums = cell_sums(values, cut_of((rows, columns), limits, values.device, kernel), scale, mean=mean)
    sent = {field.name: getattr(sums, field.name) for field in fields(sums)}
    tensors = {_SUMS + key: tensor for key, tensor in sent.items() if tensor is not None}
    finish = partial(_pool_sums, shape=(rows, columns), limits=limits, kernel=kernel)
    return SentPicture(tensors | {"scale": scale}, finish, Columns(sums.column_squares, sums.column_counts, rows))


def _pool_values(arrays: Arrays, *, turned: bool, limits: tuple[int, int], kernel: int, mean: bool) -> Arrays:
    """From all values to the picture."""
    others = dict(arrays)
    values, scale = (torch.from_numpy(others.pop(key)) for key in ("values", "scale"))
    return others | _arrays(pool(values.T if turned else values, limits, scale, kernel, mean=mean).arrays)


def _pool_sums(arrays: Arrays, *, shape: tuple[int, int], limits: tuple[int, int], kernel: int) -> Arrays:
    """From the sums to the picture."""
    scale = torch.from_numpy(arrays["scale"])
    sums = {key.removeprefix(_SUMS): torch.from_numpy(one) for key, one in arrays.items() if key.startswith(_SUMS)}
    others = {key: one for key, one in arrays.items() if key != "scale" and not key.startswith(_SUMS)}
    return others | _arrays(pooled(CellSums(**sums), cut_of(shape, limits, HOST, kernel), scale, shape[0]).arrays)


def _arrays(tensors: dict[str, Tensor]) -> Arrays:
    return {key: values.numpy() for key, values in tensors.items()}
