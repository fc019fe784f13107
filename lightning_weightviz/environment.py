"""The callback without a line of code: an environment variable adds it to every Trainer."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from lightning_weightviz.callback import WeightVisualizationCallback
from lightning_weightviz.visualizer import WeightVisualizer

if TYPE_CHECKING:
    from lightning.pytorch import LightningModule, Trainer

VARIABLE = "LIGHTNING_WEIGHTVIZ"
_OFF, _ON = ("", "0", "false", "off", "no"), ("1", "true", "on", "yes")


class EnvironmentCallback(WeightVisualizationCallback):
    """The callback that the environment asked for; does nothing if the Trainer already has one of the user's."""

    def _new_visualizer(self, trainer: Trainer, pl_module: LightningModule, folder: str) -> WeightVisualizer | None:
        others = (one for one in trainer.callbacks if one is not self)  # type: ignore[attr-defined]
        if any(isinstance(one, WeightVisualizationCallback) for one in others):
            return None
        return super()._new_visualizer(trainer, pl_module, folder)


def callbacks() -> list[WeightVisualizationCallback]:
    """The callbacks that Lightning adds to every Trainer: none, unless ``LIGHTNING_WEIGHTVIZ`` asks for ours.

    ``1`` asks for the callback with its default arguments, a JSON object for the callback with those arguments. This
    function is the entry point of the groups ``lightning.pytorch.callbacks_factory`` and
    ``pytorch_lightning.callbacks_factory``.

    Raises:
        TypeError: An argument has the wrong type, or the callback has no such argument.
        ValueError: The variable has any other value, or an argument has a value that is not allowed.

    Example:
        >>> os.environ[VARIABLE] = '{"every_n_epochs": 5}'
        >>> len(callbacks())
        1
        >>> del os.environ[VARIABLE]
        >>> callbacks()
        []
    """
    value = os.environ.get(VARIABLE, "").strip()
    if value.lower() in _OFF:
        return []
    if value.lower() in _ON:
        return [EnvironmentCallback()]
    try:
        arguments = json.loads(value)
    except json.JSONDecodeError:
        arguments = None
    if not isinstance(arguments, dict):
        raise ValueError(f"{VARIABLE} must be 1, 0 or a JSON object of the callback's arguments, got {value!r}")
    try:
        return [EnvironmentCallback(**arguments)]
    except (TypeError, ValueError) as error:
        raise type(error)(f"{VARIABLE}: {error}") from error
