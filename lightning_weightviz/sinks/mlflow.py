"""MLflow: through Lightning's MLFlowLogger."""

from __future__ import annotations

import re
import tempfile
from itertools import islice
from pathlib import Path
from typing import Any

from PIL import Image as PillowImage

from lightning_weightviz.artifacts import Animation, Batch, Image, Page, Scalar, Text
from lightning_weightviz.sinks import sink
from lightning_weightviz.sinks.support.histogram_pictures import drawn_histograms
from lightning_weightviz.sinks.support.names import (
    MAX_KEY,
    page_file,
    step_name,
    tag_path,
    text_file,
    tracker_key,
    unicode_tag,
)
from lightning_weightviz.sinks.support.tracker import TrackerSink, histogram_file, prefix_of

MOST_METRICS = 1000
"""MLflow refuses a call with more; Lightning does not split."""


@sink("MLFlowLogger")
class MLFlowSink(TrackerSink):
    """Logs metrics, images with a key and a step, and artifacts.

    - Scalars: metrics, a thousand per call.
    - Pictures: ``log_image(key=, step=)``, in the run's tab of charts; MLflow adds a thumbnail to each.
    - Histograms, which MLflow has none of: drawn, as pictures, those of the most values, 24 per snapshot; and all of
      them in ``weightviz/histograms/step_00000899.json`` with ``step, epoch, histograms``, by tag.
    - Animations: ``weightviz/<tag>/step_00000899.gif``; findings: ``weightviz/findings.md``; the page:
      ``weightviz/report.html``.

    Keys are tags as `tracker_key` makes them in ASCII, after the logger's prefix, together at most 160 characters.

    Args:
        logger: An ``MLFlowLogger`` of Lightning or PyTorch Lightning.
        folder: Not used, the run has its artifacts.
    """

    def _write(self, experiment: Any, batch: Batch) -> None:
        """Writes metrics first, then what takes files."""
        # As Lightning leaves them out of metrics' names.
        prefix = re.sub("[^a-zA-Z0-9_/. -]+", "", prefix_of(self._logger))

        def key(tag: str) -> str:
            return tracker_key(tag, ascii_only=True, longest=MAX_KEY - len(prefix))

        scalars = ((key(artifact.tag), artifact.value) for artifact in batch.artifacts if isinstance(artifact, Scalar))
        while some := dict(islice(scalars, MOST_METRICS)):
            self._logger.log_metrics(some, step=batch.step)
        pictures = [artifact for artifact in batch.artifacts if isinstance(artifact, Image)]
        for picture in [*pictures, *drawn_histograms(batch)]:
            # In RGB, as MLflow makes a thumbnail of it, and one of a palette could not be read.
            rgb = PillowImage.fromarray(picture.pixels)
            experiment.log_image(self._logger.run_id, rgb, key=prefix + key(picture.tag), step=batch.step)
        self._write_artifacts(experiment, batch)

    def _write_artifacts(self, client: Any, batch: Batch) -> None:
        if histograms := histogram_file(batch):
            path, record = histograms
            client.log_dict(self._logger.run_id, record, path)
        for artifact in batch.artifacts:
            if isinstance(artifact, Text):
                client.log_text(self._logger.run_id, unicode_tag(artifact.text), f"weightviz/{text_file(artifact.tag)}")
            if isinstance(artifact, Page):
                page = artifact.html.decode()
                client.log_text(self._logger.run_id, page, f"weightviz/{page_file(artifact.tag)}")
            if isinstance(artifact, Animation):
                with tempfile.TemporaryDirectory() as folder:
                    file = Path(folder, f"{step_name(batch)}.gif")
                    file.write_bytes(artifact.gif)
                    client.log_artifact(self._logger.run_id, str(file), f"weightviz/{tag_path(artifact.tag)}")
