"""A run as what the page's script reads: names and words as JSON, numbers as blocks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from lightning_weightviz.findings import Finding
from lightning_weightviz.page.data import Classes, Floats, Histograms, Layer, Map, PageData, Series, Spectra, When
from lightning_weightviz.page.encode import FINE, Block, Note, decoded
from lightning_weightviz.snapshot import Parameter
from lightning_weightviz.views.support.words import axis_nouns, describe, row_word

Json = dict[str, Any]

FORMAT = 1
"""Another number where a script of this version cannot read what an older or newer one has written."""
STRIPS = ("rms", "relative_change", "rotation")
"""What the table of layers shows over time."""


def described(data: PageData, steps: int = FINE) -> tuple[Json, list[Block]]:
    """What a page knows of a run.

    Args:
        data: The run.
        steps: Of cells, on each side of 0, at most.

    Returns:
        What is written as JSON, and the blocks: one of the whole model, then one a layer, then one a head.
    """
    whole, blocks = Block(), []
    layers, heads = [], []
    for layer in data.layers:
        blocks.append(Block())
        layers.append(_layer(layer, blocks[-1], len(blocks), steps))
    for head in data.heads:
        blocks.append(Block())
        heads.append(_head(head, blocks[-1], len(blocks), steps))
    return {
        "format": FORMAT,
        "title": data.title,
        "timeless": data.timeless,
        "colours": None if data.colors is None else data.colors.tobytes().hex(),
        "snapshots": data.snapshots,
        "moments": _times(data.moments),
        "frames": _times(data.frames),
        "layers": layers,
        "heads": heads,
        "findings": [_finding(finding, place in data.open) for place, finding in enumerate(data.findings)],
        "strips": whole.numbers(_strips(data)),
        "totals": {target: _curves(curves, whole) for target, curves in data.totals.items()},
    }, [whole, *blocks]


def _times(times: Sequence[When]) -> Json:
    return {name: [getattr(time, name) for time in times] for name in ("ordinal", "epoch", "step")}


def _finding(finding: Finding, holds: bool) -> Json:
    names = ("rule", "severity", "parameter", "unit", "epoch", "step", "cause", "advice", "source", "timeless")
    return {**{name: getattr(finding, name) for name in names}, "message": finding.headline, "open": holds}


def _strips(data: PageData) -> Floats:
    """(3, layers, T) of each layer's first target."""
    strips = np.full((len(STRIPS), len(data.layers), len(data.moments)), np.nan, np.float32)
    for place, layer in enumerate(data.layers):
        series = next(iter(layer.targets.values()), None)
        for index, name in enumerate(STRIPS):
            if series is not None and name in series.statistics:
                strips[index, place] = series.statistics[name]
    return strips


def _curves(curves: Mapping[str, Floats], block: Block) -> Json:
    if not curves:
        return {"names": [], "values": None}
    return {"names": list(curves), "values": block.numbers(np.stack(list(curves.values())))}


def _layer(layer: Layer, block: Block, place: int, steps: int) -> Json:
    parameter = layer.parameter
    row, column = axis_nouns(parameter)
    return {
        "name": parameter.name,
        "block": place,
        "words": describe(parameter),
        "kind": parameter.kind,
        "layout": parameter.layout,
        "dtype": parameter.dtype,
        "size": parameter.size,
        "shape": list(parameter.own_shape),
        "aliases": list(parameter.aliases),
        "trainable": parameter.trainable,
        "blocks": list(parameter.blocks),
        "heads": parameter.heads,
        "stacked": parameter.stacked,
        "unitsAxis": parameter.units_axis,
        "transposed": parameter.is_transposed,
        "row": row,
        "column": column,
        "unit": row_word(parameter),
        "targets": {target: _series(series, parameter, block, steps) for target, series in layer.targets.items()},
    }


def _series(series: Series, parameter: Parameter, block: Block, steps: int) -> Json:
    return {
        "curves": _curves(series.statistics, block),
        "maps": [_map(one, block, steps) for one in series.maps],
        "histograms": None if series.histograms is None else _histograms(series.histograms, block),
        "spectra": None if series.spectra is None else _spectra(series.spectra, block),
    }


def _map(one: Map, block: Block, steps: int) -> Json:
    cells = block.cells(one.cells, one.limit, steps)
    rms: Note | None = None
    if one.rms is not None:
        values = math.prod(one.shape) / max(math.prod(one.cells.shape[1:3]), 1)
        rms = block.shares(one.rms, np.abs(decoded(one.cells, cells)), values)
    return {
        "name": one.name,
        "frames": one.frames.tolist(),
        "kept": None if one.kept is None else one.kept.tolist(),
        "off": None if one.off is None else one.off.tolist(),
        "shape": list(one.shape),
        "limit": one.limit,
        "signed": one.signed,
        "cells": cells,
        "rms": rms,
    }


def _histograms(histograms: Histograms, block: Block) -> Json:
    return {
        "frames": histograms.frames.tolist(),
        "edges": block.numbers(histograms.edges),
        "counts": block.numbers(histograms.counts),
    }


def _spectra(spectra: Spectra, block: Block) -> Json:
    return {
        "frames": spectra.frames.tolist(),
        "values": block.numbers(spectra.values),
        "edges": block.numbers(spectra.edges),
        "exact": spectra.exact,
    }


def _head(head: Classes, block: Block, place: int, steps: int) -> Json:
    def numbers(values: npt.NDArray[np.float32] | None) -> Note | None:
        return None if values is None else block.numbers(values)

    def cells(values: npt.NDArray[np.float32] | None, limit: float) -> Note | None:
        return None if values is None else block.cells(values, limit, steps)

    return {
        "name": head.name,
        "block": place,
        "classes": list(head.class_names),
        "frames": head.frames.tolist(),
        "norms": numbers(head.norms),
        "bias": numbers(head.bias),
        "cosine": cells(head.cosine, 1.0),
        "templates": cells(head.templates, head.limit),
        "limit": head.limit,
    }
