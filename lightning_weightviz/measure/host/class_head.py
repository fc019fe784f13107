"""From what arrived of the head to its classes, one by one and compared."""

from __future__ import annotations

import numpy as np

from lightning_weightviz.measure.inputs import HeadSource
from lightning_weightviz.measure.transfer import Arrays
from lightning_weightviz.snapshot import ClassPairs, ClassRows, Picture


def rows_of(source: HeadSource, arrays: Arrays, picture: Picture) -> ClassRows:
    """The classes one by one."""
    count, width = source.weight.shape
    return ClassRows(
        name=source.name,
        class_names=source.class_names,
        width=width,
        picture=picture,
        norms=arrays["norms"].astype(np.float64),
        bias=arrays["bias"].astype(np.float64) if "bias" in arrays else None,
        templates=arrays["templates"].astype(np.float32) if "templates" in arrays else None,
        template_path=tuple(name for name, _ in source.chain) if "templates" in arrays else (),
        template_shape_given=source.input_shape_given,
        single=count == 1,
        multi_label=source.multi_label,
    )


def pairs_of(source: HeadSource, arrays: Arrays) -> ClassPairs | None:
    """The classes compared; None where they were not."""
    if "pairs" not in arrays:
        return None
    count, width = source.weight.shape
    closest = tuple(
        (int(pair) // count, int(pair) % count, float(value))
        for pair, value in zip(arrays["pairs"], arrays["closest"], strict=True)
    )
    has_frame = width >= count - 1 and not source.multi_label
    return ClassPairs(
        cosine=arrays["cosine"].astype(np.float32),
        closest=closest,
        cosine_spread=float(arrays["spread"]),
        simplex_distance=float(arrays["simplex"]) if has_frame else float("nan"),
    )
