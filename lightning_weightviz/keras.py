"""The callback for Keras 3: what `WeightVisualizer` does, inside ``model.fit``, with any backend."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import keras

from lightning_weightviz.host import Host, HostSettings, hook, with_arguments_of
from lightning_weightviz.model.keras_model import is_built, mirror_of_model
from lightning_weightviz.settings import DEFAULT_STATISTICS
from lightning_weightviz.sinks.support.hosts import as_loggers
from lightning_weightviz.training import Training
from lightning_weightviz.visualizer import WeightVisualizer


class WeightVisualizationCallback(Host, keras.callbacks.Callback):  # type: ignore[misc]  # Keras has no types
    """Shows how a network's weights evolve during ``model.fit(callbacks=[…])``.

    It logs what the callback for Lightning logs, under the same tags, with Keras' names of the weights. Its steps are
    those of Keras' own scalars: the epochs from 0, as of ``epoch_loss``, with the snapshot before the first at -1.
    Where `every_n_train_steps` is given, the batches of this fit, as of ``batch_loss``, at the end of epochs too.

    Args:
        layers: As of `lightning_weightviz.WeightVisualizationCallback`.
        loggers: A ``SummaryWriter``, a ``wandb.Run``, or a list of such. None: files in `folder`.
        folder: For what no logger takes, in ``weightviz/``: a path or a URL. None: the working directory.
        **arguments: The others of `lightning_weightviz.WeightVisualizationCallback`. `targets` may be ``"weights"`` and
            ``"updates"``, and `statistics` all but ``"update_ratio"``: Keras shows neither gradients nor single steps.

    Raises:
        TypeError: An argument has the wrong type.
        ValueError: An argument has a value that is not allowed; in fit, if `class_names` or `head` do not fit.
        WeightAlert: With ``on_alert="raise"``, in fit.

    Example:
        >>> callback = WeightVisualizationCallback(layers="dense*", folder="runs/first", every_n_epochs=5)
    """

    @with_arguments_of(HostSettings)
    def __init__(self, layers: Any = None, **arguments: Any) -> None:
        super().__init__()
        self._prepare(_checked(layers, arguments))
        self._past: tuple[Any, WeightVisualizer] | None = None

    @hook
    def on_train_begin(self, logs: Any = None) -> None:
        """Begins to count; what an interrupted fit has left is written."""
        self.finish()
        self._waits = True
        self._epoch = self._batch = self._steps = self._steps_before = 0
        self._last = (0, 0)

    @hook
    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Takes the snapshot before the first step."""
        self._epoch, self._steps_before = epoch, self._steps
        self._start_if(is_built(self._model))

    # At the beginning, as JAX waits for every batch where a callback asks for its end.
    @hook
    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Takes a snapshot where one is due by steps; writes what has been drawn meanwhile."""
        self._batch = batch
        self._reach(self._steps_before + batch)

    @hook
    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Takes a snapshot if one is due."""
        seen = self._batch + int(getattr(self._model, "steps_per_execution", 1) or 1)
        self._reach(self._steps_before + min(seen, self.params.get("steps") or seen), ends_epoch=True)

    @hook
    def on_train_end(self, logs: Any = None) -> None:
        """Draws the views over time up to the last snapshot, and writes everything."""
        if self._training is not None:
            self._training.end(*self._last)
        self.finish()

    def __getstate__(self) -> dict[str, Any]:
        """A copy knows neither the model nor its past."""
        return {**super().__getstate__(), "_model": None, "_past": None}

    def _reach(self, steps: int, *, ends_epoch: bool = False) -> None:
        """So many batches of this fit have ended."""
        before, self._steps = self._steps, steps
        if steps > before:
            self._start_if(ends_epoch or is_built(self._model))
        if self._training is None:
            return
        schedule, epochs = self._training.schedule, self._epoch + ends_epoch
        self._last = (steps if self._by_steps else self._epoch, epochs)
        if schedule.is_step_due(before, steps) or (ends_epoch and schedule.is_epoch_due(epochs)):
            self._training.take(*self._last)
        else:
            self._training.collect()

    @property
    def _by_steps(self) -> bool:
        return self._settings.every_n_train_steps is not None

    def _start_if(self, ready: bool) -> None:
        """Looks at the model for the first time in this fit."""
        if not (ready and self._waits):
            return
        self._waits = False
        model, settings = self.model, self._settings
        mirrored = mirror_of_model(model, settings.choice.input_shape)
        visualizer = WeightVisualizer(
            mirrored.module,
            as_loggers(settings.loggers, "batch/batch_step" if self._by_steps else "epoch/epoch"),
            folder=settings.folder or ".",
            settings=replace(settings, input_shape=mirrored.input_shape),
            trace=mirrored.trace,
        )
        # A further fit of the same model goes on.
        past = self._past[1].state_dict() if self._past is not None and self._past[0] is model else None
        if past is not None:
            visualizer.load_state_dict(past)
        self._past = model, visualizer
        initial = settings.log_initial and past is None and self._epoch == self._steps == 0
        training = self._begin(Training(visualizer, initial=initial, refresh=mirrored.refresh))
        training.take_initial(0 if self._by_steps else -1)


def _checked(layers: Any, arguments: dict[str, Any]) -> HostSettings:
    """Settings without what ``fit`` does not show."""
    usual = {"statistics": tuple(name for name in DEFAULT_STATISTICS if name != "update_ratio")}
    settings = HostSettings(layers, **{**usual, **arguments})
    if "gradients" in settings.targets:
        raise ValueError(
            f"targets must be 'weights' or 'updates', as Keras shows no gradients, got {settings.targets!r}"
        )
    if "update_ratio" in settings.statistics:
        raise ValueError(
            f"statistics must not hold 'update_ratio', as Keras shows no single steps, got {settings.statistics!r}"
        )
    return settings
