"""The logger that Lightning puts in to log nothing: in ``fast_dev_run``, and while a learning rate is looked for."""

from __future__ import annotations

from typing import Any

from lightning_weightviz.artifacts import Batch
from lightning_weightviz.sinks import sink
from lightning_weightviz.sinks.support.folder import Place


@sink("DummyLogger")
class NoSink:
    """Writes nothing, as the user of a ``DummyLogger`` asked for.

    Args:
        logger: Not used.
        folder: Not used.
    """

    def __init__(self, logger: Any, folder: Place) -> None:
        pass

    def write(self, batch: Batch) -> None:
        """Does nothing."""

    def flush(self) -> None:
        """Does nothing."""
