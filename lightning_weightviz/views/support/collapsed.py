"""Weights that have collapsed: what is left of them, or of their differences, is rounding, and is not drawn."""

from __future__ import annotations

import numpy as np

from lightning_weightviz.artifacts import Raster
from lightning_weightviz.draw.number import number
from lightning_weightviz.draw.page import INK, Page
from lightning_weightviz.memory import RECORDED, statistics_key
from lightning_weightviz.snapshot import ClassRows, Measurement, Target
from lightning_weightviz.views import Scene

NOTHING = 1e-6
"""Of the size at the start, or of the rows themselves: what is no larger is nothing beside it, float32 keeps 1e-7."""


def collapsed(scene: Scene, target: Target, measurement: Measurement) -> str:
    """A sentence on weights that are next to nothing of their start, though not 0; else empty."""
    past, now = scene.memory.past, measurement.statistics["rms"]
    place = past.places.get(statistics_key("weights", measurement.parameter.name))
    if target != "weights" or place is None or not now > 0:
        return ""
    start = float(past.starts[place, RECORDED.index("rms")])
    return _gone("rms", now, start) if now <= NOTHING * start else ""


def collapsed_classes(scene: Scene, head: ClassRows) -> str:
    """A sentence on the rows of a head that are next to nothing, or the same for all classes; else empty."""
    norms, rows = head.norms[np.isfinite(head.norms)], head.picture.row_norms
    longest = float(np.max(rows, where=np.isfinite(rows), initial=0.0))
    if norms.size < 2 or not norms.max() > 0:
        return ""
    if not head.multi_label and norms.max() <= NOTHING * longest:
        equal = f"the {head.line}s of all classes are the same up to rounding, and so are the answers to any input"
        return f"collapsed: {equal}. Their differences, {number(float(norms.max()), digits=2)} long, are not drawn."
    _, past = scene.memory.past.classes.get(head.name, (None, np.zeros((0, 2, 0), np.float32)))
    start = float(np.max(past[:1, 0], where=np.isfinite(past[:1, 0]), initial=0.0))
    return _gone("longest norm", float(norms.max()), start) if norms.max() <= NOTHING * start else ""


def _gone(word: str, now: float, start: float) -> str:
    times = f"{number(now, digits=2)}, {number(now / start, digits=2)} times that at the start"
    return f"collapsed: {word} {times}. What is left says nothing and is not drawn."


def draw_collapsed(name: str, what: str, when: str, sentence: str) -> Raster:
    """A page with the sentence in place of a picture."""
    page = Page()
    page.header(name, what, when)
    page.paragraph(sentence, color=INK)
    return page.raster()
