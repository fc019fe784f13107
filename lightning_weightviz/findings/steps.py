"""Steps that are too large or too small for the weights."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lightning_weightviz.findings import Bound, Evidence, Limits, Sign, rule
from lightning_weightviz.findings.support.words import share


def _rate(evidence: Evidence) -> str:
    rates = [group.lr for group in (evidence.snapshot.training.optimizers or {}).values()]
    return f"; the learning rate is {max(rates):.2g}" if rates else ""


@rule(
    "large_steps",
    what="The median matrix changes by a large part of its length in a single step, snapshot after snapshot.",
    bounds={"ratio": Bound(0.1, 0.05, "update ratio, ‖Δw‖ / ‖w‖ of one step")},
    source="The guide is 1e-3 (CS231n); at 0.1 ten steps replace a layer.",
    cause="The learning rate is too high.",
    advice="Lower the learning rate by the factor by which the ratio exceeds 1e-3 to 1e-2; warm it up.",
    false_alarms=("Matrices that start at 0 are left out, and a head that is trained alone.",),
)
def large_steps(evidence: Evidence, limits: Limits) -> Iterator[Sign]:
    """Steps that overwrite what was learned."""
    usual = evidence.usual_step
    if evidence.judged.sum() > 1 and usual > limits["ratio"]:
        yield Sign("", f"a single step changes the median matrix by {share(usual)} of its length{_rate(evidence)}")


@rule(
    "small_steps",
    what="The median matrix changes by next to nothing in a step, and no matrix has turned since the start.",
    bounds={
        "ratio": Bound(1e-5, 3e-5, "update ratio, ‖Δw‖ / ‖w‖ of one step"),
        "degrees": Bound(2.0, 3.0, "angle of the matrix that has turned most"),
    },
    source="The guide is 1e-3 (CS231n); SageMaker's rule for updates that vanish is 1e-7, 1e-6 is a usual lower end.",
    cause="The learning rate is too low, or the gradients are next to 0.",
    advice="Raise the learning rate by factors of 10 until the ratio is near 1e-3; look at the start and the data.",
    false_alarms=(
        "The end of a schedule: only a model that has hardly turned is meant.",
        "Fine-tuning at a small rate: a trunk whose head moves more is left alone.",
    ),
)
def small_steps(evidence: Evidence, limits: Limits) -> Iterator[Sign]:
    """Steps that change nothing."""
    usual, judged = evidence.usual_step, evidence.judged
    if not judged.any() or not usual < limits["ratio"]:
        return
    turned = np.degrees(np.arccos(np.clip(1.0 - evidence.curve("rotation")[-1][judged], -1.0, 1.0)))
    farthest = float(np.nanmax(turned)) if np.isfinite(turned).any() else np.nan
    if farthest < limits["degrees"]:
        step = f"a single step changes the median matrix by {share(usual)} of its length"
        yield Sign("", f"{step}, and none has turned by more than {farthest:.1g}° since the start{_rate(evidence)}")
