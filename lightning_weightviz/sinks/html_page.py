"""One HTML page with the newest of every picture, to send to somebody who has no logger open."""

from __future__ import annotations

from typing import Any

from lightning_weightviz.artifacts import Batch
from lightning_weightviz.sinks.support.folder import SUBFOLDER, Place, inside, open_folder
from lightning_weightviz.sinks.support.report import Report


class HtmlPage:
    """Keeps the newest picture of each tag, and writes them to ``weightviz/report.html`` when it is flushed.

    Args:
        logger: Not used: there is one page for all loggers.
        folder: Where ``weightviz`` lies.
    """

    def __init__(self, logger: Any, folder: Place) -> None:
        self._place = inside(folder, SUBFOLDER)
        self._report = Report()
        self._title = ""

    def write(self, batch: Batch) -> None:
        """Takes the pictures of a snapshot."""
        self._title = f"Weights at epoch {batch.epoch}, step {batch.step}"
        self._report.add(batch)

    def flush(self) -> None:
        """Writes the page; nothing where no picture was drawn."""
        if not self._report.is_empty:
            open_folder(self._place).write({"report.html": self._report.page(self._title)})
