"""DVCLive: through its DVCLiveLogger for Lightning."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image as PillowImage

from lightning_weightviz.artifacts import Animation, Artifact, Batch, Histogram, Image, Page, Scalar, Text
from lightning_weightviz.sinks import sink
from lightning_weightviz.sinks.support.alone import each_alone
from lightning_weightviz.sinks.support.folder import SUBFOLDER, LocalFolder
from lightning_weightviz.sinks.support.histogram_pictures import draw_histogram, histogram_record, largest_histograms
from lightning_weightviz.sinks.support.names import page_file, repeat_mark, tag_path, text_file, unicode_tag
from lightning_weightviz.sinks.support.tracker import TrackerSink, prefix_of


@sink("DVCLiveLogger")
class DVCLiveSink(TrackerSink):
    """Logs metrics, images, and histograms, which DVCLive has none of, as images and JSON.

    Below DVCLive's folder, with the tag as `tag_path` makes it, after the logger's prefix:

    - ``plots/metrics/<tag>.tsv``: scalars;
    - ``plots/images/<tag>/899.png``: pictures, in the form that Studio and VS Code show with a slider over steps, and
      histograms, those of the most values, 24 per snapshot; ``899.gif``: animations; of a second snapshot at the same
      step ``899_2.png`` and ``899_2.gif``, which stand beside the slider;
    - ``weightviz/<tag>/histogram.jsonl``: one line per step with ``step, epoch, minimum, maximum, sum, sum_squares,
      edges, counts``;
    - ``weightviz/findings.md``: what was found; ``weightviz/report.html``: the page.

    Args:
        logger: A ``DVCLiveLogger``, of Fabric too.
        folder: Not used, DVCLive has its own.
    """

    def _write(self, experiment: Any, batch: Batch) -> None:
        """Writes all at the batch's step, each alone: they go to files."""
        prefix = prefix_of(self._logger)
        with _at_step(experiment, batch.step), each_alone() as alone:
            drawn = []
            for histogram in largest_histograms(batch):
                with alone():
                    drawn.append(draw_histogram(histogram, batch.step, batch.epoch))
            for artifact in [*batch.artifacts, *drawn]:
                with alone():
                    self._write_one(experiment, artifact, batch, prefix)

    def _write_one(self, experiment: Any, artifact: Artifact, batch: Batch, prefix: str) -> None:
        name = prefix + tag_path(artifact.tag).as_posix()
        place = f"{name}/{batch.step}{repeat_mark(batch)}"
        match artifact:
            case Scalar():
                experiment.log_metric(name, float(artifact.value))
            case Image():
                experiment.log_image(f"{place}.png", PillowImage.open(io.BytesIO(artifact.png)))
            case Animation():
                # Its own way keeps the first frame alone.
                images = LocalFolder(Path(experiment.plots_dir, "images"))
                images.write({f"{place}.gif": artifact.gif})
            case Text():
                name = prefix + text_file(artifact.tag)
                content = unicode_tag(artifact.text).encode()
                LocalFolder(Path(experiment.dir, SUBFOLDER)).write({name: content})
            case Page():
                name = prefix + page_file(artifact.tag)
                LocalFolder(Path(experiment.dir, SUBFOLDER)).write({name: artifact.html})
            case Histogram():
                record = {"step": batch.step, "epoch": batch.epoch, **histogram_record(artifact)}
                LocalFolder(Path(experiment.dir, SUBFOLDER)).append({f"{name}/histogram.jsonl": [record]})


@contextmanager
def _at_step(live: Any, step: int) -> Iterator[None]:
    """Lets DVCLive log at a step, and leaves its own as it was: the logger counts it on where it is given step 0."""
    before = live.step
    live.step = step
    try:
        yield
    finally:
        live.step = before
