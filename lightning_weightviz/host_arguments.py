"""The arguments of the callbacks for Keras and for transformers: Lightning's, and what their hosts lack."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any, Concatenate, ParamSpec

from lightning_weightviz.settings import DEFAULT_STATISTICS, Settings

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

    def __deepcopy__(self, memo: object) -> HostSettings:
        """Itself, as nothing in it changes: a logger holds files and threads, which cannot be copied."""
        return self


@dataclass(frozen=True)
class KerasSettings(HostSettings):
    """The same without what Keras' ``fit`` does not show.

    Raises:
        ValueError: `targets` or `statistics` ask for it; and as `HostSettings`.
    """

    statistics: Sequence[str] = tuple(name for name in DEFAULT_STATISTICS if name != "update_ratio")

    def __post_init__(self) -> None:
        super().__post_init__()
        if "gradients" in self.targets:
            raise ValueError(
                f"targets must be 'weights' or 'updates', as Keras shows no gradients, got {self.targets!r}"
            )
        if "update_ratio" in self.statistics:
            raise ValueError(
                f"statistics must not hold 'update_ratio', as Keras shows no single steps, got {self.statistics!r}"
            )


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
