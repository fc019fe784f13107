"""Views: each turns a scene into artifacts. A file or folder in here with a function under `view` is a view."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from lightning_weightviz.artifacts import Artifact
from lightning_weightviz.registry import Registry
from lightning_weightviz.views.support.scene import Scene, Style

__all__ = ["VIEWS", "Scene", "Style", "View", "view"]

Draw = Callable[[Scene], Iterable[Artifact]]


@dataclass(frozen=True)
class View:
    """A way to show a scene.

    Attributes:
        draw: Makes the artifacts; may raise, which costs no other view anything.
        over_time: Whether its picture replaces the one of the snapshot before, so that it is drawn at log-spaced
            snapshots and at the last one alone.
        needs_start: Whether it shows changes since the first snapshot, so that means of blocks are measured and those
            of the first snapshot are kept.
        needs_spectra: Whether it shows singular values, so that these are measured at the snapshots at which views over
            time are drawn.
        numbers: Whether it makes scalars or histograms, and these alone where `Scene.draws` is False.
        at_end: Whether it has further pictures where `Scene.last` is True, so that it is drawn once more at the end.
    """

    draw: Draw
    over_time: bool = False
    needs_start: bool = False
    numbers: bool = False
    needs_spectra: bool = False
    at_end: bool = False


VIEWS = Registry[View]("view", __name__)
"""Every view by the name that users write in ``views=``."""


def view(
    name: str,
    *,
    over_time: bool = False,
    needs_start: bool = False,
    numbers: bool = False,
    needs_spectra: bool = False,
    at_end: bool = False,
) -> Callable[[Draw], Draw]:
    """Makes a function a view under `name`; the flags are those of `View`.

    Raises:
        ValueError: There is a view of that name already.
    """

    def register(draw: Draw) -> Draw:
        VIEWS.add(name, View(draw, over_time, needs_start, numbers, needs_spectra, at_end), draw)
        return draw

    return register
