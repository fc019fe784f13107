"""Where batches go: to a sink for each logger that there is now, each failing on its own."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from lightning_weightviz.artifacts import Batch
from lightning_weightviz.run.errors import Tolerance
from lightning_weightviz.sinks import Sink, sink_for
from lightning_weightviz.sinks.support.folder import place_of


class Delivery:
    """Writes batches.

    Args:
        folder: For what a logger cannot take; a path, or a URL that fsspec can write to.
        sinks: To use instead of those found for the loggers; None to find them.
        tolerance: Reports every error.

    Attributes:
        loggers: Those to write to; may change at any time, as the Trainer's do. Empty: files alone.
    """

    def __init__(
        self,
        loggers: Sequence[Any],
        folder: str | os.PathLike[str],
        sinks: Sequence[Sink] | None,
        *,
        tolerance: Tolerance,
    ) -> None:
        self.loggers = loggers
        self._folder = place_of(folder)
        self._fixed = sinks
        self._tolerance = tolerance
        # The logger is kept with its sink: an id is its owner's only while the owner lives.
        self._found: dict[int, tuple[Any, Sink]] = {}

    def write(self, batch: Batch) -> None:
        """Gives a batch to every sink."""
        for name, sink in self._current():
            with self._tolerance.of(f"writing to {name}"):
                sink.write(batch)

    def flush(self) -> None:
        """Makes all that was written readable."""
        for name, sink in self._current():
            with self._tolerance.of(f"flushing {name}"):
                sink.flush()

    def _current(self) -> list[tuple[str, Sink]]:
        """The sinks with what they are called in errors."""
        if self._fixed is not None:
            return [(type(sink).__name__, sink) for sink in self._fixed]
        current: list[tuple[str, Sink]] = []
        for logger in self.loggers or [None]:
            name = "the files" if logger is None else type(logger).__name__
            if id(logger) not in self._found:
                with self._tolerance.of(f"opening {name}"):
                    self._found[id(logger)] = (logger, sink_for(logger, self._folder))
            if id(logger) in self._found:
                current.append((name, self._found[id(logger)][1]))
        return current
