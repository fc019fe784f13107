"""How each row of a matrix turns, from a few numbers a row: sums of its drawn cells with fixed random weights."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache

import numpy as np
import numpy.typing as npt

from lightning_weightviz.snapshot import Measurement, Parameter, Picture

NUMBERS = 8
"""Kept of a row. Of a row that did not move all are as before; else the angle is right within a factor of 2."""
MOST_ROWS = 1024

Floats = npt.NDArray[np.float32]


@dataclass
class UnitTrack:
    """The rows of one matrix.

    Attributes:
        start: float32, (rows, `NUMBERS`), of the first snapshot; None before it.
        previous: The same of the newest.
        turns: The ordinal of each of the newest snapshots, and float32, (rows, 2): the chord of the angle to the
            snapshot before and to the start. Shrinking turns nothing, so that weight decay is no motion.
    """

    start: Floats | None = None
    previous: Floats | None = None
    turns: list[tuple[int, Floats]] = field(default_factory=list)

    def add(self, ordinal: int, rows: Floats, oldest: int) -> None:
        """Takes in the rows of a snapshot, and drops those up to `oldest`."""
        if self.start is None or self.previous is None or self.start.shape != rows.shape:
            self.start, self.turns = rows, []
        else:
            here, *others = (_directions(one) for one in (rows, self.previous, self.start))
            turned = np.stack([_chord(here, one) for one in others], axis=1)
            self.turns = [one for one in self.turns if one[0] > oldest] + [(ordinal, turned)]
        self.previous = rows

    def newest(self) -> tuple[npt.NDArray[np.int64], Floats]:
        """Ordinals (t,), and turns (t, rows, 2)."""
        return np.array([ordinal for ordinal, _ in self.turns]), np.stack([turns for _, turns in self.turns])


def rows_of(measurement: Measurement) -> Floats | None:
    """float32, (rows, `NUMBERS`) of a matrix each of whose units has a row of cells of its own; None of others.

    Where columns are pooled, a cell is the value of its block that is farthest from 0.
    """
    parameter, picture = measurement.parameter, measurement.picture
    if picture is None or len(parameter.shape) < 2 or parameter.stacked > 1:
        return None
    if parameter.kind in ("embedding", "norm", "bias"):
        return None
    cells = _rows_of_columns(parameter, picture) if parameter.units_axis == 1 else _rows_of_rows(picture)
    if cells is None or not (1 < cells.shape[0] <= MOST_ROWS and cells.shape[1]):
        return None
    with np.errstate(invalid="ignore", over="ignore"):
        return np.asarray(cells @ _weights(cells.shape[1]), np.float32)


def _rows_of_rows(picture: Picture) -> Floats | None:
    if picture.filters is not None:
        return picture.filters.reshape(len(picture.filters), -1)
    return picture.extreme if len(picture.extreme) == picture.shape[0] else None


def _rows_of_columns(parameter: Parameter, picture: Picture) -> Floats | None:
    """Units that are columns of each group's stretch of rows, one after the other."""
    if picture.filters is not None:
        values = picture.filters.reshape(*picture.filters.shape[:2], -1)
        rows, columns = parameter.shape[:2]
    else:
        values = picture.extreme[..., None]
        rows, columns = picture.shape
    if values.shape[1] != columns or (parameter.groups > 1 and len(values) != rows):
        return None
    of_each = values.reshape(parameter.groups, -1, *values.shape[1:]).swapaxes(1, 2)
    return of_each.reshape(parameter.groups * columns, -1)


@cache
def _weights(length: int) -> Floats:
    return np.random.default_rng(length).standard_normal((length, NUMBERS)).astype(np.float32)


def _directions(rows: Floats) -> npt.NDArray[np.float64]:
    """Each row divided by its norm; NaN where it is 0 or not finite."""
    wide = rows.astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        return np.asarray(wide / _norms(wide)[:, None])


def _chord(directions: npt.NDArray[np.float64], others: npt.NDArray[np.float64]) -> Floats:
    """(rows,): the norms of the differences."""
    return _norms(directions - others).astype(np.float32)


def _norms(rows: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """(rows,): as numpy's own, which takes twice as long for few numbers."""
    return np.asarray(np.sqrt((rows * rows).sum(1)))
