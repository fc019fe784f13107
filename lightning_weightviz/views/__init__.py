"""Views: each turns a scene into artifacts. A file in this folder with a function under `view` is a view."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache

from lightning_weightviz.artifacts import Artifact
from lightning_weightviz.memory.history import Memory
from lightning_weightviz.snapshot import Head, Snapshot

LARGE_CELLS = 128 * 128
"""A picture of more cells is large."""
MOST_LARGE = 6
"""So many large pictures are drawn with all their cells."""


@dataclass(frozen=True)
class Style:
    """What the user chose of how things look and which numbers are logged.

    Attributes:
        colormap: Any matplotlib name, for signed values.
        bins: At most this many bins a histogram.
        statistics: Names of the statistics to log.
        log_vectors: Whether parameters of fewer than two dimensions get scalars too.
        animation: Whether to make the GIF at the end.
    """

    colormap: str = "RdBu_r"
    bins: int = 64
    statistics: tuple[str, ...] = ()
    log_vectors: bool = False
    animation: bool = False


@dataclass(frozen=True)
class Scene:
    """All that a view sees.

    Attributes:
        snapshot: The moment to show.
        memory: What came before it, this moment included.
        style: How.
        last: Whether this is the last snapshot of the run.
        compare: Gives the head with its classes compared, where the snapshot's is not yet; None where it is.
    """

    snapshot: Snapshot
    memory: Memory
    style: Style
    last: bool = False
    compare: Callable[[], Head | None] | None = None

    @property
    def head(self) -> Head | None:
        """The head with its classes compared; waits for the comparison. None where there is no head."""
        return self.snapshot.head if self.compare is None else self.compare()

    @property
    def is_crowded(self) -> bool:
        """Whether there are so many large pictures that each is drawn with half as many cells an axis.

        A picture of weights is noise to a compressor, near a byte a cell, and an event file keeps all of them: twelve
        of 256×256 would be a megabyte a snapshot.
        """
        pictures = (
            measurement.picture
            for measurements in self.snapshot.targets.values()
            for measurement in measurements.values()
            if measurement.picture is not None and measurement.picture.extreme.size > LARGE_CELLS
        )
        # Of kernels two maps are drawn.
        return sum(1 if picture.sums is None else 2 for picture in pictures) > MOST_LARGE


View = Callable[[Scene], Iterable[Artifact]]
_VIEWS: dict[str, View] = {}
_OVER_TIME: set[str] = set()


def view(name: str, *, over_time: bool = False) -> Callable[[View], View]:
    """Makes a function a view under `name`, the word that users write in ``views=``.

    Args:
        name: Unique among the views.
        over_time: Whether its picture replaces the one of the snapshot before, so that it is drawn at log-spaced
            snapshots and at the last one alone.
    """

    def register(function: View) -> View:
        _VIEWS[name] = function
        if over_time:
            _OVER_TIME.add(name)
        return function

    return register


def is_over_time(name: str) -> bool:
    """Whether a view shows the whole time up to its snapshot."""
    discover()
    return name in _OVER_TIME


@cache
def discover() -> Mapping[str, View]:
    """All views by name."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    return dict(sorted(_VIEWS.items()))
