"""Losses and accuracies that the module logs, over time: at most `MOST`, thinned as all curves are."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from lightning_weightviz.memory.curves import Curve

MOST = 8
"""Losses and accuracies that are kept, those that were logged first."""


def is_loss(name: str) -> bool:
    """Whether a metric of this name is a loss."""
    return "loss" in name.lower()


def is_accuracy(name: str) -> bool:
    """Whether a metric of this name is a share of right answers.

    >>> is_accuracy("val/Accuracy"), is_accuracy("top5_acc"), is_accuracy("macc_loss"), is_accuracy("lr")
    (True, True, False, False)
    """
    return "acc" in name.lower() and not is_loss(name)


def add_metrics(curves: dict[str, Curve], ordinal: int, metrics: Mapping[str, float]) -> None:
    """Takes in those of a snapshot that are shown."""
    for name, value in metrics.items():
        if (is_loss(name) or is_accuracy(name)) and (name in curves or len(curves) < MOST):
            # Beyond float32 it is an infinity.
            with np.errstate(over="ignore"):
                curves.setdefault(name, []).append((ordinal, np.array([value], np.float64).astype(np.float32)))
