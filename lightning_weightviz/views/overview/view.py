"""The overview: all parameters on one picture, what each statistic was over time and is now."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lightning_weightviz.artifacts import Artifact, Image, Raster
from lightning_weightviz.draw.color import INFINITE, NAN
from lightning_weightviz.draw.number import number, percent, shape_text
from lightning_weightviz.draw.page import CONTENT, INK, Page
from lightning_weightviz.draw.text import SMALL, fit_name, text_width
from lightning_weightviz.memory import OVERVIEW_STATISTICS, key_of, statistics_key
from lightning_weightviz.snapshot import TOTAL, Parameter, Target
from lightning_weightviz.views import Scene, view
from lightning_weightviz.views.overview.layout import MAX_MIDDLE, Row, StripLayout
from lightning_weightviz.views.overview.strips import (
    HOLDS_INFINITY,
    HOLDS_NAN,
    Codes,
    Column,
    draw_strips,
)
from lightning_weightviz.views.support.name_groups import shared_words
from lightning_weightviz.views.support.words import FROZEN, moment, whole

Values = npt.NDArray[np.float64]

STILL = 5.0
"""Degrees: weights that have turned by less since the start have hardly moved."""
GROWTH = 4.0
"""The colour scale of growth goes from 1/4 to 4 times."""
CHANGE_DECADES, SIZE_DECADES = 3, 4
"""The colour scale of change goes from 0.1 % to 100 %, that of sizes over as many powers of ten."""
RIGHT_ANGLE = 90.0
MAX_NAMED, NAME = 2, 330
"""How many names a sentence tells, and their width in pixels."""

WORDS_OF_WEIGHTS = (
    "Each strip runs from the first snapshot to now. size: its colour is growth since the first · "
    "change: since the snapshot before, white: exactly 0 · turned: angle to the start · "
    "grey: not defined, as growth from 0 is"
)
WORDS_OF_OTHERS = "Each strip runs from the first snapshot to now. growth: since the first · grey: not defined"


@dataclass(frozen=True)
class Overview:
    """A drawn overview.

    Attributes:
        raster: 720 pixels wide.
        layout: Where its strips are, in the order of `titles`.
        titles: Of the columns.
        caption: One line of plain text.
    """

    raster: Raster
    layout: StripLayout
    titles: tuple[str, ...]
    caption: str


@view("overview", over_time=True)
def overview(scene: Scene) -> Iterator[Artifact]:
    """Image ``overview/<target>`` of all parameters."""
    for target, measurements in scene.snapshot.targets.items():
        if measurements:
            drawn = draw_overview(scene, target)
            yield Image(f"overview/{target}", drawn.raster, drawn.caption)


def draw_overview(scene: Scene, target: Target) -> Overview:
    """Draws all parameters of a target, and below them their total."""
    parameters = [measurement.parameter for measurement in scene.snapshot.targets[target].values()]
    curves = _curves(scene, target, [parameter.name for parameter in parameters])
    prefix = "".join(f"{w}." for w in parameters[0].name.split(".")[: shared_words([p.name for p in parameters])])
    names = [parameter.name.removeprefix(prefix) for parameter in parameters]
    broken = np.zeros(curves["nan_count"].shape, np.int8)
    broken[curves["inf_count"] > 0] = HOLDS_INFINITY
    broken[curves["nan_count"] > 0] = HOLDS_NAN
    columns = _of_weights(curves) if target == "weights" else _of_others(curves)

    page = Page()
    many = "" if len(parameters) == 1 else "s"
    size = sum(parameter.size for parameter in parameters)
    when = moment(scene.snapshot)
    page.header(f"all {target}", f"{len(parameters)} parameter{many}, {size:,} values", f"{when} · {_span(scene)}")
    _write_findings(page, parameters, names, broken, curves, _headline(scene, target))
    page.y += 8
    rows = [
        *(
            Row(name, shape_text(p.own_shape), "" if p.trainable else FROZEN)
            for name, p in zip(names, parameters, strict=True)
        ),
        Row(TOTAL, f"{size:,}"),
    ]
    layout = draw_strips(page, rows, columns, broken, scene.style.colormap, scene.memory)
    page.paragraph(WORDS_OF_WEIGHTS if target == "weights" else WORDS_OF_OTHERS, size=SMALL)
    if prefix:
        page.paragraph(f"all names begin with {prefix}", size=SMALL)
    return Overview(page.raster(), layout, tuple(c.title for c in columns), f"all {target}, {when}")


def _headline(scene: Scene, target: Target) -> str | None:
    """The gravest finding, and how many more there are; None of other targets than the weights."""
    if target != "weights":
        return None
    more = f" · and {len(scene.findings) - 1} more" if len(scene.findings) > 1 else ""
    return "".join(scene.findings[:1]) + more


def _write_findings(
    page: Page,
    parameters: Sequence[Parameter],
    names: Sequence[str],
    broken: Codes,
    curves: Mapping[str, Values],
    headline: str | None,
) -> None:
    """What is to be known before the strips are read: what was found, or how all moves; what is broken and frozen.

    Args:
        page: To write on.
        parameters: Those shown.
        names: Theirs, as they are shown.
        broken: As of `draw_strips`.
        curves: As of `_curves`.
        headline: What was found; empty for nothing, None where nothing is looked for.
    """
    if headline:
        page.paragraph(headline, color=INK)
    for word, code, color in (("NaN", HOLDS_NAN, NAN), ("infinite values", HOLDS_INFINITY, INFINITE)):
        if found := [name for name, now in zip(names, broken[:-1, -1], strict=True) if now == code]:
            page.facts([(f"{word} in {_some(found)}", color)])
    matrices = np.array([len(parameter.shape) > 1 for parameter in parameters])
    motion = _motion(names, matrices, curves) if headline == "" else ()
    for text in [*_dead(names, matrices, curves), *motion]:
        page.paragraph(text, size=SMALL, color=INK)
    frozen = [name for name, parameter in zip(names, parameters, strict=True) if not parameter.trainable]
    # Of fewer rows each says so itself.
    if frozen and len(parameters) > MAX_MIDDLE:
        page.paragraph(f"frozen: {_some(frozen)}", size=SMALL, color=INK)


def _curves(scene: Scene, target: Target, names: Sequence[str]) -> Mapping[str, Values]:
    """Each statistic of the overview, the totals last, float64 (rows, T); NaN where a parameter was not measured."""
    memory = scene.memory
    unknown = np.full((len(memory.steps), len(OVERVIEW_STATISTICS)), np.nan)
    keys = [*(statistics_key(target, name) for name in names), key_of(target, TOTAL)]
    rows = [memory.statistics.get(key, unknown) for key in keys]
    values = np.stack(rows).astype(np.float64)
    return {statistic: values[:, :, index] for index, statistic in enumerate(OVERVIEW_STATISTICS)}


def _span(scene: Scene) -> str:
    if len(scene.memory.steps) == 1:
        return "the first snapshot"
    first, *_, last = scene.memory.steps
    return f"strips: step {whole(first)} → {whole(last)}"


def _of_weights(curves: Mapping[str, Values]) -> list[Column]:
    rms, change, zeros = curves["rms"], curves["relative_change"], curves["zero_fraction"]
    turned = degrees(curves["rotation"])
    return [
        Column("size (rms)", growth(growth_factors(rms)), _texts(rms, number), ("¼×", "4×"), signed=True),
        Column("change", changes(change), _texts(change, percent), ("0.1", "100%"), white_zero=True),
        Column("turned", turned / RIGHT_ANGLE, _texts(turned, _degrees), ("0°", "90°")),
        Column("zeros", zeros, _texts(zeros, percent), ("0", "100%")),
    ]


def _of_others(curves: Mapping[str, Values]) -> list[Column]:
    rms, largest, zeros = curves["rms"], curves["absmax"], curves["zero_fraction"]
    known = largest[np.isfinite(largest) & (largest > 0)]
    top = 10.0 ** np.ceil(np.log10(known.max())) if known.size else 1.0
    ends = number(top * 10.0**-SIZE_DECADES), number(top)
    grown = growth_factors(rms, from_zero=True)
    return [
        Column("size (rms)", decades(rms, top, SIZE_DECADES), _texts(rms, number), ends),
        Column("largest", decades(largest, top, SIZE_DECADES), _texts(largest, number), ends),
        Column("growth", growth(grown), _texts(grown, _times), ("¼×", "4×"), signed=True),
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


def degrees(rotation: Values) -> Values:
    """The angle whose cosine is 1 − `rotation`."""
    return np.asarray(np.degrees(np.arccos(np.clip(1.0 - rotation, -1.0, 1.0))))


def _texts(values: Values, text: Callable[[float], str]) -> list[str]:
    """The newest of each row; a dash where there is none."""
    return [text(float(value)) if np.isfinite(value) else "–" for value in values[:, -1]]


def _times(factor: float) -> str:
    return f"{number(factor)}×"


def _degrees(angle: float) -> str:
    return "<0.01°" if 0 < angle < 0.01 else f"{number(angle, digits=2)}°"


def _some(names: Sequence[str]) -> str:
    """The first few names, and how many more there are."""
    more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    return ", ".join(fit_name(name, NAME, SMALL) for name in names[:MAX_NAMED]) + more


def _dead(names: Sequence[str], matrices: npt.NDArray[np.bool_], curves: Mapping[str, Values]) -> Iterator[str]:
    """Matrices that are all zeros; a bias may well start so."""
    if found := np.flatnonzero(matrices & (curves["zero_fraction"][:-1, -1] == 1)).tolist():
        yield f"all zeros: {_some([names[row] for row in found])}"


def _motion(names: Sequence[str], matrices: npt.NDArray[np.bool_], curves: Mapping[str, Values]) -> Iterator[str]:
    """How far all weights together have turned since the start, and which matrices the most and the least."""
    angles = degrees(curves["rotation"][:, -1])
    known = np.flatnonzero(matrices & np.isfinite(angles[:-1]))
    if curves["rotation"].shape[1] < 2:
        return
    if np.isfinite(angles[-1]):
        angle = _degrees(angles[-1])
        hardly = (
            f"hardly turned since the start: {angle}" if angles[-1] < STILL else f"turned by {angle} since the start"
        )
        yield f"The weights have {hardly}."
    if known.size > 1:
        most, least = known[np.argmax(angles[known])], known[np.argmin(angles[known])]
        texts = [
            f"{word}: {_some([names[row]])} ({_degrees(angles[row])})"
            for word, row in (("most", most), ("least", least))
        ]
        both = " · ".join(texts)
        yield from [both] if text_width(both, SMALL) <= CONTENT else texts
