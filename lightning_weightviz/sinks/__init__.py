"""Sinks: each writes artifacts to one kind of logger. Every file here is a sink; what they share is in `support`."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Protocol, TypeVar, cast

from lightning_weightviz.artifacts import Batch
from lightning_weightviz.registry import Registry
from lightning_weightviz.sinks.support.folder import Place


class Sink(Protocol):
    """Writes to one logger. Called from the training thread alone, in step order."""

    def write(self, batch: Batch) -> None:
        """Writes all of a snapshot's artifacts. May raise: the caller reports it and goes on."""

    def flush(self) -> None:
        """Makes what was written readable by others; called at the end of fit and after an exception."""


SinkFactory = Callable[[Any, Any], Sink]
"""Makes a sink from a logger and the folder to write files to where the logger has none of its own: a `pathlib.Path`,
or the URL as a string where it is not on this machine, such as ``s3://bucket/run``."""

_Factory = TypeVar("_Factory", bound=SinkFactory)

FALLBACK = "*"
ENTRY_POINTS = "lightning_weightviz.sinks"
"""Group of the entry points by which installed packages bring sinks: ``MyLogger = "my_package:MySink"``."""

SINKS = Registry[SinkFactory]("sink", __name__)
"""The package's own factories by class name, the fallback under ``"*"``."""

_THIRD_PARTY: dict[str, SinkFactory] = {}


def sink(*class_names: str) -> Callable[[_Factory], _Factory]:
    """Makes a class the sink of loggers whose class, or a base of it, has one of these names; ``"*"`` of all others."""

    def register(factory: _Factory) -> _Factory:
        for name in class_names:
            SINKS.add(name, factory, factory)
        return factory

    return register


def register_sink(class_name: str, factory: SinkFactory) -> None:
    """Lets `factory` make the sinks of loggers whose class, or a base of it, is called `class_name`.

    Comes before the sinks of this package, so that one of them can be replaced.

    Args:
        class_name: For instance ``"MyLogger"``; compared with the names in the logger's MRO, as one logger's class
            can be importable from more than one package.
        factory: Takes the logger and a folder, returns an object with ``write(batch)`` and ``flush()``. The folder is a
            `pathlib.Path`; where it is not on this machine, the URL as a string, such as ``s3://bucket/run``.

    Raises:
        TypeError: `class_name` is not a string or `factory` cannot be called.

    Example:
        >>> class PrintSink:
        ...     def __init__(self, logger, folder):
        ...         pass
        ...     def write(self, batch):
        ...         print(len(batch.artifacts), "artifacts at step", batch.step)
        ...     def flush(self):
        ...         pass
        >>> register_sink("PrintLogger", PrintSink)
    """
    if not isinstance(class_name, str) or not class_name:
        raise TypeError(f"class_name must be the name of a logger's class, got {class_name!r}")
    if not callable(factory):
        raise TypeError(f"factory must be callable as factory(logger, folder), got {factory!r}")
    _THIRD_PARTY[class_name] = factory


@cache
def _installed() -> dict[str, SinkFactory]:
    """The factories of installed packages by class name; none is imported before a logger asks for it."""

    def factory(point: EntryPoint) -> SinkFactory:
        return lambda logger, folder: cast(SinkFactory, point.load())(logger, folder)

    return {point.name: factory(point) for point in entry_points(group=ENTRY_POINTS)}


def sink_for(logger: Any, folder: Place) -> Sink:
    """The sink of a logger, found by the names of its class and bases: dummies answer yes to every ``hasattr``.

    What was given to `register_sink` comes first, then the entry points ``lightning_weightviz.sinks`` of installed
    packages, then this package's own, then the files.

    Args:
        logger: Any logger, a ``SummaryWriter``, or None.
        folder: Where to write files where the logger has no folder of its own; a URL as a string.
    """
    class_names = [base.__name__ for base in type(logger).__mro__]
    for factories in (_THIRD_PARTY, _installed(), SINKS):
        for class_name in class_names:
            if class_name in factories:
                return factories[class_name](logger, folder)
    return SINKS[FALLBACK](logger, folder)
