"""Classes that are mixed up, missing, too frequent or in order; directions that are noise, or all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from lightning_weightviz.snapshot import ClassPairs, ClassRows, Parameter
from tests.findings.runs import SNAPSHOTS, Made, matrix, picture

NAMES = tuple("0123456789")
WIDTH = 32


def head(
    norms: Sequence[float] | None = None, bias: npt.ArrayLike | None = None, names: Sequence[str] = NAMES, **fields: Any
) -> ClassRows:
    rows = picture(np.ones((len(names), WIDTH)))
    lengths = np.ones(len(names)) if norms is None else np.asarray(norms, np.float64)
    biases = None if bias is None else np.asarray(bias, np.float64)
    return ClassRows("head.weight", tuple(names), WIDTH, rows, lengths, biases, **fields)


def pairs(cosine: npt.NDArray[np.float64]) -> ClassPairs:
    """Of a matrix of cosines."""
    count = len(cosine)
    places = sorted(
        ((i, j, float(cosine[i, j])) for i in range(count) for j in range(i)), key=lambda one: one[2], reverse=True
    )
    off = cosine[~np.eye(count, dtype=bool)]
    shown = cosine.astype(np.float32)
    np.fill_diagonal(shown, np.nan)
    return ClassPairs(shown, tuple((j, i, c) for i, j, c in places[:5]), float(off.std()), 0.1)


def usual_cosines(seed: int = 0, count: int = len(NAMES)) -> npt.NDArray[np.float64]:
    """As in a healthy head: around −1/(C−1), symmetric, at most 0.2."""
    cosine = np.clip(np.random.default_rng(seed).normal(-0.11, 0.12, (count, count)), -0.4, 0.2)
    return np.asarray((cosine + cosine.T) / 2)


def made(heads: Sequence[ClassRows], cosines: Sequence[npt.NDArray[np.float64]] = ()) -> Made:
    run = Made([matrix("a"), matrix("head.weight", (len(heads[0].class_names), WIDTH), kind="head")])
    run.heads, run.pairs = list(heads), [pairs(one) for one in cosines]
    return run


def alike(cosine: float, next_cosine: float = 0.1) -> npt.NDArray[np.float64]:
    found = np.minimum(usual_cosines(), next_cosine)
    found[3, 8] = found[8, 3] = cosine
    found[1, 2] = found[2, 1] = next_cosine
    return found


def test_two_classes_that_are_alike_are_named() -> None:
    [one] = made([head()], [alike(0.6)]).all_found()
    assert (one.rule, one.parameter, one.unit) == ("classes_alike", "head.weight", "3, 8")
    assert one.message == (
        "the classes 3, 8 of head.weight are alike: the cosine of their rows is 0.6, that of the next pair 0.1"
    )


def test_pairs_that_are_a_little_alike_or_one_of_many_are_left_alone() -> None:
    assert made([head()], [alike(0.39)]).all_found() == []
    assert made([head()], [alike(0.6, 0.4)]).all_found() == []
    assert made([head(multi_label=True)], [alike(0.6)]).all_found() == []
    assert made([head(names="abc")], [usual_cosines(count=3) * 0 + 0.9]).all_found() == []


def turning(still: Sequence[int], count: int = len(NAMES)) -> list[Any]:
    """Pictures of a head whose rows `still` stop turning after the fourth snapshot."""
    rng = np.random.default_rng(0)
    cells = rng.standard_normal((count, WIDTH))
    found = []
    for ordinal in range(SNAPSHOTS):
        moved = 0.1 * rng.standard_normal(cells.shape)
        moved[list(still) if ordinal > 4 else []] *= 0.01
        cells = cells + moved
        found.append(picture(cells))
    return found


SHORT = [1.0] * 7 + [0.65] + [1.0] * 2
SUNK = [[0.0] * 10, [*np.linspace(-0.03, 0.03, 7), -0.1, 0.01, 0.0]]


def test_a_class_without_examples_is_named() -> None:
    run = made([head(bias=SUNK[0]), head(SHORT, SUNK[1])])
    run.pictures["head.weight"] = turning([7])
    [one] = run.all_found()
    assert (one.rule, one.unit) == ("missing_class", "7")
    assert "the class 7 of head.weight is not learned" in one.message and "65 % of the median" in one.message


@pytest.mark.parametrize(
    ("norms", "bias", "still"),
    [(None, SUNK[1], [7]), (SHORT, [-0.2, *SUNK[1][1:]], [7]), (SHORT, SUNK[1], [])],
    ids=["it is as long as the others", "another bias sank more", "it turns"],
)
def test_a_class_that_is_learned_early_is_left_alone(norms: Any, bias: Any, still: list[int]) -> None:
    run = made([head(bias=SUNK[0]), head(norms, bias)])
    run.pictures["head.weight"] = turning(still)
    assert run.all_found() == []


def moved(first: float) -> list[float]:
    """Biases of which that of class 1 has moved up, and all others a little down."""
    return [-0.010, first, -0.011, -0.009, -0.012, -0.008, -0.0105, -0.0095, -0.0115, -0.0085]


def test_a_class_that_is_far_more_frequent_is_named_at_the_second_snapshot() -> None:
    judged = made([head(bias=np.zeros(10)), head(bias=moved(0.08))]).judge()
    [one] = judged[2].begun
    assert (one.rule, one.unit, one.epoch) == ("class_apart", "1", 1)
    assert "more frequent" in one.message


def test_biases_that_rise_a_little_or_with_others_are_left_alone() -> None:
    assert made([head(bias=np.zeros(10)), head(bias=moved(-0.001))]).all_found() == []
    also = moved(0.08)
    also[4] = 0.01
    assert made([head(bias=np.zeros(10)), head(bias=also)]).all_found() == []
    assert made([head()]).all_found() == []


def in_order(strength: float) -> npt.NDArray[np.float64]:
    """Neighbours alike: the nearer two classes, the larger their cosine."""
    apart = np.abs(np.subtract.outer(np.arange(10), np.arange(10)))
    return np.asarray(usual_cosines() * 0.5 + strength * np.exp(-apart.astype(float)))


def test_classes_that_were_fed_in_order() -> None:
    rising = [0.01, 0.02, 0.04, 0.03, 0.05, 0.06, 0.07, 0.09, 0.08, 0.1]
    [one] = made([head(bias=np.zeros(10)), head(bias=rising)], [in_order(0.5)]).all_found()
    assert (one.rule, one.parameter) == ("sorted_classes", "head.weight")


def test_an_order_in_one_of_the_two_alone_is_chance() -> None:
    rising = list(np.linspace(0.01, 0.1, 10))
    mixed = [0.05, 0.02, 0.09, 0.01, 0.08, 0.03, 0.1, 0.04, 0.07, 0.06]
    assert made([head(bias=np.zeros(10)), head(bias=mixed)], [in_order(0.5)]).all_found() == []
    assert made([head(bias=np.zeros(10)), head(bias=rising)], [usual_cosines(1)]).all_found() == []
    assert made([head(bias=np.zeros(10)), head(bias=rising, multi_label=True)], [in_order(0.5)]).all_found() == []


def noisy(edge: float) -> float:
    """The stable rank of a 64×64 matrix whose largest singular value is so many times the edge of the noise."""
    return 64 * 64 / (edge * 16) ** 2


def test_a_model_in_which_no_direction_has_left_the_noise_is_a_note() -> None:
    [one] = Made(3).set_all(stable_rank=noisy(0.99)).all_found()
    assert (one.rule, one.severity) == ("in_the_noise", "note")
    assert one.message == "no direction of 3 matrices has left the noise: the largest is 0.99 of its edge"
    assert Made(3).set_all(stable_rank=noisy(0.99)).set("b", stable_rank=noisy(1.2)).all_found() == []
    # The training is young.
    assert Made(3, snapshots=9).set_all(stable_rank=noisy(0.99)).all_found() == []


def test_a_matrix_that_has_come_down_to_one_direction() -> None:
    [one] = Made(3).set("b", stable_rank=[20.0, 10.0, 1.2]).all_found()
    assert (one.rule, one.parameter) == ("rank_collapse", "b")
    assert one.message == "the stable rank of b is 1.2; at the start it was 20"


def thin() -> Parameter:
    return matrix("c", (10, 64))


def test_low_ranks_of_thin_matrices_and_low_starts_are_left_alone() -> None:
    assert Made(3).set("b", stable_rank=[20.0, 10.0, 1.9]).all_found() == []
    assert Made(3).set("b", stable_rank=[4.0, 1.2]).all_found() == []
    table = Made([matrix("a"), matrix("b"), matrix("c", kind="other")])
    assert table.set("c", stable_rank=[20.0, 1.2]).all_found() == []
    assert Made([matrix("a"), matrix("b"), thin()]).set("c", stable_rank=[20.0, 1.2]).all_found() == []
