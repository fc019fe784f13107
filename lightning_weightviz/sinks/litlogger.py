"""Lightning's own platform: through LitLogger."""

from __future__ import annotations

import io
import json
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image as PillowImage

from lightning_weightviz.artifacts import Animation, Batch, Image, Page, Text
from lightning_weightviz.sinks import sink
from lightning_weightviz.sinks.support.histogram_pictures import drawn_histograms
from lightning_weightviz.sinks.support.names import page_file, text_file, tracker_key, unicode_tag
from lightning_weightviz.sinks.support.tracker import TrackerSink, histogram_file, log_scalars, prefix_of


@sink("LitLogger")
class LitLoggerSink(TrackerSink):
    """Logs series of metrics and of images, histograms, which the platform has none of, as images and JSON, and files.

    Keys are tags as `tracker_key` makes them, after the logger's prefix. Histograms of the most values, 24 per
    snapshot, are drawn, and all are in the file ``weightviz/histograms/step_00000899.json`` with ``step, epoch,
    histograms``, by tag. Each image is uploaded while training waits, as litlogger has no other way.

    Args:
        logger: A ``LitLogger`` of Lightning.
        folder: Not used: nothing stays on the disk.
    """

    def _write(self, experiment: Any, batch: Batch) -> None:
        """Writes metrics by the logger, the rest by its experiment."""
        log_scalars(self._logger, batch)
        prefix = prefix_of(self._logger)
        with tempfile.TemporaryDirectory() as folder:
            self._write_histograms(experiment, batch, Path(folder))
            self._write_texts(experiment, batch, Path(folder))
            for artifact in [*batch.artifacts, *drawn_histograms(batch)]:
                if isinstance(artifact, Image | Animation):
                    series = experiment[prefix + tracker_key(artifact.tag)]
                    series.append(_image(artifact, Path(folder)), step=batch.step)

    def _write_histograms(self, experiment: Any, batch: Batch, folder: Path) -> None:
        import litlogger

        if histograms := histogram_file(batch):
            path, record = histograms
            file = folder / Path(path).name
            file.write_text(json.dumps(record, allow_nan=False))
            experiment[path] = litlogger.File(str(file))

    def _write_texts(self, experiment: Any, batch: Batch, folder: Path) -> None:
        import litlogger

        for artifact in batch.artifacts:
            if isinstance(artifact, Text | Page):
                name = text_file(artifact.tag) if isinstance(artifact, Text) else page_file(artifact.tag)
                file = folder / Path(name).name
                file.write_bytes(unicode_tag(artifact.text).encode() if isinstance(artifact, Text) else artifact.html)
                experiment[f"weightviz/{name}"] = litlogger.File(str(file))


def _image(artifact: Image | Animation, folder: Path) -> Any:
    import litlogger

    if isinstance(artifact, Image):
        return litlogger.Image(PillowImage.open(io.BytesIO(artifact.png)), description=unicode_tag(artifact.caption))
    # Pillow's way into a file would keep the first frame alone.
    file = folder / "animation.gif"
    file.write_bytes(artifact.gif)
    return litlogger.Image(str(file), format="gif", description=unicode_tag(artifact.caption))
