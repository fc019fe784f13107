"""Values that are not finite: which parameter, in which rows, and since when."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lightning_weightviz.findings import Evidence, Limits, Sign, rule
from lightning_weightviz.findings.support.words import listed
from lightning_weightviz.snapshot import Measurement

NAN_CAUSE = "A step was taken with a broken gradient."
INF_CAUSE = "The weights ran away, or half precision overflowed."


@rule(
    "nan",
    what="A parameter holds a value that is not a number.",
    severity="error",
    source="Any NaN is wrong: what is computed with it is NaN.",
    cause=NAN_CAUSE,
    advice="Look at the loss before that step; lower the learning rate, clip gradients, look for divisions by 0 and "
    "logarithms of 0. `Trainer(detect_anomaly=True)` finds the operation.",
    false_alarms=("None is known: a NaN in a weight that is never read does no harm, and is still worth knowing.",),
    patience=1,
    warmup=0,
    from_start=True,
    alone=True,
)
def nan(evidence: Evidence, limits: Limits) -> Iterator[Sign]:
    """Values that are not a number."""
    for name, measurement in evidence.weights.items():
        if count := measurement.statistics["nan_count"]:
            of = f"{count:.0f} of {measurement.parameter.size} values are NaN"
            rows = _rows(measurement, np.isnan)
            cause = f"{NAN_CAUSE}{_consequence(evidence)}"
            yield Sign(name, f"{name}: {of}{', in ' * bool(rows)}{rows}", rows or None, cause=cause)


@rule(
    "inf",
    what="A parameter holds an infinite value.",
    severity="error",
    source="Any infinity is wrong: the next step makes NaN of it.",
    cause=INF_CAUSE,
    advice="Lower the learning rate; train in `bf16` or `32` instead of `16`.",
    false_alarms=("A mask of −Inf that is a parameter, not a buffer: leave it out with `exclude`.",),
    patience=1,
    warmup=0,
    from_start=True,
    alone=True,
)
def inf(evidence: Evidence, limits: Limits) -> Iterator[Sign]:
    """Infinite values."""
    for name, measurement in evidence.weights.items():
        if count := measurement.statistics["inf_count"]:
            of = f"{count:.0f} of {measurement.parameter.size} values are infinite"
            rows = _rows(measurement, np.isinf)
            cause = f"{INF_CAUSE}{_consequence(evidence)}"
            yield Sign(name, f"{name}: {of}{', in ' * bool(rows)}{rows}", rows or None, cause=cause)


def _consequence(evidence: Evidence) -> str:
    """What else is broken, and what stands still because of it."""
    broken = int((~evidence.finite).sum())
    change = evidence.curve("relative_change")[-1]
    still = int((evidence.finite & (change == 0)).sum())
    parts = [f"{broken} of {len(evidence.names)} parameters are not finite"]
    parts += [f"{still} stand still"] if still else []
    return f" In all {', '.join(parts)}."


def _rows(measurement: Measurement, broken: np.ufunc) -> str:
    """Which rows, where they are few and each has a row of cells of its own."""
    picture, parameter = measurement.picture, measurement.parameter
    if picture is None or len(parameter.shape) < 2 or picture.extreme.shape[0] != picture.shape[0]:
        return ""
    rows = np.flatnonzero(broken(picture.extreme).any(1))
    if not 0 < rows.size < picture.shape[0]:
        return ""
    return f"row{'s' if rows.size > 1 else ''} {listed(rows.tolist())}"
