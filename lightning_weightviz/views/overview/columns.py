"""The overview's columns: the curves of each statistic, on scales of colours and as texts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from lightning_weightviz.draw.number import number, percent
from lightning_weightviz.memory import OVERVIEW_STATISTICS, key_of, statistics_key
from lightning_weightviz.snapshot import TOTAL, Target
from lightning_weightviz.views import Scene
from lightning_weightviz.views.overview.strips import Column
from lightning_weightviz.views.support.angle import degree_text, degrees

Values = npt.NDArray[np.float64]

GROWTH = 4.0
"""The colour scale of growth goes from 1/4 to 4 times."""
GROWTH_ENDS = "×¼", "×4"
CHANGE_DECADES, SIZE_DECADES = 3, 4
"""The colour scale of change goes from 0.1 % to 100 %, that of sizes over as many powers of ten."""
RIGHT_ANGLE = 90.0


def curves_of(scene: Scene, target: Target, names: Sequence[str]) -> Mapping[str, Values]:
    """Each statistic of the overview, the totals last, float64 (rows, T); NaN where a parameter was not measured."""
    memory = scene.memory
    unknown = np.full((len(memory.steps), len(OVERVIEW_STATISTICS)), np.nan)
    keys = [*(statistics_key(target, name) for name in names), key_of(target, TOTAL)]
    rows = [memory.statistics.get(key, unknown) for key in keys]
    values = np.stack(rows).astype(np.float64)
    return {statistic: values[:, :, index] for index, statistic in enumerate(OVERVIEW_STATISTICS)}


def of_weights(curves: Mapping[str, Values]) -> list[Column]:
    """The columns of weights."""
    rms, change, zeros = curves["rms"], curves["relative_change"], curves["zero_fraction"]
    turned, grown = degrees(curves["rotation"]), growth_factors(rms)
    sizes = Column(
        "size (rms)", growth(grown), _texts(rms, number), GROWTH_ENDS, signed=True, beyond=beyond_scale(grown)
    )
    return [
        sizes,
        Column("change", changes(change), _texts(change, percent), ("0.1%", "100%"), white_zero=True),
        Column("turned", turned / RIGHT_ANGLE, _texts(turned, degree_text), ("0°", "90°")),
        Column("zeros", zeros, _texts(zeros, percent), ("0", "100%")),
    ]


def of_others(curves: Mapping[str, Values]) -> list[Column]:
    """The columns of gradients and of updates."""
    rms, largest, zeros = curves["rms"], curves["absmax"], curves["zero_fraction"]
    known = largest[np.isfinite(largest) & (largest > 0)]
    top = 10.0 ** np.ceil(np.log10(known.max())) if known.size else 1.0
    ends = number(top * 10.0**-SIZE_DECADES), number(top)
    grown = growth_factors(rms, from_zero=True)
    return [
        Column("size (rms)", decades(rms, top, SIZE_DECADES), _texts(rms, number), ends),
        Column("largest", decades(largest, top, SIZE_DECADES), _texts(largest, number), ends),
        Column("growth", growth(grown), _texts(grown, times), GROWTH_ENDS, signed=True),
        Column("zeros", zeros, _texts(zeros, percent), ("0", "100%")),
    ]


def growth(factors: Values) -> Values:
    """log₄ of factors, within −1 and 1."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.clip(np.log(factors) / np.log(GROWTH), -1.0, 1.0))


def growth_factors(sizes: Values, *, from_zero: bool = False) -> Values:
    """How many times its first size each is, (rows, T); NaN where that is not known.

    Args:
        sizes: (rows, T), at least 0, or NaN.
        from_zero: Whether sizes that start at 0 are compared with the first that is not, as those of gradients; else
            nothing is said of them: weights that start at 0 on purpose grow beyond any factor.
    """
    counts = np.isfinite(sizes) & (sizes > 0) if from_zero else np.isfinite(sizes)
    first = np.take_along_axis(sizes, np.argmax(counts, axis=1)[:, None], axis=1)
    begun = np.logical_or.accumulate(counts, axis=1) & (first > 0)
    return np.divide(sizes, first, out=np.full_like(sizes, np.nan), where=begun)


def decades(values: Values, top: float, count: int) -> Values:
    """Where values are on a scale of `count` powers of ten up to `top`: 0 to 1, 0 for what is below it."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.clip(1.0 + np.log10(values / top) / count, 0.0, 1.0))


def changes(values: Values) -> Values:
    """Where changes are on their scale: 0 for what did not change at all, and for nothing else."""
    shares = decades(values, 1.0, CHANGE_DECADES)
    return np.where(values > 0, np.maximum(shares, np.finfo(np.float64).tiny), shares)


def _texts(values: Values, text: Callable[[float], str]) -> list[str]:
    """The newest of each row; a dash where there is none."""
    return [text(float(value)) if np.isfinite(value) else "–" for value in values[:, -1]]


def times(factor: float) -> str:
    """How many times as large: ``×50``."""
    return f"×{number(factor, digits=2)}"


def beyond_scale(factors: Values) -> list[str]:
    """The newest growth of each row where its colour is that of an end and more is meant; else empty."""
    newest = factors[:, -1]
    is_beyond = (newest > GROWTH) | ((newest < 1 / GROWTH) & (newest > 0))
    return [times(float(factor)) if beyond else "" for factor, beyond in zip(newest, is_beyond, strict=True)]
