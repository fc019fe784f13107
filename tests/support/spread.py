"""Weights cut into the parts of several processes, all of them in this one."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from lightning_weightviz.measure import HeadSource, Measured
from lightning_weightviz.measure.parts import Part, Split, Spread, box, stretch
from lightning_weightviz.measure.rounds import Rounds, Sheet
from lightning_weightviz.measure.spread_meter import SpreadMeter
from lightning_weightviz.snapshot import Parameter


def cut(values: Tensor, parameter: Parameter, ranks: int, split: Split, seed: int = 0) -> list[Spread]:
    """What each rank has, at random places; some have nothing."""
    random = np.random.default_rng(seed)

    def bounds(length: int, count: int) -> list[tuple[int, int]]:
        return list(pairwise([0, *sorted(random.integers(0, length + 1, count - 1).tolist()), length]))

    parts: list[tuple[Part, ...]]
    if split == "stretches" or values.ndim < 2:
        flat = values.reshape(-1)
        parts = [tuple(stretch(flat[a:b], a, parameter)) for a, b in bounds(len(flat), ranks)]
        split = "columns" if values.ndim < 2 else split
    else:
        # Experts are cut by whole ones where rows are, and within each where both sides are.
        rows = 1 if parameter.stacked > 1 and split != "rows" else 0
        columns = 2 if parameter.stacked > 1 else 1
        down = {"rows": ranks, "columns": 1, "both": 2}[split]
        parts = []
        for top, bottom in bounds(values.shape[rows], down):
            for left, right in bounds(values.shape[columns], ranks // down):
                offset = [0] * values.ndim
                offset[rows], offset[columns] = top, left
                there = values.narrow(rows, top, bottom - top).narrow(columns, left, right - left)
                parts.append(tuple(box(there, offset, parameter)))
    return [Spread(one, split, values.dtype, values.device) for one in parts]


def put_together(sheets: Sequence[Sheet]) -> None:
    """What a collective does."""
    buffers = torch.stack([sheet.buffer for sheet in sheets])
    whole = buffers.amax(0) if sheets[0].operation == "max" else buffers.sum(0)
    for sheet in sheets:
        sheet.buffer.copy_(whole)


def go(rounds: Sequence[Rounds]) -> int:
    """Goes through all rounds, and says how many they were."""
    number = 0
    while True:
        sheets = [one.fill(number) for one in rounds]
        if sheets[0] is None:
            assert all(sheet is None for sheet in sheets)
            return number
        put_together([sheet for sheet in sheets if sheet is not None])
        number += 1


def measure(
    meters: Sequence[SpreadMeter],
    of_ranks: Sequence[Sequence[Spread]],
    heads: Sequence[HeadSource] = (),
    *,
    spectra: bool = False,
) -> list[Measured]:
    """One measurement by all ranks."""
    rounds = [meter.begin(spreads, spectra=spectra) for meter, spreads in zip(meters, of_ranks, strict=True)]
    go(rounds)
    return [one.finish(heads).result() for one in rounds]
