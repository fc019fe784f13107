"""A loss and an accuracy that the module logs, as strips below those of the weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from lightning_weightviz.draw.color import INFINITE, NO_VALUE, Painted, paint_magnitude
from lightning_weightviz.draw.number import number
from lightning_weightviz.draw.page import GREY, MARGIN, WIDTH, Page
from lightning_weightviz.draw.text import SMALL, fit_name
from lightning_weightviz.memory import Memory, is_accuracy, is_loss
from lightning_weightviz.views.overview.layout import STRIP, TALL, TEXT, TO_BASELINE, StripLayout
from lightning_weightviz.views.support.words import one_line


def draw_metrics(page: Page, layout: StripLayout, memory: Memory) -> bool:
    """Puts a loss and an accuracy below, over the same times, and moves `page.y`; False where none is logged."""
    chosen = shown(memory.metrics)
    left, width = layout.lefts[0], WIDTH - MARGIN - layout.lefts[0]
    for name in chosen:
        values, top = memory.metrics[name], page.y + TEXT
        low, high = _ends(values)
        by_factors = is_loss(name) and low > 0
        painted = paint_magnitude(_shares(values.astype(np.float64), low, high, by_factors=by_factors), 1.0)
        painted = painted.mark(np.isnan(values), NO_VALUE).mark(np.isinf(values), INFINITE)
        across = np.bincount(np.arange(width) * len(values) // width, minlength=len(values))
        title = fit_name(one_line(name), layout.names_width, SMALL, bold=True)
        page.text(MARGIN, top - TO_BASELINE, title, size=SMALL, bold=True, anchor="ls")
        strip = Painted(painted.rows[None], painted.table).trimmed()
        page.paste_rows(strip, left, [top], scale=(STRIP, across), framed=True)
        now = "–" if np.isnan(values[-1]) else number(float(values[-1]))
        page.text(left, top - TO_BASELINE, now, size=SMALL, color=GREY, anchor="ls")
        ends = f"dark {_apart(low, high)[0]} to bright {_apart(low, high)[1]}{', log' if by_factors else ''}"
        ends = ends if high > low else ""
        page.text(WIDTH - MARGIN, top - TO_BASELINE, ends, size=SMALL, color=GREY, anchor="rs")
        page.y += TALL
    return bool(chosen)


def shown(metrics: Mapping[str, npt.NDArray[np.float32]]) -> list[str]:
    """The loss and the accuracy to show: of training the loss, else any; of validation the accuracy, else any."""
    known = [name for name, values in metrics.items() if np.isfinite(values).any()]

    def best(is_it: Callable[[str], bool], *, validated: bool) -> list[str]:
        def order(name: str) -> tuple[bool, bool, int]:
            lower = name.lower()
            # What is logged at each step is of one batch.
            return lower.endswith("_step"), ("val" in lower) != validated, len(name)

        return sorted(filter(is_it, known), key=order)[:1]

    return best(is_loss, validated=False) + best(is_accuracy, validated=True)


def _shares(values: npt.NDArray[np.float64], low: float, high: float, *, by_factors: bool) -> npt.NDArray[np.float64]:
    """Where values are between the ends, 0 to 1; by factors, as a loss falls ever more slowly."""
    if by_factors:
        values, low, high = np.log(values), float(np.log(low)), float(np.log(high))
    return np.asarray((values - low) / ((high - low) or 1.0))


def _apart(low: float, high: float) -> tuple[str, str]:
    """Both as texts, with as many digits as tell them apart.

    >>> _apart(2.3021, 2.3027), _apart(0.5, 1.0)
    (('2.302', '2.303'), ('0.5', '1'))
    """
    texts = ((number(low, digits=digits), number(high, digits=digits)) for digits in range(3, 9))
    return next((both for both in texts if both[0] != both[1]), (number(low), number(high)))


def _ends(values: npt.NDArray[np.float32]) -> tuple[float, float]:
    finite = values[np.isfinite(values)]
    return float(finite.min()), float(finite.max())
