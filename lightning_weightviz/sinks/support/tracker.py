"""What sinks of experiment trackers have in common: the object they write to, its prefix, and what all write alike."""

from __future__ import annotations

from typing import Any

from lightning_weightviz.artifacts import Batch, Histogram, Scalar
from lightning_weightviz.sinks.support.folder import Place
from lightning_weightviz.sinks.support.histogram_pictures import histogram_record
from lightning_weightviz.sinks.support.names import step_name, tracker_key


class TrackerSink:
    """A sink of a logger that keeps an ``experiment``: made when there is something to write, on rank 0 alone.

    Args:
        logger: Of Lightning, or made like one.
        folder: Not used, the logger has its own.
    """

    def __init__(self, logger: Any, folder: Place) -> None:
        self._logger = logger

    def write(self, batch: Batch) -> None:
        """Writes a batch; nothing where it is empty, or on ranks above 0."""
        if batch.artifacts and (experiment := experiment_of(self._logger)) is not None:
            self._write(experiment, batch)

    def _write(self, experiment: Any, batch: Batch) -> None:
        """Writes a batch that is not empty to what the logger writes to; each tracker's own."""
        raise NotImplementedError

    def flush(self) -> None:
        """Nothing to do: trackers write on their own what they have been given, all of it when the run ends."""


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


def histogram_file(batch: Batch) -> tuple[str, dict[str, Any]] | None:
    """A snapshot's histograms as one JSON file, for trackers that have none of their own.

    Returns:
        The file's path in the run, ``weightviz/histograms/step_00000899.json``, and what it holds: ``step, epoch,
        histograms``, the last by tag. None where the batch has no histogram.
    """
    histograms = {
        artifact.tag: histogram_record(artifact) for artifact in batch.artifacts if isinstance(artifact, Histogram)
    }
    if not histograms:
        return None
    record = {"step": batch.step, "epoch": batch.epoch, "histograms": histograms}
    return f"weightviz/histograms/{step_name(batch)}.json", record
