"""Weights & Biases: through Lightning's WandbLogger."""

from __future__ import annotations

import io
from typing import Any

from PIL import Image as PillowImage

from lightning_weightviz.artifacts import Animation, Artifact, Batch, Histogram, Image, Page, Scalar, Text
from lightning_weightviz.sinks import sink
from lightning_weightviz.sinks.support.names import tracker_key, unicode_tag
from lightning_weightviz.sinks.support.tracker import TrackerSink


@sink("WandbLogger")
class WandbSink(TrackerSink):
    """Logs a snapshot as one row of the run: ``Image``, ``Video`` (a GIF), ``Histogram``, ``Html`` and numbers.

    A text is in the run's summary, and what is new in it an alert.

    Keys are tags as `tracker_key` makes them, after the logger's prefix; the step is ``trainer/global_step``, as of
    the logger's own metrics. W&B's own step is never given, as it drops what comes with a lower one.

    Args:
        logger: A ``WandbLogger`` of Lightning or PyTorch Lightning.
        folder: Not used, the run has its own.
    """

    def _write(self, experiment: Any, batch: Batch) -> None:
        """Writes all in one call, as W&B limits calls and not what is in them."""
        # The logger's own method, as it knows which key holds the step, and the prefix.
        values = {tracker_key(one.tag): _value(one) for one in batch.artifacts if not isinstance(one, Text)}
        if values:
            self._logger.log_metrics(values, step=batch.step)
        for artifact in batch.artifacts:
            if isinstance(artifact, Text):
                experiment.summary[tracker_key(artifact.tag)] = unicode_tag(artifact.text)
                if artifact.news:
                    experiment.alert(title="weights", text=unicode_tag(artifact.news), level="WARN")


def _value(artifact: Artifact) -> Any:
    import wandb

    match artifact:
        case Scalar():
            return artifact.value
        case Image():
            # Opened from our PNG, it stays one with a palette, a third of the size of what W&B makes of pixels.
            return wandb.Image(PillowImage.open(io.BytesIO(artifact.png)), caption=unicode_tag(artifact.caption))
        case Animation():
            return wandb.Video(io.BytesIO(artifact.gif), caption=unicode_tag(artifact.caption), format="gif")
        case Page():
            # Nothing is put into it, as it lets no other script run.
            return wandb.Html(io.StringIO(artifact.html.decode()), inject=False)
        case Histogram():
            return wandb.Histogram(np_histogram=_at_most(wandb.Histogram.MAX_LENGTH, artifact))


def _at_most(limit: int, histogram: Histogram) -> tuple[list[int], list[float]]:
    """Counts and edges, neighbouring bins merged where there are more of them than W&B takes."""
    merged = -(-len(histogram.counts) // limit)
    starts = range(0, len(histogram.counts), merged)
    counts = [int(histogram.counts[start : start + merged].sum()) for start in starts]
    return counts, [*(float(histogram.edges[start]) for start in starts), float(histogram.edges[-1])]
