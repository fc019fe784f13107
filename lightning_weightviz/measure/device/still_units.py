"""Units that have not turned since the start while others of their matrix have."""

from __future__ import annotations

import torch
from torch import Tensor

from lightning_weightviz.measure.device.abilities import accumulator
from lightning_weightviz.measure.device.subset import Kept
from lightning_weightviz.snapshot import Parameter

LEAST_SAMPLED = 4
"""Remembered values a unit, on average: from fewer its angle is not told."""
ROUNDING = 1e-6
"""Chord of the angle that rounding makes in float32; weight decay, which turns nothing, makes no more."""
SHARE = 1e-4
"""Of the largest chord of a unit of the matrix: no more is standing still, where rounding adds up over many steps."""


def still_units(parameter: Parameter, kept: Kept) -> Tensor:
    """How many units have turned by at most `ROUNDING`, or `SHARE` of what another one has.

    Where no unit has turned by a hundred times `ROUNDING`, the matrix stands still, and none of its units does. A unit
    that was 0 has moved as soon as it is not; one that holds a NaN or an infinity is broken.

    Args:
        parameter: Whose; its units are rows, or columns where `units_axis` says so.
        kept: What is remembered of it.

    Returns:
        float, 0-d; NaN below two dimensions, and where the subset holds too few values of each unit.
    """
    wide, device = accumulator(kept.now.device), kept.now.device
    unknown = torch.full((), torch.nan, dtype=wide, device=device)
    rows, columns = parameter.matrix_shape
    width, units = parameter.unit_width, parameter.units
    if len(parameter.shape) < 2 or units == 0 or len(kept.now) < LEAST_SAMPLED * units:
        return unknown
    place = kept.index
    if place is None:
        place = torch.arange(len(kept.now), dtype=torch.int64, device=device)
    row, column = place // columns, place % columns
    owner = (
        row
        if parameter.units_axis == 0
        else row // (rows // parameter.stretches) * (columns // width) + column // width
    )
    both = torch.stack([kept.now, kept.start]).to(wide)
    # In units of the largest value, as float32 does not hold squares of its largest and smallest.
    largest = both.abs().nan_to_num(0, 0, 0).amax()
    both = both / torch.where(largest > 0, largest, 1.0)
    lengths = torch.zeros(2, units, dtype=wide, device=device).index_add_(1, owner, both.square()).sqrt()
    # A unit of 0 has no direction: it stays 0, and is at a right angle to all others.
    directions = both / torch.where(lengths == 0, 1.0, lengths)[:, owner]
    difference = (directions[0] - directions[1]).square()
    chord = torch.zeros(units, dtype=wide, device=device).index_add_(0, owner, difference).sqrt()
    largest = chord.nan_to_num(0.0).amax()
    still = (chord <= (SHARE * largest).clamp(min=ROUNDING)) & (largest >= 100 * ROUNDING)
    return still.sum().to(wide)
