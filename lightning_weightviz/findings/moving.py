"""Weights that do not move though others do, or though they are trained."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lightning_weightviz.findings import Bound, Evidence, Limits, Sign, rule
from lightning_weightviz.findings.support.evidence import Flags, Floats, median, quantile
from lightning_weightviz.findings.support.words import share

_HALVES = {"float16": 2.0**-11, "bfloat16": 2.0**-8}
"""Half of a unit in the last place, relative to the value, of types whose steps can be too small."""

BRISK = 0.75
"""Quantile of the matrices that are taken for the brisk ones."""


@rule(
    "not_moving",
    what="A matrix that is trained hardly changes from snapshot to snapshot, while others do, even relative to their "
    "learning rates.",
    bounds={"share": Bound(1e-3, 1e-2, "change as a share of that of brisk matrices, their upper quartile")},
    source="Our own runs: the slowest layers of healthy networks change by 1/15 of the fastest.",
    cause="No gradient reaches it: it is detached or under `no_grad`, its output is not used, or the gradients vanish "
    "on the way to it.",
    advice='Look at its gradients (`targets=("gradients",)`), for `detach()` and `no_grad()` after it, and for '
    "activations that saturate.",
    false_alarms=(
        "Frozen on purpose: `requires_grad=False`, or a group whose learning rate was 0 all along, is left alone.",
        "A group with a learning rate of its own: changes are compared relative to the rates too, within one kind of "
        "optimizer.",
        "Matrices that hardly change next to those of another kind of optimizer: they are compared with one another.",
        "Embeddings, of which rows may go unused, norms and biases are left alone.",
    ),
)
def not_moving(evidence: Evidence, limits: Limits) -> Iterator[Sign]:
    """Matrices that stay while others move."""
    change, judged = evidence.curve("relative_change"), evidence.judged
    if len(change) < 2 or judged.sum() < 2:
        return
    usual = _brisk(change, judged)
    still = change <= limits["share"] * usual[:, None]
    rates = evidence.curve("lr")
    for members in _kinds(evidence):
        if members.sum() > 1:
            with np.errstate(divide="ignore", invalid="ignore"):
                scaled = np.where(rates > 0, change / rates, change)
            still &= ~members | (scaled <= limits["share"] * _brisk(scaled, members)[:, None])
    for index in np.flatnonzero((usual[-1] > 0) & still[-1] & judged & _trained_now(evidence)):
        since, name = _since(still[:, index]), evidence.names[index]
        others = judged.copy()
        others[index] = False
        rest = share(float(quantile(change[-1][others], BRISK)))
        message = f"{name} has hardly changed since {evidence.when(since)}, others change by {rest} a snapshot"
        yield Sign(name, message, since=since)


def _brisk(change: Floats, members: Flags) -> Floats:
    """(T,): by how much the brisk ones of two members or more change, the slowest left aside: it is looked at."""
    count = int(members.sum())
    return quantile(change[:, members], (1 + BRISK * (count - 2)) / (count - 1), 1)


def _kinds(evidence: Evidence) -> Iterator[Flags]:
    """(P,): which of `judged` each kind of optimizer trains at a known rate; of others' rates a change is no share."""
    groups = [evidence.group(name) for name in evidence.names]
    kinds = np.array(["" if one is None else one.optimizer for one in groups])
    known = evidence.judged & (evidence.curve("lr")[-1] > 0)
    for kind in sorted(set(kinds[known])):
        yield known & (kinds == kind)


def _trained_now(evidence: Evidence) -> Flags:
    """(P,): whose learning rate is above 0, or not known."""
    return np.asarray(~(evidence.curve("lr")[-1] == 0))


def _since(still: Flags) -> int:
    """Place of the snapshot before the first of those, up to now, at all of which it was still."""
    moved = np.flatnonzero(~still[1:])
    return int(moved[-1]) + 1 if moved.size else 0


@rule(
    "all_stopped",
    severity="error",
    what="No matrix that is trained changes any more, before the training's last tenth.",
    bounds={"share": Bound(1e-4, 1e-3, "change of the whole model as a share of its median so far")},
    source="Nothing is learned by weights that stay as they are.",
    cause="The schedule ended before the training did, or decays at each step what was meant for an epoch; all units "
    "of a layer are dead; or the loss no longer depends on the weights.",
    advice="Look at the learning rate over time, at the scheduler's length and at its `interval`; stop earlier.",
    false_alarms=(
        "The last epochs of a schedule that ends with the training.",
        "A warm-up that starts at 0: weights that have not moved yet are left alone until the rate is above 0.",
    ),
)
def all_stopped(evidence: Evidence, limits: Limits) -> Iterator[Sign]:
    """A model that stands still."""
    change = np.where(evidence.judged, evidence.curve("relative_change"), np.nan)[1:]
    if not evidence.judged.any() or not evidence.finite.all() or not np.isfinite(change).any():
        return
    largest = np.nanmax(np.where(np.isfinite(change), change, -1.0), axis=1)
    # Both, as a short gap leaves little time to change, and weights that wander get no further in a long one.
    slow = _is_below(limits["share"], largest / evidence.gaps[1:]) | np.isnan(evidence.gaps[1:])
    still = np.append(False, _is_below(limits["share"], largest) & slow)
    if not still[-1] or _is_near_the_end(evidence):
        return
    since = _since(still)
    left = _left(evidence, since)
    rates = [group.lr for group in (evidence.snapshot.training.optimizers or {}).values()]
    rate = f"; the learning rate is {max(rates):.2g}" if rates else ""
    yield Sign("", f"no matrix has changed since {evidence.when(since)}{left}{rate}", since=since)


def _is_below(part: float, values: Floats) -> Flags:
    """(T,): which are at most a part of the median of those above 0."""
    usual = float(median(values[values > 0])) if (values > 0).any() else 0.0
    return np.asarray(values <= part * usual)


def _is_near_the_end(evidence: Evidence) -> bool:
    snapshot, training = evidence.snapshot, evidence.snapshot.training
    by_epochs = training.last_epoch is not None and snapshot.epoch > 0.9 * training.last_epoch
    return by_epochs or (training.last_step is not None and snapshot.step > 0.9 * training.last_step)


def _left(evidence: Evidence, since: int) -> str:
    """How long before the end that was, in words; empty where it is not known what ends the training."""
    training = evidence.snapshot.training
    epochs, steps = training.last_epoch, training.last_step
    if epochs is not None and steps is not None and training.steps_per_epoch is None:
        return ""
    if epochs is not None and evidence.counts_epochs:
        return f", {epochs - evidence.epochs[since]} epochs before the end"
    return "" if steps is None else f", {steps - evidence.past.times[since].step} steps before the end"


@rule(
    "in_no_optimizer",
    what="A matrix requires a gradient and stands still, but no optimizer has it.",
    source="What is in no optimizer is not trained.",
    cause="The layer was made after the optimizer, or is not among the parameters that the optimizer was given.",
    advice="Give it to an optimizer in `configure_optimizers`, or freeze it by `requires_grad_(False)`.",
    false_alarms=(
        "Fine-tuning that gives the optimizer the head alone: where most matrices are in no optimizer, it is a note.",
        "A teacher, or another separate network of several layers, none of which is in an optimizer: a note too.",
        "A moving average of the weights, which is in no optimizer and moves, is left alone.",
    ),
    patience=1,
    warmup=1,
)
def in_no_optimizer(evidence: Evidence, limits: Limits) -> Iterator[Sign]:
    """Matrices that nothing trains."""
    trainable = np.array([one.trainable for one in evidence.parameters], bool) & evidence.matrices
    missing = trainable & ~evidence.in_optimizer
    most = 2 * missing.sum() >= trainable.sum()
    for index in np.flatnonzero(missing & (evidence.curve("relative_change")[-1] == 0)):
        name = evidence.names[index]
        part = trainable & np.array([other.split(".")[0] == name.split(".")[0] for other in evidence.names], bool)
        own = part.sum() > 1 and bool((missing | ~part).all())
        yield Sign(name, f"{name} requires a gradient but is in no optimizer", severity="note" if most or own else None)


@rule(
    "swallowed",
    what="A matrix in half precision is trained, and its steps are so small that rounding swallows nearly all of them.",
    bounds={"share": Bound(0.1, 0.2, "size of a step as a share of half a unit in the last place")},
    source="IEEE 754: what is added is lost where it is below half of a unit in the last place, 2^-8 of a weight in "
    "bfloat16, 2^-11 in float16.",
    cause="The weights themselves are in half precision, and the learning rate is too small for it.",
    advice='Keep the weights in float32 and compute in half precision: `precision="bf16-mixed"`, not `"bf16-true"`.',
    false_alarms=(
        "Weights in float32, in mixed precision too, are left alone.",
        "Copies in float32 of which the weights are the rounding, and sums of what was rounded off: nothing is lost. "
        "Silent where the copies are the optimizer's parameters; what an optimizer keeps inside is not seen.",
    ),
)
def swallowed(evidence: Evidence, limits: Limits) -> Iterator[Sign]:
    """Steps that rounding loses."""
    if evidence.snapshot.training.steps_copies:
        return
    ratios, change = evidence.curve("update_ratio")[-1], evidence.curve("relative_change")[-1]
    for index in np.flatnonzero(evidence.judged & _trained_now(evidence)):
        half = _HALVES.get(evidence.parameters[index].dtype)
        step = ratios[index] if np.isfinite(ratios[index]) else change[index]
        if half is not None and step < limits["share"] * half:
            name = evidence.names[index]
            kind = evidence.parameters[index].dtype
            yield Sign(name, f"{name} is in {kind}, whose rounding swallows its steps: they change it by {share(step)}")
