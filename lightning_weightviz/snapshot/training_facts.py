"""What is known of a training beside its weights: the optimizers' settings, and what the module logs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class OptimizerFacts:
    """How a parameter is trained, of its group in the optimizer; NaN where the optimizer has no such setting.

    Attributes:
        optimizer: Class name of the optimizer, for instance ``AdamW``.
        lr: Learning rate at this moment.
        weight_decay: As the optimizer means it.
        momentum: SGD's momentum, or the first of Adam's betas.
        second_beta: The second of Adam's betas.
    """

    optimizer: str
    lr: float
    weight_decay: float
    momentum: float
    second_beta: float


@dataclass(frozen=True)
class TrainingFacts:
    """What findings are explained with; nothing is trained by it.

    Attributes:
        optimizers: By parameter name, of those that an optimizer trains; None where no optimizer is known.
        metrics: The last value of each metric that the module logs.
        last_epoch: How many epochs the training is to have; None where that is not known, or steps end it before.
        steps_per_epoch: On the loggers' axis; None where that is not known.
        last_step: At which the training is to end, on the loggers' axis; None where that is not known.
        steps_copies: Whether the optimizers step copies in float32 of the weights.
    """

    optimizers: Mapping[str, OptimizerFacts] | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    last_epoch: int | None = None
    steps_per_epoch: int | None = None
    last_step: int | None = None
    steps_copies: bool = False
