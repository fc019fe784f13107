"""From what was kept of each snapshot to what the page shows over time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from lightning_weightviz.page.data import Classes, Histograms, Map, Spectra
from lightning_weightviz.page.shot import HeadShot, MapShot, ParameterShot, Shot
from lightning_weightviz.snapshot import ClassRows, pool_extreme

Floats = npt.NDArray[np.float32]


def maps_of(key: str, shape: tuple[int, ...], shots: Sequence[Shot]) -> tuple[Map, ...]:
    """The maps of the parameter at a key, in the cells of the newest.

    Args:
        key: Of the parameter.
        shape: Of the parameter: what was kept of another of its name is left out.
        shots: In the order of time.
    """
    parameters = _of_shape(key, shape, shots)
    names = dict.fromkeys(name for _, one in reversed(parameters) for name in one.maps)
    return tuple(
        _map(name, [(frame, one.maps[name]) for frame, one in parameters if name in one.maps]) for name in names
    )


def _map(name: str, found: Sequence[tuple[int, MapShot]]) -> Map:
    frames, shots = zip(*found, strict=True)
    newest: MapShot = shots[-1]
    if newest.cells.cells.ndim > 2:
        count = min(len(one.cells.cells) for one in shots)
        kept, rms = None, None
        cells = np.stack([one.cells.values[:count] for one in shots])
    else:
        size = newest.cells.cells.shape
        own = np.array([np.minimum(one.cells.cells.shape, size) for one in shots], np.int64)
        kept = None if (own == size).all() else own
        cells = np.stack([_fitted(one.cells.values, *size) for one in shots])
        none = np.full(size, np.nan, np.float32)
        rms = None
        if newest.rms is not None:
            rms = np.stack([none if one.rms is None else _fitted(one.rms.values, *size) for one in shots])
    return Map(
        name,
        np.array(frames, np.int64),
        cells,
        newest.shape,
        max(one.limit for one in shots),
        rms=rms,
        signed=newest.signed,
        kept=kept,
        off=np.array([one.off for one in shots]) if any(one.off for one in shots) else None,
    )


def _fitted(values: Floats, height: int, width: int) -> Floats:
    """Cells in another number of them: pooled where there are more, spread where there are fewer."""
    pooled = pool_extreme(values, height, width)
    rows, columns = (
        np.arange(cells) * length // cells for cells, length in zip((height, width), pooled.shape, strict=True)
    )
    spread: Floats = pooled[rows[:, None], columns]
    return spread


def histograms_of(key: str, shape: tuple[int, ...], shots: Sequence[Shot]) -> Histograms | None:
    """The histograms of the parameter at a key; None where none was kept."""
    found = [(frame, one.histogram) for frame, one in _of_shape(key, shape, shots) if one.histogram is not None]
    if not found:
        return None
    bins = max(len(counts) for _, (_, counts) in found)
    return Histograms(
        np.array([frame for frame, _ in found], np.int64),
        # Where there are fewer bins, further ones have no width and hold nothing.
        np.stack([np.pad(edges, (0, bins + 1 - len(edges)), mode="edge") for _, (edges, _) in found]),
        np.stack([np.pad(counts, (0, bins - len(counts))) for _, (_, counts) in found]),
    )


def spectra_of(key: str, shape: tuple[int, ...], shots: Sequence[Shot]) -> Spectra | None:
    """The singular values of the parameter at a key; None where none were kept."""
    found = [(frame, one.spectrum) for frame, one in _of_shape(key, shape, shots) if one.spectrum is not None]
    if not found:
        return None
    values = [spectrum.values[0].astype(np.float32) for _, spectrum in found]
    most = max(map(len, values))
    return Spectra(
        np.array([frame for frame, _ in found], np.int64),
        np.stack([np.pad(one, (0, most - len(one)), constant_values=np.nan) for one in values]),
        np.array([spectrum.edges[0] for _, spectrum in found], np.float32),
        exact=all(spectrum.complete for _, spectrum in found),
    )


def classes_of(head: ClassRows, shots: Sequence[Shot]) -> Classes | None:
    """A layer of classes over time; None where nothing of it was kept."""
    known = ((frame, shot.heads.get(head.name)) for frame, shot in enumerate(shots))
    found = [(frame, one) for frame, one in known if one is not None and len(one.norms) == len(head.class_names)]
    if not found:
        return None
    heads = [one for _, one in found]
    return Classes(
        head.name,
        head.class_names,
        np.array([frame for frame, _ in found], np.int64),
        np.stack([one.norms for one in heads]),
        bias=_stacked(heads, lambda one: one.bias),
        cosine=_stacked(heads, lambda one: None if one.cosine is None else one.cosine.values),
        templates=_stacked(heads, lambda one: None if one.templates is None else one.templates.values),
        limit=max(one.limit for one in heads),
    )


def _stacked(heads: Sequence[HeadShot], read: Callable[[HeadShot], Floats | None]) -> Floats | None:
    """Of each head, NaN where it has none or one of another shape than the newest; None where the newest has none."""
    values = [read(one) for one in heads]
    newest = values[-1]
    if newest is None:
        return None
    none = np.full_like(newest, np.nan)
    return np.stack([one if one is not None and one.shape == newest.shape else none for one in values])


def _of_shape(key: str, shape: tuple[int, ...], shots: Sequence[Shot]) -> list[tuple[int, ParameterShot]]:
    known: list[tuple[int, Any]] = [(frame, shot.parameters.get(key)) for frame, shot in enumerate(shots)]
    return [(frame, one) for frame, one in known if one is not None and one.shape == shape]
