"""Losses and accuracies over time: bounded, thinned like all curves, and kept in a checkpoint."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from lightning_weightviz.memory import History
from lightning_weightviz.memory.curves import MAX_POINTS
from lightning_weightviz.memory.metrics import MOST
from lightning_weightviz.run.checkpoint import to_arrays, to_tensors
from lightning_weightviz.snapshot import Snapshot, TrainingFacts
from tests.memory.test_history import snapshot


def logged(ordinal: int, **metrics: float) -> Snapshot:
    return replace(snapshot(ordinal, np.ones((2, 2))), training=TrainingFacts(metrics=metrics))


def test_they_have_a_value_where_one_was_logged_and_nan_elsewhere() -> None:
    history = History()
    shots = [logged(0), logged(1, loss=2.0), logged(2, loss=1.0, val_acc=0.5, lr=0.1), logged(3, val_acc=math.inf)]
    for shot in shots:
        memory = history.remember(shot)
    assert memory.metrics.keys() == {"loss", "val_acc"}
    np.testing.assert_array_equal(memory.metrics["loss"], [np.nan, 2, 1, np.nan])
    np.testing.assert_array_equal(memory.metrics["val_acc"], [np.nan, np.nan, 0.5, np.inf])


def test_a_long_training_with_many_losses_keeps_few_points_of_few() -> None:
    history, again = History(), History()
    for ordinal in range(500):
        memory = history.remember(logged(ordinal, **{f"loss_{index}": float(ordinal) for index in range(40)}))
    assert len(memory.metrics) == MOST
    assert all(len(values) == len(memory.epochs) <= MAX_POINTS + 1 for values in memory.metrics.values())
    np.testing.assert_array_equal(memory.metrics["loss_0"], memory.epochs)
    again.load_state_dict(to_arrays(to_tensors(history.state_dict())))
    expected, found = (one.remember(logged(500, loss_0=7.0)).metrics for one in (history, again))
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values)


def test_one_beyond_float32_is_an_infinity() -> None:
    assert History().remember(logged(0, loss=1e300)).metrics["loss"].tolist() == [math.inf]


def test_a_metric_that_is_logged_no_more_is_forgotten_in_time() -> None:
    history = History()
    history.remember(logged(0))
    history.remember(logged(1, loss=1.0))
    for ordinal in range(2, 200):
        memory = history.remember(logged(ordinal))
    assert not memory.metrics
