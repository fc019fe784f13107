"""Trackio: through a TrackioLogger, made like Lightning's loggers."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image as PillowImage

from lightning_weightviz.artifacts import Animation, Artifact, Batch, Histogram, Image, Page, Scalar, Text
from lightning_weightviz.sinks import sink
from lightning_weightviz.sinks.support.names import tracker_key, unicode_tag
from lightning_weightviz.sinks.support.tracker import TrackerSink, log_scalars


@sink("TrackioLogger")
class TrackioSink(TrackerSink):
    """Logs ``Image``, ``Video`` (a GIF), ``Histogram``, ``Markdown``, ``Html`` and numbers; what is new, as an alert.

    Neither Lightning nor Trackio has such a logger yet; those that users write are of this name, most with a
    ``trackio.Run`` as ``experiment``. Of one without, the run is the one that the process has begun.

    Keys are tags as `tracker_key` makes them; scalars go through the logger, which may put a prefix in front.

    Args:
        logger: A ``TrackioLogger``.
        folder: Not used, Trackio has its own.
    """

    def write(self, batch: Batch) -> None:
        """Writes a batch; nothing where it is empty, or on ranks above 0."""
        if hasattr(type(self._logger), "experiment") or "experiment" in vars(self._logger):
            super().write(batch)
        elif batch.artifacts:
            # It may begin its run with the first metric.
            log_scalars(self._logger, batch)
            if (run := _current_run()) is not None:
                _log(run, batch)

    def _write(self, experiment: Any, batch: Batch) -> None:
        """Writes scalars by the logger, and the rest in one call of its run, which a thread of Trackio's stores."""
        log_scalars(self._logger, batch)
        _log(experiment, batch)


def _current_run() -> Any | None:
    from trackio import context_vars

    return context_vars.current_run.get()


def _log(run: Any, batch: Batch) -> None:
    import trackio

    with tempfile.TemporaryDirectory() as folder:
        values = {
            tracker_key(artifact.tag): _value(artifact, Path(folder, f"{place}.gif"))
            for place, artifact in enumerate(batch.artifacts)
            if not isinstance(artifact, Scalar)
        }
        if values:
            run.log(values, step=batch.step)
    for artifact in batch.artifacts:
        if isinstance(artifact, Text) and artifact.news:
            run.alert("weights", unicode_tag(artifact.news), level=trackio.AlertLevel.WARN, step=batch.step)


def _value(artifact: Artifact, file: Path) -> Any:
    """An artifact as Trackio's; `file` is where an animation may be put until it is logged."""
    import trackio

    match artifact:
        case Image():
            caption = unicode_tag(artifact.caption)
            return trackio.Image(PillowImage.open(io.BytesIO(artifact.png)), caption=caption)
        case Animation():
            file.write_bytes(artifact.gif)
            return trackio.Video(file, caption=unicode_tag(artifact.caption))
        case Text():
            return trackio.Markdown(unicode_tag(artifact.text))
        case Page():
            return trackio.Html(io.BytesIO(artifact.html), inject=False)
        case Histogram():
            return trackio.Histogram(np_histogram=(artifact.counts, artifact.edges))
