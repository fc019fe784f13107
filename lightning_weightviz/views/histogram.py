"""Histograms with exact counts: the fine buckets of a snapshot, merged."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lightning_weightviz.artifacts import Artifact, Histogram
from lightning_weightviz.snapshot import Counts
from lightning_weightviz.views import Scene, view


@view("histogram")
def histogram(scene: Scene) -> Iterator[Artifact]:
    """Histograms ``<target>.histogram/<parameter>`` of every parameter that has a finite value."""
    for target, measurements in scene.snapshot.targets.items():
        for name, measurement in measurements.items():
            if measurement.counts.counts.any():
                yield merge(f"{target}.histogram/{name}", measurement.counts, scene.style.bins)


def merge(tag: str, counts: Counts, bins: int) -> Histogram:
    """Merges neighbouring buckets into at most `bins` bins of about one width.

    The new edges are those old ones that lie nearest to a uniform grid from the minimum to the maximum, so that no
    count is guessed. Where buckets are wider than a bin should be, there are fewer bins.
    """
    filled = np.flatnonzero(counts.counts)
    first, last = int(filled[0]), int(filled[-1]) + 1
    inner = counts.edges[first + 1 : last]
    chosen = np.array([first, last])
    if inner.size and bins > 1:
        grid = counts.minimum + (counts.maximum - counts.minimum) * (np.arange(1, bins) / bins)
        # Between two neighbouring edges the nearer one changes in their middle.
        nearest = np.searchsorted((inner[1:] + inner[:-1]) / 2, grid) + first + 1
        chosen = np.concatenate([[first], nearest, [last]])
        chosen = chosen[np.diff(chosen, append=last + 1) > 0]
    return Histogram(
        tag=tag,
        edges=counts.edges[chosen],
        counts=np.add.reduceat(counts.counts[:last], chosen[:-1]),
        minimum=counts.minimum,
        maximum=counts.maximum,
        total=counts.total,
        squares=counts.squares,
    )
