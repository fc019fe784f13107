"""Which pictures are worth drawing: those that look other than when they were last drawn, the most changed first."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from lightning_weightviz.draw.color import STEPS
from lightning_weightviz.memory import Memory, extra_key, extra_maps, key_of, templates_key
from lightning_weightviz.snapshot import ClassRows, Picture
from lightning_weightviz.views.support.scene import Scene

Floats = npt.NDArray[np.floating]
Looks = tuple[tuple[Floats, float], ...]
"""What a picture shows: values, each with the R that they are drawn in."""


@dataclass(frozen=True)
class Change:
    """By how much a picture looks other than when it was last drawn, in colour steps; infinite where it cannot be told.

    Attributes:
        largest: Of one cell.
        usual: Root mean square over the cells.
    """

    largest: float
    usual: float


UNKNOWN = Change(math.inf, math.inf)


class Worth:
    """Chooses the pictures of each snapshot; give it the scenes in the order of time.

    Attributes:
        drawn: Keys of what is drawn of the newest snapshot.
        left_out: Keys of what is not.
    """

    def __init__(self) -> None:
        self._newest: dict[str, Looks] = {}
        self.drawn = self.left_out = frozenset[str]()

    def choose(self, scene: Scene, share: float) -> Scene:
        """The scene with what is to be drawn of it, which counts as drawn from here on.

        Args:
            scene: A snapshot.
            share: How many of its pictures may be drawn, from 0, none at all, to 1.
        """
        looks = dict(_looks(scene))
        changes = {key: change(now, self._newest.get(key, ())) for key, now in looks.items()}
        by_change = sorted(changes, key=lambda key: -changes[key].usual)
        affordable = frozenset(by_change[: math.ceil(share * len(by_change))])
        unchanged = frozenset(key for key, one in changes.items() if one.largest <= 1)
        self.drawn = affordable - unchanged
        self.left_out = frozenset(looks) - self.drawn
        self._newest.update({key: looks[key] for key in self.drawn})
        return replace(scene, draws=share > 0, affordable=affordable, unchanged=unchanged)


def change(now: Looks, then: Looks) -> Change:
    """From what was drawn to what would be; `UNKNOWN` where one range or shape is another.

    >>> change(((np.array([1.0, 0.5]), 2.0),), ((np.array([0.94, 0.5]), 2.0),)).largest
    3.0
    """
    if [(values.shape, limit) for values, limit in now] != [(values.shape, limit) for values, limit in then]:
        return UNKNOWN
    largest, squares, count = 0.0, 0.0, 0
    for (values, limit), (before, _) in zip(now, then, strict=True):
        with np.errstate(invalid="ignore", over="ignore"):
            steps = np.abs(values - before) * (STEPS / limit)
        # NaN where both are NaN, or infinities of one sign, which look the same.
        if not np.isfinite(steps).all():
            broken = ~np.isfinite(steps)
            if not np.array_equal(values[broken], before[broken], equal_nan=True):
                return UNKNOWN
            steps = np.where(broken, 0, steps)
        largest = max(largest, float(steps.max(initial=0.0)))
        squares += float(np.square(steps, dtype=np.float64).sum())
        count += steps.size
    return Change(round(largest, 4), math.sqrt(squares / max(count, 1)))


def _looks(scene: Scene) -> Iterator[tuple[str, Looks]]:
    """By key, of all parameters and heads with pictures."""
    for target, measurements in scene.snapshot.targets.items():
        for name, measurement in measurements.items():
            if measurement.picture is not None and measurement.parameter.size > 0:
                key = key_of(target, name)
                yield key, _of_parameter(scene.memory, key, measurement.picture)
    for index, head in enumerate(scene.snapshot.heads):
        yield templates_key(index, head), _of_head(scene.memory, templates_key(index, head), head)


def _of_parameter(memory: Memory, key: str, picture: Picture) -> Looks:
    values = picture.extreme if picture.filters is None else picture.filters
    maps = [(values, memory.ranges[key])]
    maps += [(extra, memory.ranges[extra_key(key, name)]) for name, extra in extra_maps(picture).items()]
    return (*maps, _scaled(picture.row_norms), _scaled(picture.column_norms))


def _of_head(memory: Memory, key: str, head: ClassRows) -> Looks:
    looks = [_scaled(head.picture.extreme), _scaled(head.norms)]
    if head.bias is not None:
        looks.append(_scaled(head.bias))
    if head.templates is not None:
        looks.append((head.templates, memory.ranges.get(key) or 1.0))
    return tuple(looks)


def _scaled(values: Floats) -> tuple[Floats, float]:
    """Drawn up to the largest magnitude, on a scale that moves with it: in powers of two, that little moves nothing."""
    largest = float(np.max(np.abs(values), where=np.isfinite(values), initial=0.0))
    return values, 2.0 ** min(math.frexp(largest)[1], 127)
