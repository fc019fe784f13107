"""From what arrived of the head to its classes, one by one and compared."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from lightning_weightviz.measure.enqueued import EnqueuedHead
from lightning_weightviz.measure.host.weight_map import picture_of
from lightning_weightviz.measure.inputs import HeadSource
from lightning_weightviz.measure.transfer import Arrays
from lightning_weightviz.run.deferred import Deferred
from lightning_weightviz.snapshot import ClassPairs, ClassRows, Parameter, Picture


def classes_of(
    enqueued: EnqueuedHead, arrays: Arrays, pictures: Mapping[int, Picture]
) -> tuple[ClassRows, Deferred[ClassPairs | None]]:
    """The classes, and what compares their pairs; that gives None where there are too many, or one alone.

    Args:
        enqueued: What was measured.
        arrays: What arrived from its device.
        pictures: Of the parameters, by place.
    """
    source = enqueued.source
    mine = {key[2]: values for key, values in arrays.items() if key[:2] == ("head", enqueued.number)}
    if enqueued.place is None:
        mark = "picture."
        drawn = {key.removeprefix(mark): values for key, values in mine.items() if key.startswith(mark)}
        parameter = Parameter(source.name, "head", "", tuple(source.weight.shape), "", "matrix")
        picture = picture_of(parameter, drawn, enqueued.finish)
    else:
        picture = pictures[enqueued.place]

    def pairs() -> ClassPairs | None:
        return pairs_of(source, mine if enqueued.compare is None else mine | enqueued.compare(), picture)

    return rows_of(source, mine, picture), Deferred(pairs)


def rows_of(source: HeadSource, arrays: Arrays, picture: Picture) -> ClassRows:
    """The classes one by one."""
    count, width = source.weight.shape
    norms = arrays["norms"].astype(np.float64) / float(arrays.get("scale", 1.0))
    return ClassRows(
        name=source.name,
        class_names=source.class_names,
        width=width,
        picture=picture,
        norms=np.where(broken_rows(picture, count), np.nan, norms),
        bias=arrays["bias"].astype(np.float64) if "bias" in arrays else None,
        templates=arrays["templates"].astype(np.float32) if "templates" in arrays else None,
        template_path=tuple(name for name, _ in source.chain) if "templates" in arrays else (),
        template_shape_given=source.input_shape_given,
        single=count == 1,
        multi_label=source.multi_label,
        in_columns=source.in_columns,
    )


def broken_rows(picture: Picture, count: int) -> npt.NDArray[np.bool_]:
    """Which classes hold a NaN or an infinity, (C,); where a cell holds several classes, all in it must, to be told."""
    cells = np.asarray(np.isnan(picture.row_norms).all(axis=1))
    return np.asarray(cells[np.arange(count) * len(cells) // count])


def pairs_of(source: HeadSource, arrays: Arrays, picture: Picture) -> ClassPairs | None:
    """The classes compared; None where they were not. Of one that is not finite nothing is known."""
    if "places" not in arrays:
        return None
    count, width = source.weight.shape
    broken = broken_rows(picture, count)
    closest = tuple((*pair, value) for pair, value in _closest(arrays, count) if not broken[list(pair)].any())
    has_frame = width >= count - 1 and not source.multi_label and not broken.any()
    cosine = arrays["cosine"].astype(np.float32)
    if len(cosine) == count:
        cosine[broken], cosine[:, broken] = np.nan, np.nan
    return ClassPairs(
        cosine=cosine,
        closest=closest,
        cosine_spread=float("nan") if broken.any() else float(arrays["apart"]) / math.sqrt(count * (count - 1)),
        simplex_distance=float(arrays["simplex"]) if has_frame else float("nan"),
    )


def _closest(arrays: Arrays, count: int) -> list[tuple[tuple[int, int], float]]:
    """The pairs of classes with the largest cosines, and these, the largest first; each may have arrived twice."""
    found: dict[tuple[int, int], float] = {}
    for place, value in zip(arrays["places"].tolist(), arrays["closest"].tolist(), strict=True):
        one, other = int(arrays["rows"][place // count]), place % count
        found.setdefault((min(one, other), max(one, other)), value)
    return list(found.items())[: len(arrays["closest"]) // 2]
