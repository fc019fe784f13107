"""Scenes made in plain numpy float64: an oracle of pooling, counting and statistics that shares no code with `measure`.

`scene` is what tests of views call; the functions below it compute one field each, by definition rather than fast.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from lightning_weightviz.memory import ColorRange, History
from lightning_weightviz.run.deferred import Deferred
from lightning_weightviz.snapshot import (
    MAX_FILTER_VALUES,
    PERCENTILES,
    ClassPairs,
    ClassRows,
    Counts,
    Kind,
    Layout,
    Measurement,
    Parameter,
    Picture,
    Rank,
    Snapshot,
    Spectrum,
    Target,
)
from lightning_weightviz.views import Scene, Style

STEPS_AN_EPOCH = 45
MODULES: Mapping[Kind, str] = {
    "linear": "Linear",
    "head": "Linear",
    "conv": "Conv2d",
    "embedding": "Embedding",
    "attention": "MultiheadAttention",
    "recurrent": "LSTM",
    "norm": "LayerNorm",
    "bias": "Linear",
    "other": "Module",
}

Array = npt.NDArray[Any]
Weights = Mapping[str, Array]


def scene(
    weights: Weights,
    *,
    kinds: Mapping[str, Kind] | None = None,
    epochs: int = 0,
    before: Sequence[Weights] | None = None,
    head: str | None = None,
    class_names: Sequence[str] | None = None,
    templates: Array | None = None,
    target: Target = "weights",
    color_range: ColorRange = "run",
    keep_start: bool = True,
    unpictured: Sequence[str] = (),
    last: bool = False,
    image_size: int = 256,
    fields: Mapping[str, Any] | None = None,
    **style: Any,
) -> Scene:
    """The scene after the last of several snapshots, each of them given to a real `History`.

    Args:
        weights: Values now, by parameter name.
        kinds: Kinds of parameters whose shape does not tell: a matrix is linear, a vector a bias, 4-D a conv.
        epochs: Epochs before now. The values go in a straight line from small noise at the start to `weights`.
        before: Values at each earlier epoch instead of that line, oldest first; what appears later is in none of the
            first.
        head: Name of the head's weight; its bias is found beside it.
        class_names: One a row of the head; indices if None.
        templates: (C', channels, height, width) of the head.
        target: Under which the measurements stand.
        color_range: As the callback's.
        keep_start: Whether memory holds the maps of the first snapshot.
        unpictured: Names that get no picture.
        last: Of the scene.
        image_size: Pooled map: at most this many cells an axis.
        fields: Fields of all parameters that are not as the shape tells.
        **style: Further fields of `Style`.
    """
    now = {name: np.asarray(values) for name, values in weights.items()}
    parameters = {
        name: replace(
            _parameter(name, values.shape, (kinds or {}).get(name), name == head, name not in unpictured),
            **(fields or {}),
        )
        for name, values in now.items()
    }
    moments = [*(_line(now, epochs) if before is None else before), now]
    start = {name: next(values[name] for values in moments if name in values) for name in now}
    history = History(color_range, keep_start=keep_start)
    for epoch, values in enumerate(moments):
        first = {name: start[name] for name in values}
        previous = {**first, **moments[max(epoch - 1, 0)]}
        measurements = {
            name: measure(parameters[name], array, first[name], previous[name], image_size)
            for name, array in values.items()
        }
        rows, pairs = (None, None) if head is None else classes_of(head, values, class_names, templates, image_size)
        snapshot = Snapshot(
            step=max(0, STEPS_AN_EPOCH * epoch - 1),
            epoch=epoch,
            ordinal=epoch,
            initial=epoch == 0,
            targets={target: measurements},
            totals={target: _totals(measurements, values, first, previous)},
            heads=() if rows is None else (rows,),
        )
        memory = history.remember(snapshot)
    return Scene(snapshot, memory, Style(**style), last, () if head is None else (known(pairs),))


def _line(now: Weights, epochs: int) -> list[Weights]:
    if epochs == 0:
        return []
    generator = np.random.default_rng(7)
    start = {
        name: 0.3 * np.std(values, where=np.isfinite(values)) * generator.standard_normal(values.shape)
        for name, values in now.items()
    }
    return [{name: start[name] + (now[name] - start[name]) * t / epochs for name in now} for t in range(epochs)]


def _totals(
    measurements: Mapping[str, Measurement], now: Weights, first: Weights, previous: Weights
) -> Mapping[str, float]:
    if len(measurements) == 1:
        return next(iter(measurements.values())).statistics
    return statistics(_flat(now), _flat(first), _flat(previous))


def _flat(values: Weights) -> Array:
    return np.concatenate([np.ravel(array) for array in values.values()])


def _parameter(name: str, shape: tuple[int, ...], kind: Kind | None, is_head: bool, pictured: bool) -> Parameter:
    by_dimensions: dict[int, Kind] = {0: "bias", 1: "bias", 2: "linear", 4: "conv"}
    kind = kind or ("head" if is_head else by_dimensions.get(len(shape), "other"))
    layout: Layout = "matrix"
    if len(shape) < 2:
        layout = "vector"
    elif kind == "conv" and len(shape) == 4 and shape[1] in (1, 3):
        layout = "filters"
    elif kind == "conv" and math.prod(shape[2:]) > 1:
        layout = "kernels"
    return Parameter(name, kind, MODULES[kind], shape, "float32", layout, pictured=pictured)


def measure(parameter: Parameter, values: Array, first: Array, previous: Array, image_size: int) -> Measurement:
    """Everything that is known of `values`."""
    exact = np.asarray(values, np.float64).ravel()
    finite = exact[np.isfinite(exact)]
    start = np.asarray(first, np.float64).ravel()
    return Measurement(
        parameter=parameter,
        statistics=statistics(values, first, previous),
        counts=count(finite),
        percentiles=np.percentile(finite, PERCENTILES) if finite.size else np.full(len(PERCENTILES), math.nan),
        moved=_relative_change(exact, start),
        picture=picture(parameter, values, image_size, first) if parameter.pictured else None,
        spectrum=spectrum(parameter, values) if len(parameter.shape) > 1 and parameter.pictured else None,
    )


def spectrum(parameter: Parameter, values: Array) -> Spectrum:
    """Singular values of each matrix, and where those of noise of its spread end."""
    matrices = np.asarray(values, np.float64).reshape(parameter.stacked, -1, parameter.matrix_shape[1])
    shape = matrices.shape[1], matrices.shape[2]
    found = [
        np.linalg.svd(one, compute_uv=False) if np.isfinite(one).all() else np.full(min(shape), math.nan)
        for one in matrices
    ]
    with np.errstate(invalid="ignore"):
        edges = [one.std() * (math.sqrt(shape[0]) + math.sqrt(shape[1])) for one in matrices]
    return Spectrum(np.stack(found), np.array(edges), shape, complete=True)


def picture(parameter: Parameter, values: Array, image_size: int, first: Array | None = None) -> Picture:
    """The pooled maps and norms, by the definition of the blocks."""
    rows, channels = parameter.map_shape
    kernel = parameter.kernel
    exact = np.asarray(values, np.float64).reshape(rows, channels, kernel)
    matrix = exact.reshape(rows, channels * kernel)
    finite = np.where(np.isfinite(matrix), matrix, 0.0)
    height, width = parameter.cells(image_size, image_size)
    row_blocks, channel_blocks = _blocks(rows, height), _blocks(channels, width)
    column_blocks = [np.concatenate([np.arange(kernel) + kernel * c for c in block]) for block in channel_blocks]
    known = _reduce(np.sum, np.isfinite(matrix).astype(np.float64), row_blocks, column_blocks)
    rms = np.sqrt(_reduce(np.sum, finite**2, row_blocks, column_blocks) / np.maximum(known, 1.0))
    whole = np.isfinite(exact)
    row_norms = np.where(whole.all((1, 2)), np.linalg.norm(finite, axis=1), np.nan)
    norms = np.linalg.norm(finite.reshape(rows, channels, kernel), axis=(0, 2))
    column_norms = np.where(whole.all((0, 2)), norms, np.nan)
    one = np.isfinite(exact).sum((0, 1))
    with np.errstate(invalid="ignore"):
        sums = exact.sum(2) if kernel > 1 else None
        sizes = _reduce(np.sum, np.ones_like(matrix), row_blocks, column_blocks)
        mean = _reduce(np.sum, matrix, row_blocks, column_blocks) / sizes
    return Picture(
        extreme=_extreme(matrix, row_blocks, column_blocks),
        rms=rms.astype(np.float32),
        shape=(rows, channels),
        row_norms=_norm_range(row_norms, row_blocks),
        column_norms=_norm_range(column_norms, channel_blocks),
        filters=_filters(parameter, values) if parameter.layout == "filters" else None,
        sums=None if sums is None else _extreme(sums, row_blocks, channel_blocks),
        positions=None
        if kernel == 1
        else np.sqrt((finite.reshape(rows, channels, kernel) ** 2).sum((0, 1)) / one)
        .reshape(parameter.shape[2:])
        .astype(np.float32),
        mean=mean.astype(np.float32) if (height, width) != (rows, channels) or kernel > 1 else None,
        rank=_rank(parameter, values, values if first is None else first) if parameter.kind == "embedding" else None,
    )


def _filters(parameter: Parameter, values: Array) -> Array:
    tile = parameter.tile or (parameter.shape[1], math.prod(parameter.shape[2:-1]), parameter.shape[-1])
    return np.asarray(values, np.float32).reshape(-1, *tile)[: MAX_FILTER_VALUES // math.prod(tile)]


def _rank(parameter: Parameter, values: Array, first: Array) -> Rank:
    """On all values; no more than 256 rows, whose norms all come."""
    kept = np.delete(np.arange(len(values)), [] if parameter.padding_index is None else parameter.padding_index)
    changes = np.linalg.norm(values - first, axis=1)
    most = [row for row in np.argsort(-changes)[:9] if row in kept and changes[row] > 0][:8]
    norms = np.sort(np.linalg.norm(values[kept], axis=1))[::-1]
    return Rank(norms.astype(np.float32), np.array(most, np.int64), changes[most].astype(np.float32), 1.0)


def _extreme(matrix: Array, rows: list[Array], columns: list[Array]) -> Array:
    high, low = _reduce(np.max, matrix, rows, columns), _reduce(np.min, matrix, rows, columns)
    extreme = np.where(high >= -low, high, low).astype(np.float32)
    extreme[np.isnan(high)] = math.nan
    return extreme


def _reduce(reduction: Any, matrix: Array, row_blocks: list[Array], column_blocks: list[Array]) -> Array:
    tall = np.stack([reduction(matrix[block], axis=0) for block in row_blocks])
    return np.stack([reduction(tall[:, block], axis=1) for block in column_blocks], axis=1)


def _norm_range(norms: Array, blocks: Sequence[npt.NDArray[np.intp]]) -> npt.NDArray[np.float32]:
    """The smallest and the largest of each block that are known; NaN where none is."""
    ends = [(np.fmin.reduce(norms[block]), np.fmax.reduce(norms[block])) for block in blocks]
    return np.array(ends, np.float32)


def _blocks(length: int, limit: int) -> list[Array]:
    block_of = np.arange(length) * min(length, limit) // length
    return [np.flatnonzero(block_of == block) for block in range(min(length, limit))]


def count(finite: Array) -> Counts:
    """A fine histogram: sixteen buckets a power of two on either side of an exact zero."""
    if finite.size == 0:
        return Counts(np.array([0.0, 1.0]), np.zeros(1, np.int64), math.nan, math.nan, 0.0, 0.0)
    magnitudes = np.abs(finite[finite != 0])
    top = math.frexp(magnitudes.max())[1] if magnitudes.size else 1
    bottom = max(math.frexp(magnitudes.min())[1] - 1 if magnitudes.size else 0, top - 40)
    positive = np.concatenate([(1 + np.arange(16) / 16) * 2.0**power for power in range(bottom, top)] + [[2.0**top]])
    edges = np.concatenate([-positive[::-1], [0.0], positive])
    below = np.searchsorted(np.sort(finite), edges)
    total, squares = float(finite.sum()), float(finite @ finite)
    return Counts(edges, np.diff(below).astype(np.int64), float(finite.min()), float(finite.max()), total, squares)


def statistics(values: Array, first: Array, previous: Array) -> dict[str, float]:
    """Every statistic of the package, in float64; NaN where it has no meaning."""
    exact = np.asarray(values, np.float64)
    finite = exact[np.isfinite(exact)]
    result = {
        "zero_fraction": float(np.mean(finite == 0)) if finite.size else math.nan,
        "nan_count": float(np.isnan(exact).sum()),
        "inf_count": float(np.isinf(exact).sum()),
        "rotation": _rotation(exact.ravel(), np.asarray(first, np.float64).ravel()),
        "relative_change": _relative_change(exact.ravel(), np.asarray(previous, np.float64).ravel()),
        "update_ratio": math.nan,
    }
    names = ("mean", "std", "rms", "norm", "min", "max", "absmax", "kurtosis", "median")
    moments = dict.fromkeys(names, math.nan)
    if finite.size:
        squares = (finite - finite.mean()) ** 2
        variance = np.mean(squares)
        numbers = (
            finite.mean(),
            math.sqrt(variance),
            np.linalg.norm(finite) / math.sqrt(finite.size),
            np.linalg.norm(finite),
            finite.min(),
            finite.max(),
            np.abs(finite).max(),
            np.mean(squares**2) / variance**2 - 3 if variance > 0 else math.nan,
            np.median(finite),
        )
        moments = {name: float(value) for name, value in zip(names, numbers, strict=True)}
    shape = dict.fromkeys(("dead_units", "stable_rank", "spectral_norm"), math.nan)
    if exact.ndim >= 2:
        matrix = np.where(np.isfinite(exact), exact, 0.0).reshape(len(exact), -1)
        norms = np.linalg.norm(matrix, axis=1)
        # The singular values of a large matrix take seconds, and no view depends on them.
        largest = float(np.linalg.norm(matrix, 2)) if matrix.size <= 1 << 16 else math.nan
        shape["dead_units"] = float((norms <= 1e-6 * np.median(norms)).sum())
        shape["spectral_norm"] = largest
        shape["stable_rank"] = float(np.sum(matrix**2)) / largest**2 if largest > 0 else math.nan
    return {**moments, **result, **shape}


def _rotation(now: Array, first: Array) -> float:
    lengths = float(np.linalg.norm(now) * np.linalg.norm(first))
    with np.errstate(invalid="ignore"):
        return 1.0 - float(now @ first) / lengths if lengths > 0 else math.nan


def _relative_change(now: Array, previous: Array) -> float:
    length = float(np.linalg.norm(previous))
    with np.errstate(invalid="ignore"):
        return float(np.linalg.norm(now - previous)) / length if length > 0 else math.nan


def known(pairs: ClassPairs | None) -> Deferred[ClassPairs | None]:
    """A comparison that is done."""
    return Deferred(lambda: pairs)


def classes_of(
    name: str,
    weights: Weights,
    class_names: Sequence[str] | None = None,
    templates: Array | None = None,
    image_size: int = 256,
    multi_label: bool = False,
) -> tuple[ClassRows, ClassPairs | None]:
    """The head: norms, cosines and the distance to the simplex frame of rows centred over the classes."""
    rows = np.asarray(weights[name], np.float64).reshape(len(weights[name]), -1)
    classes, width = rows.shape
    single = classes == 1
    centred = rows if single or multi_label else rows - rows.mean(axis=0)
    norms = np.linalg.norm(centred, axis=1)
    products = centred @ centred.T
    cosine = products / np.maximum(np.outer(norms, norms), 1e-300)
    upper = np.triu_indices(classes, 1)
    order = np.argsort(-cosine[upper])[:10]
    np.fill_diagonal(cosine, math.nan)
    frame = (np.eye(classes) - 1 / classes) / math.sqrt(max(classes - 1, 1))
    bias = weights.get(name.removesuffix("weight") + "bias")
    rows_of_classes = ClassRows(
        name=name,
        class_names=tuple(class_names or (str(index) for index in range(classes))),
        width=width,
        picture=picture(Parameter(name, "head", "Linear", rows.shape, "float32", "matrix"), rows, image_size),
        norms=norms,
        bias=None if bias is None else np.asarray(bias, np.float64),
        templates=None if templates is None else np.asarray(templates, np.float32),
        template_path=() if templates is None else tuple(n for n, w in weights.items() if np.ndim(w) == 2),
        single=single,
        multi_label=multi_label,
    )
    if single:
        return rows_of_classes, None
    return rows_of_classes, ClassPairs(
        cosine=cosine.astype(np.float32),
        closest=tuple((int(upper[0][k]), int(upper[1][k]), float(cosine[upper][k])) for k in order),
        cosine_spread=float(np.std(cosine[upper])) if classes > 2 else math.nan,
        simplex_distance=math.nan
        if multi_label or width < classes - 1
        else float(np.linalg.norm(products / np.linalg.norm(products) - frame)),
    )
