"""SwanLab: through its SwanLabLogger for Lightning."""

from __future__ import annotations

import io
import json
from itertools import pairwise
from typing import Any

from PIL import Image as PillowImage

from lightning_weightviz.artifacts import Animation, Artifact, Batch, Histogram, Image, Page, Scalar, Text
from lightning_weightviz.draw.number import number
from lightning_weightviz.sinks import sink
from lightning_weightviz.sinks.support.histogram_pictures import drawn_histograms, histogram_record
from lightning_weightviz.sinks.support.names import tracker_key, unicode_tag
from lightning_weightviz.sinks.support.tracker import TrackerSink


@sink("SwanLabLogger")
class SwanLabSink(TrackerSink):
    """Logs a snapshot in one call: ``Image``, ``Video`` (a GIF), ``Html``, ``ECharts`` for histograms, and numbers.

    SwanLab has no histograms. Those of the most values, 24 per snapshot, are drawn; and all are charts of bars, which
    SwanLab's local board does not show, under ``weights.histogram.bars/<parameter>``. A chart is JSON, and holds the
    exact histogram under ``weightviz``: ``tag, minimum, maximum, sum, sum_squares, edges, counts``.

    Keys are tags as `tracker_key` makes them; the logger has no prefix.

    Args:
        logger: A ``SwanLabLogger``.
        folder: Not used, the run has its own.
    """

    def _write(self, experiment: Any, batch: Batch) -> None:
        """Writes all in one call, with the step of the logger's own metrics."""
        values = {_key(artifact): _value(artifact) for artifact in [*batch.artifacts, *drawn_histograms(batch)]}
        self._logger.log_metrics(values, step=batch.step)


class _Bars:
    """What SwanLab asks of a chart: the options of ECharts, as JSON."""

    def __init__(self, histogram: Histogram) -> None:
        self._histogram = histogram

    def dump_options(self) -> str:
        """Bars with the bins' ranges below them."""
        edges = self._histogram.edges
        ranges = [f"{number(low)} … {number(high)}" for low, high in pairwise(edges)]
        return json.dumps(
            {
                "tooltip": {"trigger": "axis"},
                "xAxis": [{"type": "category", "data": ranges}],
                "yAxis": [{"type": "value"}],
                "series": [{"type": "bar", "barCategoryGap": "0%", "data": self._histogram.counts.tolist()}],
                "weightviz": {"tag": self._histogram.tag, **histogram_record(self._histogram)},
            },
            allow_nan=False,
        )


def _key(artifact: Artifact) -> str:
    group, slash, name = artifact.tag.partition("/")
    # Of another kind than the histogram's picture, so under another key.
    return tracker_key(f"{group}.bars{slash}{name}" if isinstance(artifact, Histogram) else artifact.tag)


def _value(artifact: Artifact) -> Any:
    import swanlab

    match artifact:
        case Scalar():
            return artifact.value
        case Image():
            return swanlab.Image(PillowImage.fromarray(artifact.pixels), caption=unicode_tag(artifact.caption))
        case Animation():
            return swanlab.Video(io.BytesIO(artifact.gif), caption=unicode_tag(artifact.caption))
        case Text():
            return swanlab.Text(unicode_tag(artifact.text))
        case Page():
            return swanlab.Html(io.StringIO(artifact.html.decode()))
        case Histogram():
            return swanlab.ECharts(_Bars(artifact))
