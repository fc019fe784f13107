"""What a view makes and a sink writes: pictures, histograms, scalars, texts and pages, for no logger in particular."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from PIL import Image as PillowImage

from lightning_weightviz.png import encode

MOST_COLORS = 256
"""Of a PNG with a palette."""


class Raster:
    """A picture, encoded as soon as it is made: what it was drawn on can be drawn over, and only its PNG is kept.

    Args:
        values: uint8, (height, width, 3), RGB; or (height, width), rows of `palette`.
        palette: uint8, (n ≤ 256, 3); None for RGB.

    Attributes:
        size: Height and width in pixels.
        png: The picture as PNG, with a palette where it was given with one, else as RGB.
        palette: As given; what draws in indices takes a third of the bytes and of the time.
    """

    def __init__(self, values: npt.NDArray[np.uint8], palette: npt.NDArray[np.uint8] | None = None) -> None:
        self.size = values.shape[0], values.shape[1]
        self.palette = palette
        self.png = encode(values, palette)

    @cached_property
    def pixels(self) -> npt.NDArray[np.uint8]:
        """uint8, (height, width, 3), RGB."""
        return np.array(PillowImage.open(io.BytesIO(self.png)).convert("RGB"))


@dataclass(frozen=True)
class Image:
    """A picture.

    Attributes:
        tag: Where the logger puts it, for instance ``weights.heatmap/fc1.weight``.
        raster: What it shows.
        caption: One line of plain text: what it is, epoch and step.
    """

    tag: str
    raster: Raster
    caption: str = ""

    @property
    def pixels(self) -> npt.NDArray[np.uint8]:
        """uint8, (height, width, 3), RGB."""
        return self.raster.pixels

    @property
    def png(self) -> bytes:
        """The picture as PNG."""
        return self.raster.png


@dataclass(frozen=True)
class Animation:
    """A picture that moves.

    Attributes:
        tag: Where the logger puts it, for instance ``weights.animation/fc1.weight``.
        frames: uint8 pictures of one size, (height, width, 3), in the order of time; at least one.
        seconds: How long each frame but the last is shown; the last stays three times as long.
        caption: One line of plain text.
    """

    tag: str
    frames: tuple[npt.NDArray[np.uint8], ...]
    seconds: float = 0.5
    caption: str = ""

    @cached_property
    def gif(self) -> bytes:
        """The frames as a GIF that repeats for ever."""
        pictures = [PillowImage.fromarray(frame).quantize(colors=256) for frame in self.frames]
        duration = [round(1000 * self.seconds)] * (len(pictures) - 1) + [round(3000 * self.seconds)]
        buffer = io.BytesIO()
        pictures[0].save(
            buffer, format="GIF", save_all=True, append_images=pictures[1:], duration=duration, loop=0, disposal=2
        )
        return buffer.getvalue()


@dataclass(frozen=True)
class Histogram:
    """Counts of values between edges.

    Attributes:
        tag: Where the logger puts it, for instance ``weights.histogram/fc1.weight``.
        edges: float64, (n + 1,), strictly ascending; bin i holds ``edges[i] <= value < edges[i + 1]``, the last
            bin its right edge too.
        counts: int64, (n,); they sum to the number of finite values.
        minimum: Smallest finite value.
        maximum: Largest finite value.
        total: Sum of the finite values.
        squares: Sum of their squares.
    """

    tag: str
    edges: npt.NDArray[np.float64]
    counts: npt.NDArray[np.int64]
    minimum: float
    maximum: float
    total: float
    squares: float


@dataclass(frozen=True)
class Scalar:
    """A number.

    Attributes:
        tag: Where the logger puts it, for instance ``weights.rms/fc1.weight``.
        value: A finite float.
    """

    tag: str
    value: float


@dataclass(frozen=True)
class Text:
    """A text that replaces the one before it.

    Attributes:
        tag: Where the logger puts it, for instance ``findings/weights``.
        text: In Markdown.
        news: What is new in it and worth a message, in plain text; empty where nothing is.
    """

    tag: str
    text: str
    news: str = ""


@dataclass(frozen=True)
class Page:
    """The page of the whole run, once it has ended; a sink whose logger takes no files leaves it out.

    Attributes:
        tag: Where the logger puts it, for instance ``report/weights``.
        html: In UTF-8, one file that asks for nothing else.
    """

    tag: str
    html: bytes


Artifact = Image | Animation | Histogram | Scalar | Text | Page


@dataclass(frozen=True)
class Batch:
    """All that one snapshot has to say, for one call of each sink.

    Attributes:
        step: The step on the logger's axis.
        epoch: The epoch, counted as the captions count it.
        artifacts: In the order of their making.
        repeat: Snapshots of the run before this one at its step, as an epoch of one batch ends at the step of the
            start: what is named by the step alone would be replaced.
    """

    step: int
    epoch: int
    artifacts: Sequence[Artifact]
    repeat: int = 0
