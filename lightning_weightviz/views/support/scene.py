"""What a view is given: a snapshot, what came before it, and how the user wants things to look."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from lightning_weightviz.memory import Memory, key_of, point_of, with_newest
from lightning_weightviz.run.deferred import Deferred
from lightning_weightviz.snapshot import ClassPairs, Snapshot, Spectrum

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
        log_all: Whether all parameters get scalars: those of fewer than two dimensions, and each of many matrices.
        animation: Whether to make the GIF at the end.
    """

    colormap: str = "RdBu_r"
    bins: int = 64
    statistics: tuple[str, ...] = ()
    log_all: bool = False
    animation: bool = False


@dataclass(frozen=True)
class Scene:
    """All that a view sees.

    Attributes:
        snapshot: The moment to show.
        memory: What came before it, this moment included.
        style: How.
        last: Whether this is the last snapshot of the run.
        pairs: Compare the classes of the snapshot's heads, one per head.
        draws: Whether pictures are wanted; else numbers alone, as pictures cost more.
        affordable: Keys, as in memory, of the parameters and heads whose pictures may be drawn; None: all.
        unchanged: Keys of those that look as when they were last drawn, to less than a colour step.
        findings: What is wrong with the weights now, a sentence each, the gravest first; no notes.
    """

    snapshot: Snapshot
    memory: Memory
    style: Style
    last: bool = False
    pairs: tuple[Deferred[ClassPairs | None], ...] = ()
    draws: bool = True
    affordable: frozenset[str] | None = None
    unchanged: frozenset[str] = frozenset()
    findings: tuple[str, ...] = ()

    def affords(self, key: str) -> bool:
        """Whether pictures of a parameter or head may be drawn."""
        return self.affordable is None or key in self.affordable

    def renews(self, key: str) -> bool:
        """Whether pictures may be drawn that show this snapshot of it alone: not where they look the same."""
        return self.affords(key) and key not in self.unchanged

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


def with_spectra(scene: Scene, spectra: Mapping[str, Spectrum]) -> Scene:
    """A scene whose weights of these names have these singular values, in its memory too."""
    snapshot, kept = scene.snapshot, dict(scene.memory.spectra)
    weights = dict(snapshot.targets.get("weights", {}))
    for name, spectrum in spectra.items():
        weights[name] = replace(weights[name], spectrum=spectrum)
        key = key_of("weights", name)
        kept[key] = tuple(with_newest(kept.get(key, ()), point_of(snapshot, spectrum)))
    now = replace(snapshot, targets={**snapshot.targets, **({"weights": weights} if weights else {})})
    return replace(scene, snapshot=now, memory=replace(scene.memory, spectra=kept))
