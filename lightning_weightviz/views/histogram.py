"""Histograms in bins of one width: the fine buckets of a snapshot, cut where the bins end.

Buckets grow with the magnitude. Merged as they are, they would give bins up to four times as wide as their neighbours,
which a logger that draws counts as heights shows as hills.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from lightning_weightviz.artifacts import Artifact, Histogram
from lightning_weightviz.snapshot import Counts
from lightning_weightviz.views import Scene, view


@view("histogram", numbers=True)
def histogram(scene: Scene) -> Iterator[Artifact]:
    """Histograms ``<target>.histogram/<parameter>`` of every parameter that has a finite value.

    Counts are exact at the edges of the snapshot's buckets and interpolated between them: see `rebin`.
    """
    for target, measurements in scene.snapshot.targets.items():
        for name, measurement in measurements.items():
            if measurement.counts.counts.any():
                yield rebin(f"{target}.histogram/{name}", measurement.counts, scene.style.bins)


def rebin(tag: str, counts: Counts, bins: int) -> Histogram:
    """At most `bins` bins of equal width from the minimum to the maximum.

    The number of values below an edge is exact where the edge is one of a bucket. Inside a bucket it is interpolated
    linearly, and so is off by at most the count of that bucket: within 10 octaves of the largest magnitude a bucket
    is 1/16 of its octave wide, or less. The bins add up to the number of finite values, the first holds the minimum,
    the last the maximum, and exact zeros are all in the bin in which 0 lies.

    Args:
        tag: Of the histogram.
        counts: With at least one value.
        bins: At least 1. There are fewer where float64 could hardly tell so many edges apart. Equal values give one
            bin: their bucket.
    """
    if counts.minimum == counts.maximum:
        filled = np.flatnonzero(counts.counts)
        edges = counts.edges[[filled[0], filled[-1] + 1]]
    else:
        edges = _uniform(counts.minimum, counts.maximum, bins)
    below = np.zeros(len(edges), np.int64)
    below[1:-1], below[-1] = _below(counts, edges[1:-1]), counts.counts.sum()
    return Histogram(
        tag=tag,
        edges=edges,
        counts=below[1:] - below[:-1],
        minimum=counts.minimum,
        maximum=counts.maximum,
        total=counts.total,
        squares=counts.squares,
    )


def _uniform(minimum: float, maximum: float, bins: int) -> npt.NDArray[np.float64]:
    """Edges of equal distance, strictly ascending; ``minimum < maximum``."""
    # Halved, as the largest floats have no difference. Rounding moves an edge by less than two spacings.
    spacings = (maximum / 2 - minimum / 2) / math.ulp(max(abs(minimum), abs(maximum))) * 2
    bins = min(bins, max(int(spacings / 8), 1))
    share = np.arange(bins + 1) / bins
    edges: npt.NDArray[np.float64] = minimum * (1 - share) + maximum * share
    return edges


def _below(counts: Counts, edges: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """How many values lie below each edge, int64, ascending; ``minimum < edges < maximum``."""
    # Outer buckets are cut where the values end, so that what is interpolated lies where values are.
    # Plain functions of numpy throughout: there are hundreds of short histograms, and its friendlier ones take longer.
    bounds = np.minimum(np.maximum(counts.edges, counts.minimum), counts.maximum)
    bucket = bounds.searchsorted(edges, side="right") - 1
    low, high, inside = bounds[bucket], bounds[bucket + 1], counts.counts[bucket]
    width = high / 2 - low / 2
    share = np.divide(edges / 2 - low / 2, width, out=np.zeros(len(edges)), where=width > 0)
    # The bucket that starts at 0 holds the exact zeros, and nothing else that is not next to 0: a spike, not a slope.
    share[(low == 0) & (edges > 0)] = 1.0
    # Whole buckets are added as integers, as float64 ends at 2^53.
    whole = counts.counts.cumsum() - counts.counts
    part = np.minimum(np.rint(share * inside).astype(np.int64), inside)
    # The minimum is known to be below, the maximum not to be.
    below: npt.NDArray[np.int64] = np.minimum(np.maximum(whole[bucket] + part, 1), counts.counts.sum() - 1)
    return below
