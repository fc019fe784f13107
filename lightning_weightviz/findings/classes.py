"""Classes that the head shows to be mixed up, missing, far more frequent than others, or fed in order."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lightning_weightviz.findings import Bound, Evidence, Limits, Sign, rule
from lightning_weightviz.findings.support.evidence import Floats, median
from lightning_weightviz.findings.support.words import share, short
from lightning_weightviz.memory import statistics_key
from lightning_weightviz.snapshot import ClassRows

FEWEST, FEWEST_IN_ORDER = 4, 6
"""Classes that there must be to compare one with the others, and to see an order in them."""
SNAPSHOTS = 3


def _heads(evidence: Evidence, least: int = FEWEST) -> Iterator[tuple[int, ClassRows]]:
    """Heads of one answer among so many classes; what answers each by itself has no others to be compared with."""
    for place, head in enumerate(evidence.snapshot.heads):
        if len(head.class_names) >= least and not (head.single or head.multi_label):
            yield place, head


def _bias_moved(evidence: Evidence, head: ClassRows) -> Floats:
    """(t, C): by how much each class's bias has moved since the start; NaN where there is none."""
    known = evidence.past.classes[head.name][1][:, 1].astype(np.float64)
    return np.asarray(known - known[0])


@rule(
    "classes_alike",
    what="The rows of two classes point the same way, and no other two nearly as much.",
    bounds={
        "cosine": Bound(0.4, 0.35, "cosine of the two rows, centred over the classes"),
        "lead": Bound(0.3, 0.2, "by which it exceeds the cosine of the next pair"),
    },
    source="Our own runs: in healthy heads the closest pair leads the next by 0.25 at no more than three snapshots.",
    cause="The labels of the two are mixed up, or they are one class under two names.",
    advice="Look at examples of both with their labels; see the view of cosines.",
    false_alarms=(
        "Two classes that really look alike, such as two breeds.",
        "Fewer than four classes, and several answers at once: both are left alone.",
    ),
    patience=4,
    per_unit=True,
)
def classes_alike(evidence: Evidence, limits: Limits) -> Iterator[Sign]:
    """Labels that are mixed up."""
    for place, head in _heads(evidence):
        pairs = evidence.pairs[place] if place < len(evidence.pairs) else None
        if pairs is None or len(pairs.closest) < 2:
            continue
        (one, other, cosine), (*_, next_cosine) = pairs.closest[:2]
        if cosine > limits["cosine"] and cosine - next_cosine > limits["lead"]:
            names = f"{head.class_names[one]}, {head.class_names[other]}"
            alike = f"the classes {names} of {head.name} are alike: the cosine of their rows is {short(cosine)}"
            yield Sign(head.name, f"{alike}, that of the next pair {short(next_cosine)}", names)


@rule(
    "missing_class",
    what="The row of a class has stopped turning while others turn; its norm is below 85 % of the median, and its bias "
    "has sunk the most.",
    bounds={"turn": Bound(0.1, 0.2, "turn at the last three snapshots as a share of the median class's")},
    source="Our own runs: mostly below 0.05 for a class without examples, at least 0.2 in healthy heads.",
    cause="There is no example of the class: all that training tells its row is to answer no.",
    advice="Count the labels; look at how the data were split, filtered and sampled.",
    false_alarms=(
        "A class that is learned at once is long, and its bias is not the one that sank most.",
        "Fewer than four classes, and several answers at once: both are left alone.",
    ),
    per_unit=True,
)
def missing_class(evidence: Evidence, limits: Limits) -> Iterator[Sign]:
    """Classes without examples."""
    for _, head in _heads(evidence):
        turns = evidence.past.turns.get(statistics_key("weights", head.name), (np.zeros(0), np.zeros((0, 0, 2))))[1]
        if len(turns) < SNAPSHOTS or turns.shape[1] != len(head.class_names):
            continue
        recent = turns[-SNAPSHOTS:, :, 0].mean(0)
        least = int(np.argmin(recent))
        if not recent[least] < limits["turn"] * median(recent):
            continue
        length, moved = median(head.norms), _bias_moved(evidence, head)[-1]
        sank = bool(np.isnan(moved).all() or np.argmin(moved) == least)
        if head.norms[least] < 0.85 * length and sank:
            name = head.class_names[least]
            part = share(float(head.norms[least] / length))
            still = f"the class {name} of {head.name} is not learned: its row has stopped turning"
            yield Sign(head.name, f"{still} while the others turn, and its norm is {part} of the median", name)


@rule(
    "class_apart",
    what="At the first two snapshots after the start the bias of one class has risen far, and those of all others have "
    "sunk.",
    bounds={"spreads": Bound(3.5, 3.0, "distance from the median, in robust standard deviations of the others")},
    source="At the start the gradient of a bias is how often its class is predicted, less how often it comes. Our own "
    "runs: a class 50 times as frequent is 4 to 26 spreads away; in every healthy head two or more biases rise.",
    cause="One class is far more frequent than the others.",
    advice="Count the labels; weigh the loss or the sampler by class, or see to it that this is what you want.",
    false_alarms=(
        "Classes that are as uneven where the model will be used.",
        "Few steps before the first snapshot.",
        "Fewer than six classes, and several answers at once: both are left alone.",
    ),
    patience=1,
    warmup=2,
    lasts=False,
    per_unit=True,
)
def class_apart(evidence: Evidence, limits: Limits) -> Iterator[Sign]:
    """A class that is far more frequent."""
    for _, head in _heads(evidence, FEWEST_IN_ORDER):
        ordinals = [time.ordinal for time in evidence.past.classes[head.name][0]]
        moves = _bias_moved(evidence, head)
        if [one - ordinals[0] for one in ordinals[1:3]] != [1, 2] or not np.isfinite(moves[1:3]).all():
            continue
        (first, distance), (second, later) = (_farthest_up(moved) for moved in moves[1:3])
        alone = bool(((moves[1:3] > 0).sum(1) == 1).all())
        if alone and first == second and min(distance, later) > limits["spreads"]:
            name = head.class_names[first]
            far = f"the bias of the class {name} of {head.name} rose at once by {short(distance)} times the spread"
            yield Sign(head.name, f"{far} of the other classes' biases: it is far more frequent than they are", name, 1)


def _farthest_up(moved: Floats) -> tuple[int, float]:
    """The class whose bias has moved up the most, and how far from the median, in spreads of the others."""
    away = moved - np.median(moved)
    most = int(np.argmax(away))
    spread = 1.4826 * float(np.median(np.abs(np.delete(away, most))))
    return most, float(away[most]) / spread if spread > 0 else 0.0


@rule(
    "sorted_classes",
    what="The rows of neighbouring classes are alike, and biases rise or fall along the classes: their order shows, as "
    "it should not.",
    bounds={
        "neighbours": Bound(1.0, 0.8, "mean cosine of neighbours above that of all pairs, in standard errors"),
        "order": Bound(0.85, 0.8, "rank correlation of the class's number with the way of its bias, at two snapshots"),
    },
    source="Our own runs: sorted data reach 1.2 to 2.8 and at least 0.87, healthy heads 0.75.",
    cause="The data come class after class: they are sorted and not shuffled.",
    advice="`DataLoader(shuffle=True)`, or shuffle the files.",
    false_alarms=(
        "Classes in an order that means something, such as ages.",
        "Fewer than six classes, and several answers at once: both are left alone.",
    ),
    patience=2,
    warmup=3,
)
def sorted_classes(evidence: Evidence, limits: Limits) -> Iterator[Sign]:
    """Data that are fed class by class."""
    for place, head in _heads(evidence, FEWEST_IN_ORDER):
        pairs = evidence.pairs[place] if place < len(evidence.pairs) else None
        count = len(head.class_names)
        if pairs is None or pairs.cosine.shape[0] != count or not pairs.cosine_spread > 0:
            continue
        below = np.tril(pairs.cosine, -1)
        excess = float(np.diagonal(below, -1).mean() - 2 * below.sum() / (count * (count - 1)))
        neighbours = excess / pairs.cosine_spread * float(np.sqrt(count - 1))
        if not neighbours > limits["neighbours"]:
            continue
        moves = _bias_moved(evidence, head)[1:]
        orders = np.sort(np.abs(_rank_correlations(moves[np.isfinite(moves).all(1)])))
        if len(orders) > 1 and orders[-2] > limits["order"]:
            alike = f"neighbouring classes of {head.name} are alike, their cosine is {short(excess)} above the mean"
            yield Sign(head.name, f"{alike}, and biases follow the order of the classes")


def _rank_correlations(values: Floats) -> Floats:
    """Spearman's of each row with the places of its values, (t,); 0 where all are one."""
    order = np.arange(values.shape[1]) - (values.shape[1] - 1) / 2
    # Ranks are the same numbers in another order, so that both have one spread.
    ranks = np.argsort(np.argsort(values, axis=1), axis=1) - (values.shape[1] - 1) / 2
    return np.where(np.ptp(values, axis=1) > 0, ranks @ order / (order @ order), 0.0)
