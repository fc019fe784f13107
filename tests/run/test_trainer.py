"""What is read of a Hugging Face Trainer's state."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from lightning_weightviz.run.trainer import facts


@pytest.mark.parametrize(
    ("epochs", "steps", "of_an_epoch"), [(3, 135, 45), (1, 7, 7), (2.5, 113, None), (3, 100, None), (0, 0, None)]
)
def test_steps_of_an_epoch_are_known_where_all_are_whole(epochs: float, steps: int, of_an_epoch: int | None) -> None:
    state = SimpleNamespace(log_history=[], num_train_epochs=epochs, max_steps=steps)
    assert facts([], state)[3] == of_an_epoch


def test_metrics_of_the_newest_entries_are_put_together() -> None:
    entries = [{"old": 1.0}, {"loss": 3.0}, {"loss": 2.0, "step": 7}, {"eval_loss": 2.5}, {"eval_accuracy": 0.5}]
    found = facts([], SimpleNamespace(log_history=entries, num_train_epochs=1, max_steps=7))[1]
    assert found == {"loss": 2.0, "step": 7, "eval_loss": 2.5, "eval_accuracy": 0.5}
