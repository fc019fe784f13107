"""From what arrived of the head to its classes, one by one and compared."""

from __future__ import annotations

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
        picture = picture_of(Parameter(source.name, "head", "", tuple(source.weight.shape), "", "matrix"), drawn)
    else:
        picture = pictures[enqueued.place]

    def pairs() -> ClassPairs | None:
        return pairs_of(source, mine if enqueued.compare is None else mine | enqueued.compare(), picture)

    return rows_of(source, mine, picture), Deferred(pairs)


def rows_of(source: HeadSource, arrays: Arrays, picture: Picture) -> ClassRows:
    """The classes one by one."""
    count, width = source.weight.shape
    return ClassRows(
        name=source.name,
        class_names=source.class_names,
        width=width,
        picture=picture,
        norms=np.where(broken_rows(picture, count), np.nan, arrays["norms"].astype(np.float64)),
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
    if "pairs" not in arrays:
        return None
    count, width = source.weight.shape
    broken = broken_rows(picture, count)
    closest = tuple(
        (int(pair) // count, int(pair) % count, float(value))
        for pair, value in zip(arrays["pairs"], arrays["closest"], strict=True)
        if not broken[[int(pair) // count, int(pair) % count]].any()
    )
    has_frame = width >= count - 1 and not source.multi_label and not broken.any()
    cosine = arrays["cosine"].astype(np.float32)
    if len(cosine) == count:
        cosine[broken], cosine[:, broken] = np.nan, np.nan
    return ClassPairs(
        cosine=cosine,
        closest=closest,
        cosine_spread=float("nan") if broken.any() else float(arrays["spread"]),
        simplex_distance=float(arrays["simplex"]) if has_frame else float("nan"),
    )
