"""What the callbacks for Keras and for transformers share: their arguments, their hooks, and how a training ends."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

from lightning_weightviz.run.ending import at_end, not_at_end
from lightning_weightviz.run.errors import Tolerance, tolerant
from lightning_weightviz.settings import Settings
from lightning_weightviz.training import PASSING, Training

_Hook = TypeVar("_Hook", bound=Callable[..., None])
_Parameters = ParamSpec("_Parameters")


@dataclass(frozen=True)
class HostSettings(Settings):
    """The same of a callback whose host has no loggers of Lightning's.

    Attributes:
        loggers: A ``SummaryWriter``, a ``wandb.Run``, any logger, or a list of them; None: what the host knows of.
        folder: For what no logger takes, in ``weightviz/``: a path or a URL; None: where the host puts its files.

    Raises:
        TypeError: `folder` is neither; and as `Settings`.
    """

    loggers: Any = None
    folder: str | os.PathLike[str] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (self.folder is None or (isinstance(self.folder, (str, os.PathLike)) and str(self.folder))):
            raise TypeError(f"folder must be a path, a URL or None, got {self.folder!r}")


def with_arguments_of(
    kind: Callable[_Parameters, Any],
) -> Callable[[Callable[..., None]], Callable[Concatenate[Any, _Parameters], None]]:
    """Gives an ``__init__(self, layers, **arguments)`` the signature of a class of settings."""

    def decorate(init: Callable[..., None]) -> Callable[Concatenate[Any, _Parameters], None]:
        own = inspect.signature(init).parameters["self"]
        first, *others = inspect.signature(kind).parameters.values()
        signature = inspect.Signature([own, first, *(one.replace(kind=one.KEYWORD_ONLY) for one in others)])

        @wraps(init)
        def checked(*arguments: Any, **named: Any) -> None:
            signature.bind(*arguments, **named)
            init(*arguments, **named)

        checked.__signature__ = signature  # type: ignore[attr-defined]
        return checked

    return decorate


class Host:
    """What the callbacks have in common whose hosts do not tell of exceptions.

    What an exception or Ctrl-C leaves to be written is written when the process ends, when the next training begins,
    or by `finish`.
    """

    _settings: HostSettings
    _training: Training | None = None

    def _prepare(self, settings: HostSettings) -> None:
        self._settings = settings
        self._tolerance = Tolerance(passing=PASSING)

    def _begin(self, training: Training) -> Training:
        """A training has begun."""
        self._training = training
        at_end(self.finish)
        return training

    def finish(self) -> None:
        """Writes what an interrupted training has left; after one that ended, and before any, there is nothing."""
        training, self._training = self._training, None
        not_at_end(self.finish)
        if training is not None:
            training.rescue()

    def __getstate__(self) -> dict[str, Any]:
        """A copy, or what another process gets, knows the arguments: a thread, models and loggers cannot be copied."""
        return {**vars(self), "_training": None}


def hook(function: _Hook) -> _Hook:
    """Makes a method a hook of a host: errors are reported once; one that is to end the training loses nothing."""
    careful = tolerant(function)

    @wraps(function)
    def guarded(self: Host, *arguments: Any, **named: Any) -> None:
        try:
            careful(self, *arguments, **named)
        except PASSING:
            self.finish()
            raise

    return cast(_Hook, guarded)
