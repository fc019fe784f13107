"""What Lightning's loggers have in common: the object they write to, and what goes in front of their metrics."""

from __future__ import annotations

from typing import Any

from lightning_weightviz.artifacts import Batch, Scalar
from lightning_weightviz.sinks.support.names import tracker_key


def experiment_of(logger: Any) -> Any | None:
    """What the logger writes to, made where it is not there yet; None on ranks above 0, where it is a dummy."""
    experiment = logger.experiment
    return None if type(experiment).__name__ == "_DummyExperiment" else experiment


def prefix_of(logger: Any, separator: str = "-") -> str:
    """What the logger puts in front of its metrics, which Lightning leaves out for pictures; "" for nothing.

    Args:
        logger: Of Lightning, or made like one.
        separator: Between prefix and name where the logger's class does not say.
    """
    prefix = getattr(logger, "_prefix", "")
    return f"{prefix}{getattr(type(logger), 'LOGGER_JOIN_CHAR', separator)}" if prefix else ""


def log_scalars(logger: Any, batch: Batch) -> None:
    """A batch's scalars by the logger's own method, in one call, as it knows its prefix and its axis of steps."""
    scalars = {
        tracker_key(artifact.tag): artifact.value for artifact in batch.artifacts if isinstance(artifact, Scalar)
    }
    if scalars:
        logger.log_metrics(scalars, step=batch.step)
