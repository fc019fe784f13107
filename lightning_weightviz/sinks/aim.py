"""Aim: through its AimLogger for Lightning."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image as PillowImage

from lightning_weightviz.artifacts import Animation, Artifact, Batch, Histogram, Image, Page, Scalar, Text
from lightning_weightviz.sinks import sink
from lightning_weightviz.sinks.support.names import tracker_key, unicode_tag
from lightning_weightviz.sinks.support.tracker import TrackerSink, log_scalars

MOST_BINS = 512
"""Aim's limit."""


@sink("AimLogger")
class AimSink(TrackerSink):
    """Tracks metrics, images (animations too) and distributions.

    Names are tags as `tracker_key` makes them, with the context that the logger makes of prefixes such as ``train_``.
    Aim's distributions have bins of one width: counts are brought to as many between the same ends, as if values were
    spread evenly in a bin; their sum is exact, and so are all where our bins have one width.

    Args:
        logger: An ``AimLogger``.
        folder: Not used, the repository has its own.
    """

    def _write(self, experiment: Any, batch: Batch) -> None:
        """Writes metrics by the logger, the rest by its run."""
        log_scalars(self._logger, batch)
        for artifact in batch.artifacts:
            # Of pages it has none.
            if not isinstance(artifact, Scalar | Page):
                name, context = self._logger.parse_context(tracker_key(artifact.tag))
                experiment.track(_value(artifact), name=name, step=batch.step, epoch=batch.epoch, context=context)


def _value(artifact: Artifact) -> Any:
    import aim

    match artifact:
        case Image():
            return aim.Image(PillowImage.open(io.BytesIO(artifact.png)), caption=unicode_tag(artifact.caption))
        case Animation():
            return aim.Image(PillowImage.open(io.BytesIO(artifact.gif)), caption=unicode_tag(artifact.caption))
        case Text():
            return aim.Text(unicode_tag(artifact.text))
        case Histogram():
            ends = (float(artifact.edges[0]), float(artifact.edges[-1]))
            return aim.Distribution(hist=_of_one_width(artifact), bin_range=ends)


def _of_one_width(histogram: Histogram) -> npt.NDArray[np.int64]:
    """Counts in as many bins of one width: differences of rounded cumulative counts, so that none is lost."""
    edges = np.linspace(histogram.edges[0], histogram.edges[-1], min(len(histogram.counts), MOST_BINS) + 1)
    below = np.concatenate([[0], np.cumsum(histogram.counts)])
    counts: npt.NDArray[np.int64] = np.diff(np.rint(np.interp(edges, histogram.edges, below)).astype(np.int64))
    return counts
