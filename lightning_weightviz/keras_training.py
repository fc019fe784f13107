"""How the callback for Keras begins to look at a model in a fit, and goes on in the next one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from lightning_weightviz.host_arguments import HostSettings
from lightning_weightviz.model.keras_model import mirror_of_model
from lightning_weightviz.run.batches import Batches
from lightning_weightviz.sinks.support.hosts import as_loggers
from lightning_weightviz.training import Training
from lightning_weightviz.visualizer import WeightVisualizer


class Fits:
    """The fits of one callback: a further one of the same model goes on where the one before ended."""

    def __init__(self) -> None:
        self._past: tuple[Any, WeightVisualizer] | None = None

    def begin(self, model: Any, settings: HostSettings, batches: Batches) -> Training:
        """A training of a Keras model that is built, with its first snapshot where one is due.

        Args:
            model: The one that is fitted.
            settings: The user's.
            batches: Where the fit is.

        Raises:
            ValueError: The model has no weights.
        """
        mirrored, by_steps = mirror_of_model(model, settings.choice.input_shape), settings.every_n_train_steps
        visualizer = WeightVisualizer(
            mirrored.module,
            as_loggers(settings.loggers, "batch/batch_step" if by_steps else "epoch/epoch"),
            folder=settings.folder or ".",
            settings=replace(settings, input_shape=mirrored.input_shape),
            trace=mirrored.trace,
        )
        before = self._past[1] if self._past is not None and self._past[0] is model else None
        if before is not None:
            visualizer.load_state_dict(before.state_dict())
            visualizer.report.continue_from(before.report)
        self._past = model, visualizer
        fresh = before is None and batches.epoch == batches.ended == 0
        training = Training(visualizer, initial=settings.log_initial and fresh, refresh=mirrored.refresh)
        training.take_initial(0 if by_steps else -1)
        return training
