"""Files of one network at several moments, in the order of their steps."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lightning_weightviz.model.files import Checkpoint

_STEP = re.compile(r"(?:step[=_-]?|checkpoint[_-])(\d+)", re.IGNORECASE)
"""How Lightning, Hugging Face and most loops write the step into a name."""


@dataclass(frozen=True)
class Member:
    """One file of a series.

    Attributes:
        checkpoint: What it holds.
        step: Where it is on the axis of time.
        epoch: As the file counts it; 0 where not all files of the series tell theirs.
    """

    checkpoint: Checkpoint
    step: int
    epoch: int = 0


@dataclass(frozen=True)
class Series:
    """Files in order.

    Attributes:
        members: Each of another step.
        repeated: Files that are of the same step as one before them, and are left out, with that step.
        is_timed: Whether the steps were told, and not counted.
    """

    members: tuple[Member, ...]
    repeated: tuple[tuple[Path, int], ...]
    is_timed: bool


def series_of(checkpoints: Sequence[Checkpoint]) -> Series:
    """Puts files in the order of their steps, which they tell themselves or in their name or their folder's.

    Where none does, the order is the one given, and steps are 0, 1, 2, ….

    Raises:
        ValueError: Some tell their step and one does not; the message names it.
    """
    steps = [step_of(one) for one in checkpoints]
    known = [step for step in steps if step is not None]
    if not known:
        return Series(tuple(Member(one, step) for step, one in enumerate(checkpoints)), (), is_timed=False)
    for one, step in zip(checkpoints, steps, strict=True):
        if step is None:
            raise ValueError(f"{one.path}: no step in the file or its name, such as step=100")
    ordered = sorted(zip(known, checkpoints, strict=True), key=lambda pair: pair[0])
    by_step: dict[int, Checkpoint] = {}
    repeated = []
    for step, one in ordered:
        if step in by_step:
            repeated.append((one.path, step))
        else:
            by_step[step] = one
    epochs = [one.epoch for one in by_step.values()]
    told = None not in epochs
    members = (Member(one, step, (one.epoch or 0) if told else 0) for step, one in by_step.items())
    return Series(tuple(members), tuple(repeated), is_timed=True)


def step_of(checkpoint: Checkpoint) -> int | None:
    """Optimizer steps taken, by the file, its name or its folder's name; None where none of them tells."""
    if checkpoint.step is not None:
        return checkpoint.step
    path = checkpoint.path.resolve()
    found = (_STEP.findall(name) for name in (path.name, path.parent.name))
    return next((int(numbers[-1]) for numbers in found if numbers), None)
