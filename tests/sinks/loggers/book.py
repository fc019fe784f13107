"""What a logger holds, read back from what it wrote, and the comparison with what it was given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from lightning_weightviz.artifacts import Animation, Batch, Histogram, Image, Page, Scalar, Text
from lightning_weightviz.sinks.support.names import tracker_key
from tests.support.samples import frame_count

PAGED = {"WandbLogger", "MLFlowLogger", "CometLogger", "DVCLiveLogger", "SwanLabLogger", "LitLogger", "TrackioLogger"}
"""Those that get the page of a run."""

Place = tuple[str, int]
"""A key and a step."""


@dataclass
class Book:
    """All that was read.

    Attributes:
        images: Pixels as RGB.
        animations: The bytes of GIFs.
        histograms: Whatever the logger keeps of counts; see `Kind.counts`.
        scalars: Values, the user's own too.
        text: The newest text.
        page: The newest page.
    """

    images: dict[Place, npt.NDArray[np.uint8]] = field(default_factory=dict)
    animations: dict[Place, bytes] = field(default_factory=dict)
    histograms: dict[Place, Any] = field(default_factory=dict)
    scalars: dict[Place, float] = field(default_factory=dict)
    text: str | None = None
    page: bytes | None = None


class Kind(Protocol):
    """One logger: how to make it offline, end it, and read what it wrote."""

    name: str

    def make(self, folder: Path, prefix: str = "") -> Any:
        """A logger that writes below `folder`; without a prefix where it has none."""

    def finish(self, logger: Any) -> None:
        """Ends the run, as a user's program does when it ends."""

    def read(self, logger: Any, folder: Path) -> Book:
        """Reads from the disk."""

    def key(self, tag: str) -> str:
        """What the logger calls a tag."""

    def number(self, value: float) -> float:
        """What the logger keeps of a number."""

    def counts(self, histogram: Histogram) -> Any:
        """What the logger should keep of a histogram, found in another way than the sink's."""


class Plain:
    """The answers that most kinds give."""

    def finish(self, logger: Any) -> None:
        """As Lightning does at the end of fit."""
        logger.finalize("success")

    def key(self, tag: str) -> str:
        """As trackers take it."""
        return tracker_key(tag)

    def number(self, value: float) -> float:
        """All of it."""
        return value

    def counts(self, histogram: Histogram) -> Any:
        """All: edges and counts."""
        return histogram.edges.tolist(), histogram.counts.tolist()


def check(
    kind: Kind, book: Book, batches: Sequence[Batch], *, drawn: Callable[[Histogram, Batch], Image] | None
) -> None:
    """Every artifact is in the book, pixel by pixel and count by count, and no picture more.

    Args:
        kind: The logger's.
        book: Read from it.
        batches: What was written, in this order.
        drawn: Makes the picture of a histogram where the logger has no histograms.
    """
    images: dict[Place, npt.NDArray[np.uint8]] = {}
    newest, page = None, None
    for batch in batches:
        for artifact in batch.artifacts:
            place = kind.key(artifact.tag), batch.step
            match artifact:
                case Image():
                    images[place] = artifact.pixels
                case Animation():
                    assert frame_count(book.animations[place]) == len(artifact.frames), place
                case Histogram():
                    assert book.histograms[place] == kind.counts(artifact), place
                    if drawn is not None:
                        images[place] = drawn(artifact, batch).pixels
                case Text():
                    newest = artifact.text
                case Page():
                    page = artifact.html if kind.name in PAGED else None
                case Scalar():
                    assert book.scalars[place] == kind.number(artifact.value), place
    assert book.text == newest
    assert book.page == page
    assert book.images.keys() == images.keys()
    for place, pixels in images.items():
        np.testing.assert_array_equal(book.images[place], pixels, err_msg=str(place))
