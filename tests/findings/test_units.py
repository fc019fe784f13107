"""Units and channels that do not learn, one by one."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from lightning_weightviz.snapshot import Picture
from tests.findings.runs import SNAPSHOTS, Made, matrix, picture

UNITS = 16


def drawn(still: int, *, since: int = 0, shrinks: bool = False, shape: tuple[int, int] = (UNITS, 8)) -> list[Picture]:
    """Pictures of a matrix whose first `still` rows stop at snapshot `since`, or only shrink."""
    rng = np.random.default_rng(0)
    cells = rng.standard_normal(shape)
    found = []
    for ordinal in range(SNAPSHOTS):
        moved = 0.1 * rng.standard_normal(shape)
        moved[: still if ordinal > since else 0] = 0.0
        cells = cells * (0.97 if shrinks else 1.0) + moved
        found.append(picture(cells))
    return found


def made(pictures: list[Picture], **fields: Any) -> Made:
    run = Made([matrix("a"), matrix("b", pictures[0].shape, **fields)])
    run.pictures["b"] = pictures
    return run


@pytest.mark.parametrize("shrinks", [False, True])
def test_units_that_never_move_are_counted_and_named(shrinks: bool) -> None:
    [one] = made(drawn(10, shrinks=shrinks)).all_found()
    assert (one.rule, one.severity, one.parameter) == ("unmoved_units", "warning", "b")
    assert one.message == "10 of 16 units of b have not moved at the last 3 snapshots: 0, 1, 2, 3 and 6 more"
    assert one.unit == "rows 0, 1, 2, 3 and 6 more"


def test_units_that_stop_in_mid_run_are_told_of_later() -> None:
    judged = made(drawn(10, since=4)).judge()
    [place] = [place for place, one in enumerate(judged) if one.begun]
    # Still at the snapshots 5, 6 and 7, as is seen at 7, 8 and 9.
    assert place == 9


def test_up_to_half_of_the_units_is_a_note_and_few_are_nothing() -> None:
    [one] = made(drawn(7)).all_found()
    assert one.severity == "note"
    assert made(drawn(1)).all_found() == []


def test_what_stands_still_as_a_whole_is_another_rules() -> None:
    assert made(drawn(UNITS)).all_found() == []


def test_embeddings_and_frozen_matrices_may_have_units_that_stand_still() -> None:
    assert made(drawn(10), kind="embedding").all_found() == []
    # A table of positions, of which the last are not used.
    assert made(drawn(10), kind="other", module="").all_found() == []
    assert made(drawn(10), trainable=False).all_found() == []


def test_columns_that_are_units_are_counted() -> None:
    turned = [picture(one.extreme.T) for one in drawn(10)]
    [one] = made(turned, units_axis=1).all_found()
    assert one.message.startswith("10 of 16 units")
    # Of two groups each has half of the rows and eight units.
    grouped = [picture(one.extreme.reshape(2, 8, 8).swapaxes(1, 2).reshape(16, 8)) for one in drawn(10)]
    [one] = made(grouped, units_axis=1, groups=2).all_found()
    assert one.message.startswith("10 of 16 units")


def test_pooled_rows_are_not_known_singly() -> None:
    pooled = [Picture(one.extreme, one.rms, (4 * UNITS, 8), one.row_norms, one.column_norms) for one in drawn(10)]
    run = Made([matrix("a"), matrix("b", (4 * UNITS, 8))])
    run.pictures["b"] = pooled
    assert run.all_found() == []


def scales(*values: float) -> Picture:
    cells = np.array([values], np.float32)
    return Picture(
        cells, np.abs(cells), (1, len(values)), np.ones((1, 2), np.float32), np.ones((len(values), 2), np.float32)
    )


def normed(*pictures: Picture, **fields: Any) -> Made:
    name = fields.pop("name", "norm.weight")
    given = {"kind": "norm", "layout": "vector", "module": "BatchNorm2d", **fields}
    run = Made([matrix("a"), matrix(name, (pictures[0].shape[1],), **given)])
    run.pictures[name] = list(pictures)
    return run


def test_channels_whose_scale_is_0_are_counted_and_named() -> None:
    [one] = normed(scales(1, 1, 1, 1), scales(1, 0, 1, 1e-12)).all_found()
    assert (one.rule, one.parameter, one.unit) == ("dead_channels", "norm.weight", "channels 1, 3")
    assert one.message == "2 of 4 channels of norm.weight have a scale of 0: 1, 3"


def numbered(zeros: float, size: int = 16, **fields: Any) -> Made:
    """A norm without a picture, or with a pooled one, of which a share of the scales is 0."""
    name = fields.pop("name", "norm.weight")
    given = {"kind": "norm", "layout": "vector", "module": "BatchNorm2d", "pictured": False, **fields}
    return Made([matrix("a"), matrix(name, (size,), **given)]).set(name, zero_fraction=zeros)


def test_scales_without_a_picture_are_counted_and_not_named() -> None:
    [one] = numbered(12 / 16).all_found()
    assert (one.rule, one.parameter, one.unit) == ("dead_channels", "norm.weight", None)
    assert one.message == "12 of 16 channels of norm.weight have a scale of 0"
    assert numbered(3 / 16).all_found() == [] and numbered(1.0).all_found() == []
    assert numbered(12 / 16, name="norm.bias").all_found() == []
    assert numbered(12 / 16, kind="bias").all_found() == []
    # A norm over several axes has no channels in a line.
    assert numbered(math.nan).all_found() == []


def test_scales_of_a_pooled_picture_are_counted_and_not_named() -> None:
    pooled = scales(*[0.0] * 64 + [1.0] * 192)
    run = numbered(72 / 288, 288, pictured=True)
    run.pictures["norm.weight"] = [replace(pooled, shape=(1, 288))]
    [one] = run.all_found()
    assert one.message == "72 of 288 channels of norm.weight have a scale of 0"


def test_scales_that_are_small_all_0_few_or_shifts_are_left_alone() -> None:
    assert normed(scales(1, 0.01, 1, 1)).all_found() == []
    assert normed(scales(0, 0, 0, 0)).all_found() == []
    assert normed(scales(0, 1, 1, 1, 1)).all_found() == []
    for name in ("norm.bias", "norm.beta"):
        assert normed(scales(0, 0, 1, 1), name=name).all_found() == []
