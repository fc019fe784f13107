from __future__ import annotations

import numpy as np

from lightning_weightviz.draw.dead import dead_filters, dead_norms


def test_dead_rows_are_told_by_the_median() -> None:
    norms = np.array([[1, 1], [1e-7, 1e-7], [2e-6, 3], [0, 2]], np.float32)
    assert dead_norms(norms).tolist() == [False, True, False, True]


def test_a_row_whose_norm_is_not_known_is_not_dead_and_leaves_the_others_as_they_are() -> None:
    nan = np.nan
    norms = np.array([[1, 1], [nan, nan], [0, 0], [nan, nan], [2, 3]], np.float32)
    assert dead_norms(norms).tolist() == [False, False, True, False, False]
    assert not dead_norms(np.full((3, 2), nan, np.float32)).any()


def test_filters() -> None:
    filters = np.random.default_rng(0).standard_normal((5, 1, 3, 3)).astype(np.float32)
    filters[1], filters[2], filters[3, 0, 0, 0] = 0, np.nan, np.inf
    assert dead_filters(filters).tolist() == [False, True, False, False, False]
    assert not dead_filters(np.zeros((1, 1, 3, 3), np.float32)).any()
