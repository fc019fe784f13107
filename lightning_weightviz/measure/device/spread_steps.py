"""How far an optimizer step takes parameters of which only some rectangles are here, on the elements that are kept."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from lightning_weightviz.measure.device.subset import SpreadSubset
from lightning_weightviz.measure.parts import Spread


class SpreadSteps:
    """Watches steps; what it finds here is to be added up over all processes.

    Args:
        subset: Which elements are kept.
    """

    def __init__(self, subset: SpreadSubset) -> None:
        self._subset = subset
        self._before: dict[int, Tensor] = {}
        self._sums: dict[int, Tensor] = {}

    def before(self, spreads: Sequence[Spread], which: Sequence[int]) -> None:
        """Remembers parameters `which`, whose values are `spreads`, before a step."""
        for place, spread in zip(which, spreads, strict=True):
            self._before[place] = self._subset.here(place, spread)

    def after(self, spreads: Sequence[Spread], which: Sequence[int]) -> None:
        """Measures the step; nothing where `before` was not called for a parameter."""
        for place, spread in zip(which, spreads, strict=True):
            before = self._before.pop(place, None)
            if before is not None:
                now = self._subset.here(place, spread)
                both = before.isfinite() & now.isfinite()
                a, b = torch.where(both, now, 0.0), torch.where(both, before, 0.0)
                self._sums[place] = torch.stack([(a - b).square().sum(), b.square().sum()])

    def forget(self) -> None:
        """Lets the steps seen go, and what is remembered of one that is not over."""
        self._before, self._sums = {}, {}

    def take(self) -> dict[int, Tensor]:
        """By place, ‖Δw‖² and ‖w before‖² of what is here, float64, (2,), of the steps since the last call."""
        sums, self._sums = self._sums, {}
        return sums
