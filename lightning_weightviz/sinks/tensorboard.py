"""TensorBoard: through Lightning's TensorBoardLogger, or a SummaryWriter of torch or tensorboardX."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from lightning_weightviz.artifacts import Animation, Artifact, Batch, Histogram, Image, Page, Scalar, Text
from lightning_weightviz.sinks import sink
from lightning_weightviz.sinks.support.alone import each_alone
from lightning_weightviz.sinks.support.crc32c import quicken
from lightning_weightviz.sinks.support.folder import Place
from lightning_weightviz.sinks.support.names import unicode_tag
from lightning_weightviz.sinks.support.tracker import TrackerSink, prefix_of


@sink("SummaryWriter")
class SummaryWriterSink:
    """Writes to a ``SummaryWriter`` of ``torch.utils.tensorboard`` or ``tensorboardX``.

    Summaries are made here and not by the writer's ``add_image`` and the like: pictures go in as the palette PNGs
    they are, a third of what ``add_image`` makes of them; a snapshot is one event; and tags stay as
    they are, where tensorboardX replaces characters and so lets tags collide.

    Args:
        writer: The writer; one that was closed opens a new event file by itself.
        folder: Not used, the writer has its own.
        prefix: In front of every tag.
    """

    def __init__(self, writer: Any, folder: Place, prefix: str = "") -> None:
        self._writer = writer
        self._prefix = prefix

    def write(self, batch: Batch) -> None:
        """Writes all of a snapshot as one event: the writer's queue holds ten, and a full one makes training wait."""
        if not batch.artifacts:
            return
        summary = _summary_class(type(self._writer))
        # Both writers' own methods go this way, and so does Lightning's logger; there is no public one.
        file_writer = self._writer._get_file_writer()
        quicken(file_writer.event_writer)
        values = []
        with each_alone() as alone:
            for artifact in batch.artifacts:
                # Of pages it has none.
                if not isinstance(artifact, Page):
                    with alone():
                        values.append(summary.Value(**self._tagged(artifact), **_value(artifact)))
            file_writer.add_summary(summary(value=values), batch.step)

    def _tagged(self, artifact: Artifact) -> dict[str, Any]:
        # As `add_text` does.
        behind = "/text_summary" if isinstance(artifact, Text) else ""
        return {"tag": unicode_tag(self._prefix + artifact.tag + behind)}

    def flush(self) -> None:
        """Brings the events to the file; nothing to do where the writer is closed.

        torch's writer waits until all are there. tensorboardX's brings what its thread has reached, and the rest
        when the writer is closed, or the process ends; to close it here could lose more, as a writer opened again
        within a second writes over its own file.
        """
        self._writer.flush()


@sink("TensorBoardLogger")
class TensorBoardLoggerSink(TrackerSink):
    """Writes to the ``experiment`` of a ``TensorBoardLogger`` of Lightning, PyTorch Lightning or Fabric.

    The logger's own ``prefix``, which Lightning puts in front of metrics alone, goes in front of every tag: of
    pictures and histograms too. On ranks above 0, where the experiment is a dummy, nothing is written.

    Args:
        logger: The logger.
        folder: Not used, the logger has its own.
    """

    def __init__(self, logger: Any, folder: Place) -> None:
        super().__init__(logger, folder)
        self._folder = folder
        self._sink: SummaryWriterSink | None = None

    def _write(self, experiment: Any, batch: Batch) -> None:
        """Writes all of a snapshot as one event."""
        self._sink = SummaryWriterSink(experiment, self._folder, prefix_of(self._logger))
        self._sink.write(batch)

    def flush(self) -> None:
        """Brings the events to the file; makes no experiment where nothing was written."""
        if self._sink is not None:
            self._sink.flush()


def _summary_class(writer_class: type) -> Any:
    """The ``Summary`` message of the writer's package: torch uses tensorboard's, tensorboardX has its own."""
    base = next(base for base in reversed(writer_class.__mro__) if base.__name__ == "SummaryWriter")
    package = base.__module__.rpartition(".")[0]
    return importlib.import_module(f"{package}.summary").Summary


def _value(artifact: Scalar | Histogram | Image | Animation | Text) -> dict[str, Any]:
    """What a ``Summary.Value`` holds besides its tag."""
    match artifact:
        case Scalar():
            return {"simple_value": artifact.value}
        case Histogram():
            return {"histo": _histogram(artifact)}
        case Image():
            return _image(artifact.raster.size, artifact.png)
        case Animation():
            return _image(artifact.frames[0].shape[:2], artifact.gif)
        case Text():
            content = {"dtype": "DT_STRING", "string_val": [unicode_tag(artifact.text).encode()]}
            shape = {"tensor_shape": {"dim": [{"size": 1}]}}
            return {"metadata": {"plugin_data": {"plugin_name": "text"}}, "tensor": content | shape}


def _histogram(histogram: Histogram) -> dict[str, Any]:
    # TensorBoard's default loader takes the minimum for the left edge of the first bin and the maximum for the right
    # edge of the last: were an outer bin empty, its edges would be the wrong way round.
    filled = np.flatnonzero(histogram.counts)
    bins = slice(filled[0], filled[-1] + 1) if len(filled) else slice(0)
    return {
        "min": histogram.minimum,
        "max": histogram.maximum,
        "num": float(histogram.counts.sum()),
        "sum": histogram.total,
        "sum_squares": histogram.squares,
        "bucket_limit": histogram.edges[1:][bins].tolist(),
        "bucket": histogram.counts[bins].tolist(),
    }


def _image(size: tuple[int, ...], encoded: bytes) -> dict[str, Any]:
    height, width = size
    return {"image": {"height": height, "width": width, "colorspace": 3, "encoded_image_string": encoded}}
