"""Directions of a matrix: none that is more than noise, or one that is all."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lightning_weightviz.findings import Bound, Evidence, Limits, Sign, rule
from lightning_weightviz.findings.support.evidence import Flags
from lightning_weightviz.findings.support.words import short

THINNEST = 16
"""Rows and columns that a matrix must have for its rank to say something."""


@rule(
    "in_the_noise",
    severity="note",
    what="In no matrix has a direction left the noise: each largest singular value is what a random matrix of the same "
    "spread has.",
    bounds={"edge": Bound(1.05, 1.1, "largest singular value as a share of std · (√rows + √columns)")},
    source="Marchenko and Pastur 1967; of five shapes of random matrices none was above 1.",
    cause="Hardly anything was learned yet: the training is young, the learning rate low, or the labels say nothing.",
    advice="Look at the loss and at `update_ratio`; if both are as they should be, wait.",
    false_alarms=("A young training, above all with snapshots every few steps: it is a note.",),
    warmup=10,
)
def in_the_noise(evidence: Evidence, limits: Limits) -> Iterator[Sign]:
    """A model that is as random as it was."""
    judged = evidence.judged & _thick(evidence)
    if not judged.any():
        return
    rows, columns = evidence.shapes.T
    with np.errstate(divide="ignore", invalid="ignore"):
        largest = evidence.curve("rms")[-1] * np.sqrt(rows * columns / evidence.curve("stable_rank")[-1])
        edges = largest / (evidence.curve("std")[-1] * (np.sqrt(rows) + np.sqrt(columns)))
    known = edges[judged & np.isfinite(edges)]
    if known.size and known.max() < limits["edge"]:
        count = f"{known.size} {'matrices' if known.size > 1 else 'matrix'}"
        yield Sign("", f"no direction of {count} has left the noise: the largest is {short(known.max())} of its edge")


@rule(
    "rank_collapse",
    what="A matrix has come down to one direction: its stable rank is near 1 and a fraction of that at the start.",
    bounds={
        "rank": Bound(1.5, 1.8, "stable rank, ‖W‖² / σ₁²"),
        "share": Bound(0.12, 0.15, "of the stable rank at the start"),
    },
    source="Our own runs: healthy matrices keep a stable rank of at least 2 and 0.13 of the start's.",
    cause="All inputs of the layer look alike to it: their mean is far from 0, or most units that feed it are dead; or "
    "a step far too large has written one direction over all others.",
    advice="Normalise the inputs, put a norm in front of the layer, lower the learning rate.",
    false_alarms=(
        "Matrices with fewer than 16 rows or columns are left alone, as heads of few classes.",
        "Tables that are no layer, such as that of positions, are left alone.",
    ),
)
def rank_collapse(evidence: Evidence, limits: Limits) -> Iterator[Sign]:
    """A matrix that does one thing."""
    rank, start = evidence.curve("stable_rank")[-1], evidence.start("stable_rank")
    low = evidence.layers & _thick(evidence) & (rank < limits["rank"]) & (rank < limits["share"] * start)
    for index in np.flatnonzero(low):
        name = evidence.names[index]
        yield Sign(
            name, f"the stable rank of {name} is {short(rank[index])}; at the start it was {short(start[index])}"
        )


def _thick(evidence: Evidence) -> Flags:
    single = np.array([one.stacked == 1 for one in evidence.parameters], bool)
    return np.asarray((evidence.shapes.min(1) >= THINNEST) & single)
