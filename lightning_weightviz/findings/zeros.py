"""Matrices of zeros, and units that are next to zero."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lightning_weightviz.findings import Bound, Evidence, Limits, Sign, rule
from lightning_weightviz.findings.support.evidence import Flags
from lightning_weightviz.findings.support.words import listed
from lightning_weightviz.snapshot import Measurement


@rule(
    "zero",
    what="Every value of a matrix is exactly 0 after the first step, though it was not at the start or is trained.",
    source="A matrix of zeros passes nothing on.",
    cause="The initialisation, pruning, or a weight decay that is far too high; if the next layer is zero too, it "
    "learns nothing.",
    advice="Look at the initialisation, at pruning, and at `weight_decay`.",
    false_alarms=(
        "Usual before the first step: the second factor of an adapter, the last layer of a residual branch. Left alone "
        "while the learning rate has been 0 in all steps, as at the start of a warm-up.",
        "What started at 0 and is frozen, as an adapter that is not in use, is left alone.",
        "Zeros with NaN or infinities among them are the rules' of these.",
    ),
    patience=1,
    warmup=0,
    alone=True,
)
def zero(evidence: Evidence, limits: Limits) -> Iterator[Sign]:
    """A matrix of zeros."""
    zeros = (evidence.curve("zero_fraction")[-1] == 1.0) & evidence.finite & ~_is_at_rest(evidence)
    for name, parameter, is_zero in zip(evidence.names, evidence.parameters, zeros, strict=True):
        if is_zero and len(parameter.shape) > 1:
            yield Sign(name, f"{name}: every value is exactly 0")


def _is_at_rest(evidence: Evidence) -> Flags:
    """(P,): which started at 0 and no step has been taken of, as far as is known."""
    rates = evidence.curve("lr")
    # The rate may have been raised since the step before this snapshot.
    waits = (rates[:-1] == 0).any(0) & ~(rates[:-1] > 0).any(0)
    at_start = (evidence.start("rms") == 0) & (len(rates) > 1)
    return np.asarray(at_start & (waits | ~evidence.trained))


@rule(
    "dead_units",
    what="At least a quarter of the units have weights near 0, next to units that have not.",
    bounds={"share": Bound(0.25, 0.2, "share of the units")},
    source="A unit is near zero at a norm of 1e-6 times the median: no training leaves it there by chance.",
    cause="The layer is wider than it needs to be, or a regulariser or pruning has switched the units off.",
    advice="Lower `weight_decay`, or make the layer smaller.",
    false_alarms=("Structured pruning, where that is what was wanted.", "A matrix that starts at 0 is left alone."),
    patience=1,
    warmup=0,
    alone=True,
)
def dead_units(evidence: Evidence, limits: Limits) -> Iterator[Sign]:
    """Units next to zero, beside units that are not."""
    for place, (name, measurement) in enumerate(evidence.weights.items()):
        statistics = measurement.statistics
        # A row of NaN has no finite norm, and a matrix of zeros no row to compare with: other rules tell of them.
        if statistics["nan_count"] or statistics["inf_count"] or statistics["zero_fraction"] == 1.0:
            continue
        # Rows of a matrix that started at 0 may have had no gradient yet.
        if evidence.curve("rms")[0, place] == 0:
            continue
        units, dead = measurement.parameter.units, statistics["dead_units"]
        # NaN, where the statistic is not defined, is not above anything.
        if dead >= units * limits["share"]:
            yield Sign(name, f"{name}: {dead:.0f} of {units} units have near-zero weights", _which(measurement))


def _which(measurement: Measurement) -> str | None:
    """The rows, where each has a row of cells of its own."""
    picture = measurement.picture
    if picture is None or measurement.parameter.units_axis or len(picture.row_norms) != picture.shape[0]:
        return None
    norms = picture.row_norms[:, 1]
    return f"rows {listed(np.flatnonzero(norms <= 1e-6 * np.nanmedian(norms)).tolist())}"
