"""Gradients as they were when they could be seen: optimizers let them go before a snapshot is taken."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from lightning_weightviz.model.sharding import gradient_of


class Gradients:
    """Copies of gradients, by parameter."""

    def __init__(self) -> None:
        self._kept: dict[int, Tensor] = {}

    def observe(self, parameters: Sequence[Tensor], scale: float) -> None:
        """Keeps a copy of each gradient that there is, divided by `scale`."""
        for parameter in parameters:
            if (gradient := gradient_of(parameter)) is not None:
                self._kept[id(parameter)] = gradient / scale

    def forget(self) -> None:
        """Lets the copies go."""
        self._kept = {}

    def take(self, parameters: Sequence[Tensor]) -> dict[int, Tensor]:
        """Those that were kept of these parameters, by place among them; they are let go."""
        kept = {place: self._kept[id(one)] for place, one in enumerate(parameters) if id(one) in self._kept}
        self.forget()
        return kept
