"""Weights that grow or shrink out of proportion, or jump."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lightning_weightviz.findings import Bound, Evidence, Limits, Sign, rule
from lightning_weightviz.findings.support.evidence import Flags, Floats, median
from lightning_weightviz.findings.support.words import share, short, times

FREE = 10.0
"""By how much more a matrix in front of a norm may grow."""


def _grown(evidence: Evidence) -> Floats:
    """(T, P): rms relative to the start; NaN where it started at 0."""
    start = evidence.start("rms")
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(start > 0, evidence.curve("rms") / start, np.nan))


def _gain(evidence: Evidence) -> Floats:
    """(P,): rms × √inputs, by which a matrix makes a signal larger."""
    return np.asarray(evidence.curve("rms")[-1] * np.sqrt(evidence.shapes[:, 1]))


@rule(
    "growth",
    what="A matrix has grown to many times its size at the start, to a size at which it strengthens a signal, and more "
    "than the other matrices; or all have.",
    bounds={
        "factor": Bound(10.0, 6.0, "times its size at the start"),
        "peers": Bound(4.0, 3.0, "times the median growth of the other matrices, unless most have grown"),
    },
    source="torchmortem warns at 10 times, and calls 100 critical.",
    cause="The learning rate is too high for this layer, nothing bounds it (no norm, no weight decay), or it makes up "
    "for another one that shrinks.",
    advice="Lower the learning rate, clip gradients, add weight decay, or put a norm after the layer.",
    false_alarms=(
        "A start near 0: a matrix counts once rms × √inputs is above 3, beyond any usual start.",
        "A start at exactly 0, as of an adapter, has no size to compare with.",
        "A layer in front of a norm, whose size does not matter and which each step makes longer: 10 times the factor.",
    ),
    patience=2,
)
def growth(evidence: Evidence, limits: Limits) -> Iterator[Sign]:
    """Matrices that run away."""
    grown, judged = _grown(evidence)[-1], evidence.judged
    # In front of a norm only the direction counts, and every step makes the weights longer.
    factor = limits["factor"] * np.where(evidence.before_norm, FREE, 1.0)
    large = np.flatnonzero(judged & (grown > factor) & (_gain(evidence) > 3.0))
    leading = [(index, _growth_of_others(grown, judged, index)) for index in large]
    leading = [(index, usual) for index, usual in leading if not grown[index] <= limits["peers"] * usual]
    for index, usual in leading:
        name = evidence.names[index]
        rest = f"; the other matrices to {times(usual)}" if np.isfinite(usual) else ""
        yield Sign(name, f"{name} has grown to {times(grown[index])} its size at the start{rest}")
    if not leading and 2 * large.size > judged.sum():
        most = f"{large.size} of {int(judged.sum())} matrices have grown, the median of them"
        yield Sign("", f"{most} to {times(float(np.median(grown[large])))} its size at the start")


def _growth_of_others(grown: Floats, judged: Flags, index: np.intp) -> float:
    others = judged.copy()
    others[index] = False
    return float(median(grown[others]))


@rule(
    "collapse",
    what="A matrix has shrunk to next to nothing of its size at the start.",
    bounds={"share": Bound(0.03, 0.06, "of its size at the start")},
    source="Our own runs: healthy weight decay leaves more than a quarter.",
    cause="Weight decay is stronger than what is learned.",
    advice="Lower `weight_decay`, for SGD by the factor by which the learning rate was raised; leave out norms and "
    "biases.",
    false_alarms=("A start far too large that is learned away. Pruning to exactly 0 is the rule `zero`.",),
)
def collapse(evidence: Evidence, limits: Limits) -> Iterator[Sign]:
    """Matrices that vanish."""
    left = _grown(evidence)[-1]
    for index in np.flatnonzero(evidence.judged & (left < limits["share"]) & (left > 0)):
        name = evidence.names[index]
        group = evidence.group(name)
        decay = f"; its weight decay is {short(group.weight_decay)}" if group and group.weight_decay > 0 else ""
        yield Sign(name, f"{name} has shrunk to {share(left[index])} of its size at the start{decay}")


@rule(
    "jump",
    what="A matrix changes at one snapshot by far more than at those before, and the other matrices do not; or all do "
    "while the learning rate does not rise.",
    bounds={
        "factor": Bound(
            8.0,
            8.0,
            "times its largest change at the five snapshots before, or its way at their pace if longer",
        )
    },
    source="Our own runs: without a change of the learning rate the largest change of a healthy layer is 3 times the "
    "largest of the five before.",
    cause="The layer was initialised again or overwritten, or a batch with wild values has thrown the weights.",
    advice="Look at the data and the loss at that moment, and for code that sets weights; clip gradients.",
    false_alarms=(
        "A layer that was frozen until then, and a learning rate that rises: both are left alone.",
        "A change by less than 10 %, and the first six snapshots: both are left alone.",
        "Snapshots further apart than those before, as where `max_overhead` skips some: the steps in between count.",
    ),
    patience=1,
    lasts=False,
)
def jump(evidence: Evidence, limits: Limits) -> Iterator[Sign]:
    """A sudden change."""
    change, judged = evidence.curve("relative_change"), evidence.judged
    if len(change) < 7:
        return
    largest, far = _reach(change[-6:-1], evidence.gaps[-6:])
    with np.errstate(divide="ignore", invalid="ignore"):
        factor = change[-1] / np.maximum(largest, far)
    rates = evidence.curve("lr")[-6:]
    risen = rates[-1] > 1.5 * rates[:-1].min(0)
    sudden = judged & ~risen & (factor > limits["factor"]) & (change[-1] > 0.1)
    if not sudden.any():
        return
    if sudden.sum() > 0.5 * judged.sum() and judged.sum() > 1:
        most = share(float(np.nanmax(np.where(sudden, change[-1], np.nan))))
        several = f"{int(sudden.sum())} of {int(judged.sum())} matrices have jumped: by up to {most} at once"
        yield Sign("", several, since=len(change) - 1)
        return
    for index in np.flatnonzero(sudden):
        name = evidence.names[index]
        at_once = f"{name} has jumped: it changed by {share(change[-1, index])} at once"
        longer = far[index] > 1.01 * largest[index]  # and not by rounding
        usual = "as much as at its pace before" if longer else "its largest change before"
        yield Sign(name, f"{at_once}, {times(factor[index])} {usual}", since=len(change) - 1)


def _reach(before: Floats, gaps: Floats) -> tuple[Floats, Floats]:
    """How far each matrix may be expected to go: its largest change before, and its way at the pace before.

    Weights that wander go less far than that in a longer gap, and may go as far in a shorter one.

    Args:
        before: (t, P), changes.
        gaps: (t + 1,), steps in which they were made, and those of the newest.

    Returns:
        Two of (P,); NaN where a change was 0 or is not known, or the newest gap is not.
    """
    known = np.isfinite(gaps[:-1])
    pace = before[known].sum(0) / gaps[:-1][known].sum() if known.any() else np.full(before.shape[1], np.nan)
    return np.where((before > 0).all(0), before.max(0), np.nan), pace * gaps[-1]
