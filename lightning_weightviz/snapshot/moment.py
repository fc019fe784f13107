"""One moment of training: the measurements of all parameters, and the classes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from lightning_weightviz.snapshot.class_head import ClassRows
from lightning_weightviz.snapshot.measurement import Measurement
from lightning_weightviz.snapshot.training_facts import TrainingFacts

Target = Literal["weights", "gradients", "updates"]

TOTAL = "total"
"""The name under which the statistics of all selected parameters together are kept."""


@dataclass(frozen=True)
class Snapshot:
    """One moment of training.

    Attributes:
        step: On the loggers' axis.
        epoch: Epochs finished: 0 before the first step, 1 at the end of the first epoch.
        ordinal: Snapshots taken before this one in the run: 0 for the first.
        initial: Whether it shows the weights before the first step.
        targets: For each target its measurements by parameter name, in the order of the network.
        totals: For each target its statistics over all selected parameters together.
        heads: The rows of each layer of classes.
        timeless: Whether it is of no training, so that captions tell no time.
        training: What is known of the training beside its weights.
        repeat: Snapshots taken just before this one at the same step.
    """

    step: int
    epoch: int
    ordinal: int
    initial: bool
    targets: Mapping[Target, Mapping[str, Measurement]]
    totals: Mapping[Target, Mapping[str, float]]
    heads: tuple[ClassRows, ...] = ()
    timeless: bool = False
    training: TrainingFacts = field(default_factory=TrainingFacts)
    repeat: int = 0

    @property
    def is_milestone(self) -> bool:
        """As of `is_milestone`."""
        return is_milestone(self.ordinal)


def is_milestone(ordinal: int) -> bool:
    """Whether views over time are drawn: at 0, 1, 2, 4, 8, …, as each picture replaces the one before.

    >>> [ordinal for ordinal in range(20) if is_milestone(ordinal)]
    [0, 1, 2, 4, 8, 16]
    """
    return ordinal & (ordinal - 1) == 0
