"""The callback for Keras 3: what `WeightVisualizer` does, inside ``model.fit``, with any backend."""

from __future__ import annotations

from typing import Any

import keras

from lightning_weightviz.host import Host, hook
from lightning_weightviz.host_arguments import KerasSettings, with_arguments_of
from lightning_weightviz.keras_training import Fits
from lightning_weightviz.model.keras_model import is_built
from lightning_weightviz.run.batches import Batches


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

    @with_arguments_of(KerasSettings)
    def __init__(self, layers: Any = None, **arguments: Any) -> None:
        super().__init__()
        self._prepare(KerasSettings(layers, **arguments))
        self._fits = Fits()
        self._batches, self._waits, self._last = Batches(), True, (0, 0)

    @hook
    def on_train_begin(self, logs: Any = None) -> None:
        """Begins to count; what an interrupted fit has left is written."""
        self.finish()
        self._batches, self._waits, self._last = Batches(), True, (0, 0)

    @hook
    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Takes the snapshot before the first step."""
        self._batches.begin_epoch(epoch)
        self._start_if(is_built(self._model))

    # At the beginning, as JAX waits for every batch where a callback asks for its end.
    @hook
    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Takes a snapshot where one is due by steps; writes what has been drawn meanwhile."""
        before = self._batches.ended
        self._batches.begin(batch)
        if self._batches.ended > before:
            self._start_if(is_built(self._model))
        self._reach(before)

    @hook
    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Takes a snapshot if one is due."""
        before, at_once = self._batches.ended, int(getattr(self._model, "steps_per_execution", 1) or 1)
        self._batches.end_epoch(at_once, (self.params or {}).get("steps"))
        self._start_if(True)
        self._tell(logs)
        self._reach(before, ends_epoch=True)

    @hook
    def on_train_end(self, logs: Any = None) -> None:
        """Draws the views over time up to the last snapshot, and writes everything."""
        if self._training is not None:
            self._training.end(*self._last)
        self.finish()

    def _start_if(self, ready: bool) -> None:
        """Looks at the model for the first time in this fit."""
        if ready and self._waits:
            self._waits = False
            self._begin(self._fits.begin(self.model, self._settings, self._batches))
            self._tell({})

    def _tell(self, logs: Any) -> None:
        """Lets findings know the metrics, numbers by now, and the end of the fit; the optimizer is not read."""
        if self._training is not None:
            known, logged = self.params or {}, dict(logs or {})
            epochs, last = known.get("epochs"), None
            if self._settings.every_n_train_steps is not None:
                epochs, last = None, self._batches.last(epochs, known.get("steps"))
            self._training.visualizer.ask_training = lambda: ((), logged, epochs, None, last)

    def _reach(self, before: int, *, ends_epoch: bool = False) -> None:
        """More batches have ended than `before`."""
        if self._training is not None:
            now, by_steps = self._batches, self._settings.every_n_train_steps is not None
            step, epoch = self._last = (now.ended if by_steps else now.epoch, now.epoch + ends_epoch)
            self._training.reach(before, now.ended, step=step, epoch=epoch, ends_epoch=ends_epoch)

    def __getstate__(self) -> dict[str, Any]:
        """A copy knows neither the model nor its past."""
        return {**super().__getstate__(), "_model": None, "_fits": Fits()}
