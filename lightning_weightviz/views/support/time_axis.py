"""What time is counted in: epochs, or steps where an epoch has several snapshots."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from lightning_weightviz.memory import Memory, Time


def counts_epochs(epochs: Iterable[int]) -> bool:
    """Whether the epoch tells snapshots apart: no two are of one."""
    seen = [int(epoch) for epoch in epochs]
    return len(set(seen)) == len(seen)


def is_start(epoch: int, step: int) -> bool:
    """Whether a snapshot is from before the first step, for which a host that counts epochs from 0 has a step below."""
    return epoch == 0 and step <= 0


def moment_word(time: Time, *, by_epoch: bool) -> str:
    """A moment that others are compared with.

    >>> moment_word(Time(0, 0, 0), by_epoch=True), moment_word(Time(3, 2, 90), by_epoch=False)
    ('the start', 'step 90')
    """
    if is_start(time.epoch, time.step):
        return "the start"
    return f"epoch {time.epoch}" if by_epoch else f"step {time.step}"


def time_axis(memory: Memory) -> tuple[str, npt.NDArray[np.float64]]:
    """``epoch`` or ``step``, and the time of each snapshot."""
    by_epoch = counts_epochs(memory.epochs)
    return ("epoch", memory.epochs.astype(np.float64)) if by_epoch else ("step", memory.steps.astype(np.float64))
