"""What the host must know of a measurement under way to read what arrives of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch

from lightning_weightviz.measure.inputs import HeadSource
from lightning_weightviz.measure.transfer import Arrays
from lightning_weightviz.measure.tridiagonal import Ritz
from lightning_weightviz.snapshot import Parameter


class PieceNumbers(NamedTuple):
    """What arrives of each piece of a tensor: numbers, or columns of them.

    Attributes:
        finite: Finite elements.
        nan: NaNs.
        low: Smallest finite value; +Inf where there is none.
        high: Largest finite value; -Inf where there is none.
        scale: The power of two that the values were multiplied by for the sums.
        shift: What was then subtracted.
        s1: Sum of the finite ``w * scale - shift``.
        s2: Sum of their squares.
        s3: Sum of their third powers.
        s4: Sum of their fourth powers.
    """

    finite: Any
    nan: Any
    low: Any
    high: Any
    scale: Any
    shift: Any
    s1: Any
    s2: Any
    s3: Any
    s4: Any


NUMBERS = PieceNumbers._fields
"""The columns of what arrives of pieces."""


@dataclass(frozen=True)
class PieceOwners:
    """Whose each row of the arriving pieces is: places among the tensors of a device.

    Attributes:
        numbers: One per row of ``numbers``.
        padding: NaNs that each of these rows was filled up with.
        counts: One per row of ``slots`` and ``scale``.
        fans: One per row of ``fans``.
    """

    numbers: Sequence[int]
    padding: Sequence[int]
    counts: Sequence[int]
    fans: Sequence[int]


Finish = Callable[[Arrays], Arrays]
"""Makes the arrays of a picture of those that arrived."""


@dataclass(frozen=True)
class EnqueuedGroup:
    """One measurement of the parameters of one device, under way; places are among these.

    Attributes:
        device: Which.
        indices: Places of the parameters in the meter.
        parameters: What they are.
        owners: Whose the pieces are.
        matrices: Places of those whose dead units were counted, in the order of ``dead``.
        spectra: By place, what takes in the singular vectors that the host finds, one per matrix.
        pictured: By place of those that have a picture, what finishes it; None: it arrives finished.
    """

    device: torch.device
    indices: Sequence[int]
    parameters: Sequence[Parameter]
    owners: PieceOwners
    matrices: Sequence[int]
    spectra: Mapping[int, Callable[[Sequence[Ritz]], None]]
    pictured: Mapping[int, Finish | None]


@dataclass(frozen=True)
class EnqueuedHead:
    """One measurement of a head, under way.

    Attributes:
        source: What is measured.
        number: Which of the heads it is.
        device: Where it is.
        place: Which parameter's picture is that of the weight too; None: it has none.
        finish: Finishes the picture of a weight without a place; None: it arrives finished.
        compare: Compares all pairs of rows when it is called; None: they were compared, or are not to be.
    """

    source: HeadSource
    number: int
    device: torch.device
    place: int | None
    finish: Finish | None
    compare: Callable[[], Arrays] | None
