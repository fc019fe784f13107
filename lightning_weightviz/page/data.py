"""What the page shows, as numpy: all that its writer needs, and nothing of how it is encoded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from lightning_weightviz.findings import Finding
from lightning_weightviz.snapshot import Parameter, Target

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class When:
    """A snapshot's place in time.

    Attributes:
        ordinal: Which snapshot, 0 for the first.
        epoch: Epochs finished.
        step: On the loggers' axis.
    """

    ordinal: int
    epoch: int
    step: int


@dataclass(frozen=True)
class Map:
    """Cells of a parameter over time, in one range.

    Attributes:
        name: ``values``; of convolutions ``norms`` and ``sums``, a cell a kernel; ``filters``, rows that are pictures.
        frames: Which of the page's frames it has, ascending: int64, (F,).
        cells: float32, (F, h, w); of ``filters`` (F, n, channels, height, width). NaN and ±Inf where they are. A cell
            of more than one value holds the one farthest from 0.
        shape: Rows and columns of the finest map: its (r, c) is in cell ``(r * h // rows, c * w // columns)``.
        limit: R: drawn from −R to +R, or from 0 where `signed` is False.
        rms: float32, (F, h, w): root mean square of each cell's values; None where a cell is one value.
        signed: Whether there is a middle.
        kept: int64, (F, 2): rows and columns of the cells in which each frame was kept, where some were coarser than
            (h, w), as those before a resume are; they are spread over (h, w). None: all were kept in (h, w).
        off: float64, (F,): how far the cells of each frame were off before, as those that come from an earlier page
            are; None: not at all.
    """

    name: str
    frames: npt.NDArray[np.int64]
    cells: Floats
    shape: tuple[int, int]
    limit: float
    rms: Floats | None = None
    signed: bool = True
    kept: npt.NDArray[np.int64] | None = None
    off: npt.NDArray[np.float64] | None = None


@dataclass(frozen=True)
class Histograms:
    """Distributions over time.

    Attributes:
        frames: Which of the page's frames: int64, (F,).
        edges: float64, (F, b + 1), ascending in each.
        counts: int64, (F, b).
    """

    frames: npt.NDArray[np.int64]
    edges: npt.NDArray[np.float64]
    counts: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Spectra:
    """Singular values over time.

    Attributes:
        frames: Which of the page's frames: int64, (F,).
        values: float32, (F, k), descending; NaN where there are fewer.
        edges: float32, (F,): the largest that noise of the same spread has.
        exact: Whether `values` are all of them, not the largest ones found by Lanczos' method.
    """

    frames: npt.NDArray[np.int64]
    values: Floats
    edges: Floats
    exact: bool


@dataclass(frozen=True)
class Series:
    """A parameter's numbers and cells for one target, over time.

    Attributes:
        statistics: By name, float32, (T,), at the page's moments; NaN where there is none.
        maps: The main one first; empty where the parameter gets no pictures.
        histograms: None where none are kept.
        spectra: None where none are measured.
    """

    statistics: Mapping[str, Floats]
    maps: tuple[Map, ...] = ()
    histograms: Histograms | None = None
    spectra: Spectra | None = None


@dataclass(frozen=True)
class Layer:
    """A parameter.

    Attributes:
        parameter: What it is.
        targets: By target.
    """

    parameter: Parameter
    targets: Mapping[Target, Series]


@dataclass(frozen=True)
class Classes:
    """A layer of classes over time.

    Attributes:
        name: Of its weight.
        class_names: C of them.
        frames: Which of the page's frames: int64, (F,).
        norms: float32, (F, C), of centred rows.
        bias: float32, (F, C); None where it has none.
        cosine: float32, (F, c, c), pooled where C is large, the diagonal NaN; None where they are not compared.
        templates: float32, (F, C', channels, height, width); None where there are none.
        limit: R of the templates.
    """

    name: str
    class_names: tuple[str, ...]
    frames: npt.NDArray[np.int64]
    norms: Floats
    bias: Floats | None = None
    cosine: Floats | None = None
    templates: Floats | None = None
    limit: float = 1.0


@dataclass(frozen=True)
class PageData:
    """A run, as the page shows it.

    Attributes:
        title: One line.
        moments: The curves' places in time, T of them.
        frames: The maps' places in time, at most `MAX_FRAMES`.
        layers: In the model's order.
        totals: By target and statistic, float32, (T,), of the whole model.
        heads: Layers of classes.
        findings: In the order in which they began.
        open: Of these, by their place, those that still hold.
        snapshots: How many were looked at.
        timeless: Whether it is of a file that tells no time.
        colors: Of signed values, from −R to +R with 0 in the middle: uint8, (2 n + 1, 3). None: the pictures' default.
    """

    title: str
    moments: tuple[When, ...]
    frames: tuple[When, ...]
    layers: tuple[Layer, ...]
    totals: Mapping[Target, Mapping[str, Floats]] = field(default_factory=dict)
    heads: tuple[Classes, ...] = ()
    findings: tuple[Finding, ...] = ()
    open: frozenset[int] = frozenset()
    snapshots: int = 0
    timeless: bool = False
    colors: npt.NDArray[np.uint8] | None = None


MAX_FRAMES = 12
