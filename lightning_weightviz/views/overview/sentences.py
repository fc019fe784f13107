"""What is to be known before the overview's strips are read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from lightning_weightviz.draw.color import INFINITE, NAN
from lightning_weightviz.draw.page import CONTENT, INK, Page
from lightning_weightviz.draw.text import SMALL, fit_name, text_width
from lightning_weightviz.snapshot import Parameter
from lightning_weightviz.views.overview.columns import GROWTH, Values, growth_factors, times
from lightning_weightviz.views.overview.layout import MAX_MIDDLE
from lightning_weightviz.views.overview.strips import HOLDS_INFINITY, HOLDS_NAN, Codes
from lightning_weightviz.views.support.angle import degree_text, degrees

STILL = 5.0
"""Degrees: weights that have turned by less since the start have hardly moved."""
MAX_NAMED, NAME = 2, 330
"""How many names a sentence tells, and their width in pixels."""


def write_sentences(
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
        curves: As of `curves_of`.
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
    if headline is not None and len(parameters) > MAX_MIDDLE:
        _write_beyond(page, names, growth_factors(curves["rms"])[:-1, -1])


def _write_beyond(page: Page, names: Sequence[str], grown: Values) -> None:
    """The rows that have grown or shrunk the most, where that is beyond the colours and no row bears its number."""
    with np.errstate(divide="ignore", invalid="ignore"):
        far = np.nan_to_num(np.abs(np.log(grown)), nan=0.0, posinf=0.0)
    order = [row for row in np.argsort(-far, kind="stable").tolist() if far[row] > np.log(GROWTH)]
    if order:
        some = _some([names[row] for row in order], [f" {times(grown[row])}" for row in order])
        page.paragraph(f"size beyond the colours: {some}", size=SMALL, color=INK)


def _some(names: Sequence[str], behind: Sequence[str] = ("",) * MAX_NAMED) -> str:
    """The first few names, with something behind each, and how many more there are."""
    more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    return (
        ", ".join(fit_name(name, NAME, SMALL) + text for name, text in zip(names[:MAX_NAMED], behind, strict=False))
        + more
    )


def _dead(names: Sequence[str], matrices: npt.NDArray[np.bool_], curves: Mapping[str, Values]) -> Iterator[str]:
    """Matrices that are all zeros; a bias may well start so, and what holds a NaN is no zero."""
    finite = (curves["nan_count"] + curves["inf_count"])[:-1, -1] == 0
    if found := np.flatnonzero(matrices & finite & (curves["zero_fraction"][:-1, -1] == 1)).tolist():
        yield f"all zeros: {_some([names[row] for row in found])}"


def _motion(names: Sequence[str], matrices: npt.NDArray[np.bool_], curves: Mapping[str, Values]) -> Iterator[str]:
    """How far all weights together have turned since the start, and which matrices the most and the least."""
    angles = degrees(curves["rotation"][:, -1])
    known = np.flatnonzero(matrices & np.isfinite(angles[:-1]))
    if curves["rotation"].shape[1] < 2:
        return
    if np.isfinite(angles[-1]):
        angle = degree_text(angles[-1])
        hardly = (
            f"hardly turned since the start: {angle}" if angles[-1] < STILL else f"turned by {angle} since the start"
        )
        yield f"The weights have {hardly}."
    if known.size > 1:
        most, least = known[np.argmax(angles[known])], known[np.argmin(angles[known])]
        texts = [
            f"{word}: {_some([names[row]])} ({degree_text(angles[row])})"
            for word, row in (("most", most), ("least", least))
        ]
        both = " · ".join(texts)
        yield from [both] if text_width(both, SMALL) <= CONTENT else texts
