"""Comet: through Lightning's CometLogger."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from lightning_weightviz.artifacts import Animation, Batch, Histogram, Image, Page, Scalar, Text
from lightning_weightviz.sinks import sink
from lightning_weightviz.sinks.support.names import page_file, tracker_key, unicode_tag
from lightning_weightviz.sinks.support.tracker import TrackerSink, log_scalars, prefix_of


@sink("CometLogger")
class CometSink(TrackerSink):
    """Logs metrics, images, 3-D histograms, animations as videos (GIF), and the page as an asset.

    Names are tags as `tracker_key` makes them, after the logger's prefix, which Comet joins by ``_``. Comet's
    histograms have bins of its own, each a tenth wider than its neighbour towards 0: counts go to the bin that holds
    the middle of ours, so their sum is exact, and their place is within half a bin of each kind. The logger
    flushes at the end of fit; here training would wait for the network.

    Args:
        logger: A ``CometLogger`` of Lightning or PyTorch Lightning.
        folder: Not used, the experiment has its own.
    """

    def _write(self, experiment: Any, batch: Batch) -> None:
        """Writes metrics in one call, then a call for each of the rest; Comet's own thread uploads them."""
        log_scalars(self._logger, batch)
        prefix = prefix_of(self._logger, separator="_")
        for artifact in batch.artifacts:
            name = prefix + tracker_key(artifact.tag)
            match artifact:
                case Scalar():
                    continue
                case Image():
                    # What stands behind the last full stop is the file's kind to Comet.
                    metadata = {"caption": unicode_tag(artifact.caption)}
                    experiment.log_image(
                        io.BytesIO(artifact.png), name=f"{name}.png", step=batch.step, metadata=metadata
                    )
                case Animation():
                    experiment.log_video(io.BytesIO(artifact.gif), name=f"{name}.gif", format="gif", step=batch.step)
                case Page():
                    file = f"weightviz/{page_file(artifact.tag)}"
                    experiment.log_asset(io.BytesIO(artifact.html), file_name=file, step=batch.step)
                case Text():
                    experiment.log_text(unicode_tag(artifact.text), step=batch.step, metadata={"name": name})
                case Histogram():
                    experiment.log_histogram_3d(_histogram(artifact), name=name, step=batch.step)


def _histogram(histogram: Histogram) -> Any:
    import comet_ml

    filled = np.flatnonzero(histogram.counts)
    middles = (histogram.edges[:-1] + histogram.edges[1:]) / 2
    theirs = comet_ml.Histogram()
    theirs.add(middles[filled], counts=histogram.counts[filled])
    return theirs
