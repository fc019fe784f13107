"""What the page keeps of one snapshot: its maps at half precision and within a bound, histograms and classes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from lightning_weightviz.memory import Half, Memory, Time, extra_key, half_of, key_of, templates_key
from lightning_weightviz.page.grids import Grid, within
from lightning_weightviz.snapshot import ClassRows, Counts, Measurement, Snapshot, Spectrum, pool_extreme, pool_mean
from lightning_weightviz.views import Scene
from lightning_weightviz.views.histogram import rebin

Floats = npt.NDArray[np.float32]

MOST_BINS = 1 << 14
"""Of all histograms of a snapshot."""
FEWEST_BINS = 16
"""Of one histogram, where the user asked for no fewer."""
MOST_SINGULAR_VALUES = 128
"""Of a parameter, the largest."""
MOST_COMPARED = 128
"""Classes that have a row of cosines by themselves."""


@dataclass(frozen=True)
class MapShot:
    """A map at one snapshot; fields as of `data.Map`."""

    cells: Half
    shape: tuple[int, int]
    limit: float
    rms: Half | None = None
    signed: bool = True
    off: float = 0.0


@dataclass(frozen=True)
class ParameterShot:
    """A parameter at one snapshot.

    Attributes:
        shape: The parameter's: under its name another one may come.
        maps: By name, the main one first.
        histogram: Edges float64, (b + 1,), and counts int64, (b,).
        spectrum: The largest singular values; None where they were not measured, or are of several matrices.
    """

    shape: tuple[int, ...]
    maps: Mapping[str, MapShot] = field(default_factory=dict)
    histogram: tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]] | None = None
    spectrum: Spectrum | None = None


@dataclass(frozen=True)
class HeadShot:
    """A layer of classes at one snapshot; fields as of `data.Classes`, without the axis of frames."""

    norms: Floats
    bias: Floats | None = None
    cosine: Half | None = None
    templates: Half | None = None
    limit: float = 1.0


@dataclass(frozen=True)
class Shot:
    """One snapshot.

    Attributes:
        time: When.
        parameters: By `key_of`.
        heads: By the name of the weight.
    """

    time: Time
    parameters: Mapping[str, ParameterShot]
    heads: Mapping[str, HeadShot]


@dataclass(frozen=True)
class _Map:
    """A map as it was measured."""

    cells: Floats
    shape: tuple[int, int]
    limit: float
    rms: Floats | None = None
    signed: bool = True

    @property
    def grid(self) -> Grid:
        """Its cells; of filters, how many there are."""
        if self.cells.ndim == 2:
            height, width = self.cells.shape
            return Grid(height, width, self.shape, has_rms=self.rms is not None)
        return Grid(len(self.cells), 1, (len(self.cells), 1), math.prod(self.cells.shape[1:]))


def shot_of(scene: Scene) -> Shot:
    """What is kept of a scene; a class of many is compared if it was not yet."""
    snapshot, memory = scene.snapshot, scene.memory
    measured = {
        key_of(target, name): measurement
        for target, measurements in snapshot.targets.items()
        for name, measurement in measurements.items()
    }
    maps = {
        (key, name): one
        for key, measurement in measured.items()
        for name, one in _maps(measurement, key, memory).items()
    }
    grids = within({place: one.grid for place, one in maps.items()})
    kept: dict[str, dict[str, MapShot]] = {}
    for (key, name), one in maps.items():
        kept.setdefault(key, {})[name] = _kept(one, grids[(key, name)])
    bins = min(scene.style.bins, max(MOST_BINS // max(len(measured), 1), FEWEST_BINS))
    parameters = {
        key: ParameterShot(one.parameter.shape, kept.get(key, {}), _histogram(one.counts, bins), _largest(one.spectrum))
        for key, one in measured.items()
    }
    return Shot(time_of(snapshot), parameters, dict(_heads(scene)))


def time_of(snapshot: Snapshot) -> Time:
    """When it was taken."""
    return Time(snapshot.ordinal, snapshot.epoch, snapshot.step)


def _maps(measurement: Measurement, key: str, memory: Memory) -> dict[str, _Map]:
    """The maps of a parameter; empty where it gets no pictures, or holds nothing."""
    parameter, picture = measurement.parameter, measurement.picture
    if picture is None or not picture.extreme.size:
        return {}
    limit = memory.ranges[key]
    if picture.sums is not None:
        norms, sums = (memory.ranges[extra_key(key, name)] for name in ("norms", "sums"))
        return {
            "norms": _Map(picture.kernel_norms, picture.shape, norms, signed=False),
            "sums": _Map(picture.sums, picture.shape, sums),
        }
    values = {"values": _Map(picture.extreme, picture.shape, limit, picture.rms)}
    if picture.filters is None:
        return values
    filters = {"filters": _Map(picture.filters, picture.shape, limit)}
    return filters if len(picture.filters) == parameter.shape[0] else filters | values


def _kept(one: _Map, grid: Grid) -> MapShot:
    if one.cells.ndim > 2:
        return MapShot(half_of(one.cells[: grid.height]), one.shape, one.limit)
    size = grid.height, grid.width
    # A norm is pooled as a norm.
    cells = pool_extreme(one.cells, *size) if one.signed else _pool_rms(one.cells, *size)
    rms = None if one.rms is None or not grid.is_pooled else half_of(_pool_rms(one.rms, *size))
    return MapShot(half_of(cells), one.shape, one.limit, rms, one.signed)


def _pool_rms(values: Floats, height: int, width: int) -> Floats:
    """Root mean squares of blocks of cells."""
    if values.shape == (height, width):
        return values
    # In units of the largest, as the square of a large one is none.
    unit = np.float32(np.max(values, where=np.isfinite(values), initial=0.0)) or np.float32(1.0)
    pooled: Floats = (np.sqrt(pool_mean((values / unit) ** 2, height, width)) * unit).astype(np.float32)
    return pooled


def _histogram(counts: Counts, bins: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]] | None:
    if not counts.counts.any():
        return None
    binned = rebin("", counts, bins)
    return binned.edges, binned.counts


def _largest(spectrum: Spectrum | None) -> Spectrum | None:
    if spectrum is None or len(spectrum.values) != 1 or not spectrum.known.all():
        return None
    return replace(
        spectrum,
        values=spectrum.values[:, :MOST_SINGULAR_VALUES],
        complete=spectrum.complete and spectrum.values.shape[1] <= MOST_SINGULAR_VALUES,
    )


def _heads(scene: Scene) -> Iterator[tuple[str, HeadShot]]:
    for index, head in enumerate(scene.snapshot.heads):
        pairs = scene.pairs[index].result() if index < len(scene.pairs) else None
        cosine = None if pairs is None else half_of(pool_extreme(pairs.cosine, MOST_COMPARED, MOST_COMPARED))
        yield (
            head.name,
            HeadShot(
                norms=head.norms.astype(np.float32),
                bias=None if head.bias is None else head.bias.astype(np.float32),
                cosine=cosine,
                templates=_templates(head),
                limit=scene.memory.ranges.get(templates_key(index, head), 1.0),
            ),
        )


def _templates(head: ClassRows) -> Half | None:
    if head.templates is None:
        return None
    size = math.prod(head.templates.shape[1:])
    return half_of(head.templates[: max((1 << 17) // max(size, 1), 1)])
