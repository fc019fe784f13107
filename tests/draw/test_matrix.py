from __future__ import annotations

import math

import numpy as np
import pytest

from lightning_weightviz.draw.matrix import cell_size, pool_norms, round_up


@pytest.mark.parametrize("rows", [1, 2, 3, 10, 64, 128, 256, 512])
@pytest.mark.parametrize("columns", [1, 2, 3, 10, 64, 128, 200, 256, 512])
def test_cells_fill_the_width_and_a_fair_height(rows: int, columns: int) -> None:
    vertical, horizontal = cell_size(rows, columns, 516)
    assert columns * horizontal <= 516 < columns * (horizontal + 1)
    assert 90 <= rows * vertical <= 520
    if 150 <= rows * horizontal <= 520 and horizontal <= 40:
        assert vertical == horizontal


@pytest.mark.parametrize("exponent", range(-300, 300, 7))
def test_round_up(exponent: int) -> None:
    for mantissa in (1.0, 1.2, 2.0, 3.7, 5.0, 6.9, 7.1, 9.99):
        value = mantissa * 10.0**exponent
        assert value * (1 - 1e-5) <= round_up(value) <= 1.67 * value


def test_round_up_of_nothing() -> None:
    assert round_up(0.0) == 1.0 and round_up(math.nan) == 1.0


def test_pooled_norms_keep_the_smallest_and_the_largest() -> None:
    norms = np.random.default_rng(0).random((100, 2)).astype(np.float32)
    norms.sort(axis=1)
    pooled = pool_norms(norms, 7)
    block = np.arange(100) * 7 // 100
    assert pooled[:, 0].tolist() == [norms[block == cell, 0].min() for cell in range(7)]
    assert pooled[:, 1].tolist() == [norms[block == cell, 1].max() for cell in range(7)]
    assert np.array_equal(pool_norms(norms, 100), norms)
