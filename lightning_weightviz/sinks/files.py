"""Files: for loggers that are not known here, and for no logger at all."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning_weightviz.artifacts import Animation, Batch, Histogram, Image, Scalar
from lightning_weightviz.sinks import FALLBACK, sink
from lightning_weightviz.sinks.support.histogram_pictures import drawn_histograms, finite, histogram_record
from lightning_weightviz.sinks.support.names import step_name, tag_path, unicode_tag

SUBFOLDER = "weightviz"
MANIFEST = "manifest.jsonl"


@sink(FALLBACK)
class FileSink:
    """Gives scalars to the logger's ``log_metrics`` and writes the rest to files.

    Below ``weightviz`` in the logger's folder, with the tag as `tag_path` makes it:

    - ``<tag>/step_00000899.png`` and ``.gif``: pictures, whole or not at all;
    - ``<tag>/histogram.jsonl``: a line a step with ``step, epoch, minimum, maximum, sum, sum_squares, edges, counts``;
      those of the most values, 24 a snapshot, are drawn too, to ``<tag>/step_00000899.png``;
    - ``scalars.jsonl``, where there is no logger: a line a step with ``step, epoch, values``;
    - ``manifest.jsonl``: a line for each picture and histogram with ``tag, kind, step, epoch, file, caption``,
      written after what it names. A file written again, as after a resume, has a second line; the last one holds.

    The logger's folder is its ``log_dir``; else ``<save_dir>/<name>/<version>``, where Lightning puts checkpoints;
    else, or where that is not on this machine's file system, the folder given.

    Args:
        logger: Any with ``log_metrics(metrics, step)``, or None.
        folder: Where to write where the logger names no folder.

    Raises:
        TypeError: The logger is not None and has no ``log_metrics``.
    """

    def __init__(self, logger: Any, folder: Path) -> None:
        if logger is not None and not callable(getattr(type(logger), "log_metrics", None)):
            raise TypeError(
                f"{type(logger).__name__} is no logger that can be written to: it has no log_metrics(metrics, step). "
                "Use register_sink to say how it is written to."
            )
        self._logger = logger
        self._given = folder
        self._folder: Path | None = None

    def write(self, batch: Batch) -> None:
        """Writes scalars in one call of the logger, then files: those also where the logger raises."""
        scalars = {
            unicode_tag(artifact.tag): artifact.value for artifact in batch.artifacts if isinstance(artifact, Scalar)
        }
        try:
            # First, as a CSVLogger that finds its folder in use warns and removes the metrics in it.
            if scalars and self._logger is not None:
                self._logger.log_metrics(metrics=scalars, step=batch.step)
        finally:
            self._write_files(batch, scalars if self._logger is None else {})

    def flush(self) -> None:
        """Has the logger save what it holds back; files need no flush."""
        if self._logger is not None and callable(getattr(type(self._logger), "save", None)):
            self._logger.save()

    def _write_files(self, batch: Batch, scalars: Mapping[str, float]) -> None:
        moment = {"step": batch.step, "epoch": batch.epoch}
        pictures = {picture.tag: picture.png for picture in drawn_histograms(batch)}
        lines: list[dict[str, Any]] = []
        for artifact in batch.artifacts:
            match artifact:
                case Scalar():
                    continue
                case Image():
                    kind, caption = "image", artifact.caption
                    file = tag_path(artifact.tag) / f"{step_name(batch)}.png"
                    write_whole(self._root() / file, artifact.png)
                case Animation():
                    kind, caption = "animation", artifact.caption
                    file = tag_path(artifact.tag) / f"{step_name(batch)}.gif"
                    write_whole(self._root() / file, artifact.gif)
                case Histogram():
                    kind, caption = "histogram", ""
                    file = tag_path(artifact.tag) / "histogram.jsonl"
                    append_lines(self._root() / file, [moment | histogram_record(artifact)])
                    if artifact.tag in pictures:
                        picture = tag_path(artifact.tag) / f"{step_name(batch)}.png"
                        write_whole(self._root() / picture, pictures[artifact.tag])
            lines.append({"tag": artifact.tag, "kind": kind, **moment, "file": str(file), "caption": caption})
        if lines:
            append_lines(self._root() / MANIFEST, lines)
        if scalars:
            append_lines(
                self._root() / "scalars.jsonl",
                [moment | {"values": {tag: finite(value) for tag, value in scalars.items()}}],
            )

    def _root(self) -> Path:
        """Where all goes; found, and told to the user, when the first file is written."""
        if self._folder is None:
            self._folder = (logger_folder(self._logger) or self._given) / SUBFOLDER
            who = "No logger" if self._logger is None else f"{type(self._logger).__name__} is given the scalars alone"
            warnings.warn(f"{who}: weight pictures and histograms are in {self._folder}", stacklevel=2)
        return self._folder


def logger_folder(logger: Any) -> Path | None:
    """A logger's own folder; None where it has none, or not on this machine's file system."""
    # Asked of the class, as a dummy's instance answers to every name.
    log_dir, save_dir, name, version = (
        getattr(logger, attribute) if getattr(type(logger), attribute, None) is not None else None
        for attribute in ("log_dir", "save_dir", "name", "version")
    )
    own = log_dir or save_dir
    if not isinstance(own, str | os.PathLike) or "://" in os.fspath(own):
        return None
    if log_dir:
        return Path(log_dir)
    run = f"version_{version}" if isinstance(version, int) else version
    return Path(own, *(part for part in (name, run) if isinstance(part, str)))


def write_whole(path: Path, content: bytes) -> None:
    """Writes beside the place and renames, so that a crash leaves no half file under the name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.write_bytes(content)
    partial.replace(path)


def append_lines(path: Path, records: list[dict[str, Any]]) -> None:
    """Appends JSON lines in one write; a line cut off by a crash stays alone and spoils none of them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps(record, allow_nan=False) + "\n" for record in records)
    with path.open("ab+") as file:
        if file.tell() > 0:
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                text = "\n" + text
        file.write(text.encode())
