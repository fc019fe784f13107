"""What is read of a Hugging Face Trainer's state."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from lightning_weightviz.run.trainer import facts


@pytest.mark.parametrize(
    ("asked", "max_steps", "epochs", "steps", "lengths"),
    [
        (3, -1, 3, 135, (3, 45, 135)),
        (1, -1, 1, 7, (1, 7, 7)),
        # Of an epoch that is cut short, whose steps may be a multiple of the epochs begun.
        (2.5, -1, 3, 113, (None, None, 113)),
        (2.4, -1, 3, 108, (None, None, 108)),
        # The Trainer makes epochs of the steps.
        (3, 300, 2, 300, (None, None, 300)),
        (3, 300, sys.maxsize, 300, (None, None, 300)),
        (3, -1, 0, 0, (None, None, None)),
    ],
)
def test_the_end_is_told_in_epochs_where_whole_epochs_end_the_training(
    asked: float, max_steps: int, epochs: int, steps: int, lengths: tuple[int | None, ...]
) -> None:
    args = SimpleNamespace(num_train_epochs=asked, max_steps=max_steps)
    state = SimpleNamespace(log_history=[], num_train_epochs=epochs, max_steps=steps)
    assert facts([], args, state)[2:] == lengths


def test_metrics_of_the_newest_entries_are_put_together() -> None:
    entries = [{"old": 1.0}, {"loss": 3.0}, {"loss": 2.0, "step": 7}, {"eval_loss": 2.5}, {"eval_accuracy": 0.5}]
    state = SimpleNamespace(log_history=entries, num_train_epochs=1, max_steps=7)
    found = facts([], SimpleNamespace(num_train_epochs=1, max_steps=-1), state)[1]
    assert found == {"loss": 2.0, "step": 7, "eval_loss": 2.5, "eval_accuracy": 0.5}
