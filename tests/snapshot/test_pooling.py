from __future__ import annotations

import numpy as np
import pytest

from lightning_weightviz.snapshot import pool_extreme, pool_mean


@pytest.mark.parametrize("shape", [(256, 256), (7, 9), (100, 1), (300, 784), (5, 5), (1, 1000)])
@pytest.mark.parametrize("limits", [(128, 128), (3, 4), (30, 5), (1, 1)])
def test_blocks_partition_the_matrix(shape: tuple[int, int], limits: tuple[int, int]) -> None:
    values = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    height, width = (min(length, limit) for length, limit in zip(shape, limits, strict=True))
    rows, columns = np.arange(shape[0]) * height // shape[0], np.arange(shape[1]) * width // shape[1]
    means, extremes = pool_mean(values, *limits), pool_extreme(values, *limits)
    assert means.shape == extremes.shape == (height, width)
    for row in range(0, height, 7):
        for column in range(0, width, 5):
            block = values[rows == row][:, columns == column].astype(np.float64)
            assert means[row, column] == pytest.approx(block.mean(axis=0).mean(), rel=1e-5, abs=1e-6)
            assert extremes[row, column] == block.flat[np.abs(block).argmax()]


def test_what_is_not_finite_stays_in_its_block() -> None:
    values = np.zeros((9, 9), np.float32)
    values[0, 0], values[4, 4], values[8, 8] = np.nan, np.inf, -np.inf
    values[4, 5] = np.inf
    means = pool_mean(values, 4, 4)
    assert np.isnan(means[0, 0]) and means[3, 3] == -np.inf
    assert np.isinf(means[1:3, 1:3]).sum() == np.isinf(means).sum() - 1
    assert np.isfinite(means).sum() == 16 - 1 - np.isinf(means).sum()
