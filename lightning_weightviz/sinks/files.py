"""Files: for loggers that are not known here, and for no logger at all."""

from __future__ import annotations

import os
import warnings
from typing import Any

from lightning_weightviz.artifacts import Batch, Page, Scalar
from lightning_weightviz.sinks import FALLBACK, sink
from lightning_weightviz.sinks.support.alone import each_alone
from lightning_weightviz.sinks.support.folder import SUBFOLDER, Folder, Place, inside, open_folder, place_of
from lightning_weightviz.sinks.support.histogram_pictures import finite
from lightning_weightviz.sinks.support.names import unicode_tag
from lightning_weightviz.sinks.support.record import write_pictures


@sink(FALLBACK)
class FileSink:
    """Gives scalars to the logger's ``log_metrics`` and writes the rest to files.

    Below ``weightviz`` in the logger's folder lie pictures, histograms and ``manifest.jsonl``, as of `write_pictures`,
    and where there is no logger ``scalars.jsonl``: one line per step with ``step, epoch, values``.

    The logger's folder is its ``log_dir``; else ``<save_dir>/<name>/<version>``, where Lightning puts checkpoints;
    else, or where that is the address of a server, the folder given. Any of them may be a URL, as `open_folder` takes
    it.

    Args:
        logger: Any with ``log_metrics(metrics, step)``, or None.
        folder: Where to write where the logger names no folder.

    Raises:
        TypeError: The logger is not None and has no ``log_metrics``.
    """

    def __init__(self, logger: Any, folder: Place) -> None:
        if logger is not None and not callable(getattr(type(logger), "log_metrics", None)):
            raise TypeError(
                f"cannot write to {type(logger).__name__}: it has no log_metrics(metrics, step). "
                "Use register_sink to add a sink for it."
            )
        self._logger = logger
        self._given = folder
        self._folder: Folder | None = None

    def write(self, batch: Batch) -> None:
        """Writes scalars in one call of the logger, then files: what fails takes nothing else with it."""
        # The writer of CSV in Python 3.10, and thus CSVLogger, raises at a null character.
        scalars = {
            unicode_tag(artifact.tag).replace("\0", r"\x00"): artifact.value
            for artifact in batch.artifacts
            if isinstance(artifact, Scalar)
        }
        with each_alone() as alone:
            # First, as a CSVLogger that finds its folder in use warns and removes the metrics in it.
            if scalars and self._logger is not None:
                with alone():
                    self._logger.log_metrics(metrics=scalars, step=batch.step)
            if any(not isinstance(artifact, Scalar | Page) for artifact in batch.artifacts):
                with alone():
                    write_pictures(self._root(), batch)
            if scalars and self._logger is None:
                values: dict[str, float | None] = {}
                for tag, value in scalars.items():
                    with alone():
                        values[tag] = finite(value)
                record = {"step": batch.step, "epoch": batch.epoch, "values": values}
                self._root().append({"scalars.jsonl": [record]})

    def flush(self) -> None:
        """Has the logger save what it holds back; files need no flush."""
        if self._logger is not None and callable(getattr(type(self._logger), "save", None)):
            self._logger.save()

    def _root(self) -> Folder:
        """Where all goes; found, and named to the user, when the first file is written."""
        if self._folder is None:
            own = None if self._logger is None else logger_folder(self._logger)
            place = inside(own or self._given, SUBFOLDER)
            self._folder = open_folder(place)
            who = "No logger" if self._logger is None else f"{type(self._logger).__name__} receives only the scalars"
            warnings.warn(f"{who}: weight pictures and histograms are in {place}", stacklevel=2)
        return self._folder


def logger_folder(logger: Any) -> Place | None:
    """A logger's own folder; None where it has none that can be asked for, or a server's address."""
    log_dir, save_dir, name, version = (
        _attribute(logger, attribute) for attribute in ("log_dir", "save_dir", "name", "version")
    )
    own = log_dir or save_dir
    if not isinstance(own, str | os.PathLike):
        return None
    place = place_of(own)
    if isinstance(place, str) and place.startswith(("http:", "https:")):
        return None
    if log_dir:
        return place
    run = f"version_{version}" if isinstance(version, int) else version
    return inside(place, *(part for part in (name, run) if isinstance(part, str) and part))


def _attribute(logger: Any, name: str) -> Any:
    """An attribute that the logger's class knows; None where it raises, as where a server cannot be reached."""
    # Asked of the class, as a dummy's instance answers to every name.
    if getattr(type(logger), name, None) is None:
        return None
    try:
        return getattr(logger, name)
    except Exception:
        return None
