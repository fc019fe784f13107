"""How far an optimizer step takes weights that are spread over ranks: each measures its part, and one sum adds them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from lightning_weightviz.measure.device.change import StepDistances
from lightning_weightviz.measure.device.subset import shares
from lightning_weightviz.model import sharding


class LocalSteps:
    """Watches steps on this rank's part of each parameter; nothing is gathered.

    Args:
        parameters: How many there are.
    """

    def __init__(self, parameters: int) -> None:
        self._count = parameters
        self._sizes: list[int] = [0] * parameters
        self._kept: list[int] = [0] * parameters
        self._copies: list[int] = [1] * parameters
        self._steps = StepDistances(self._sizes, self._kept)

    def before(self, tensors: Sequence[Tensor], which: Sequence[int]) -> None:
        """Remembers parameters `which`, as they are spread, before a step."""
        parts = [sharding.local(tensor) for tensor in tensors]
        sizes = list(self._sizes)
        for tensor, part, index in zip(tensors, parts, which, strict=True):
            sizes[index], self._copies[index] = part.numel(), sharding.copies(tensor)
        if sizes != self._sizes:
            self._sizes, self._kept = sizes, shares(sizes)
            self._steps = StepDistances(self._sizes, self._kept)
        self._steps.before(parts, which)

    def after(self, tensors: Sequence[Tensor], which: Sequence[int]) -> None:
        """Measures the step."""
        self._steps.after([sharding.local(tensor) for tensor in tensors], which)

    def take(self, device: torch.device) -> tuple[list[int], Tensor]:
        """The steps seen since the last call: which parameters, and ‖Δw‖² and ‖w before‖² of them, (k, 2).

        A collective, of the same size on every rank whatever a rank has seen.

        Args:
            device: Where the ranks meet.
        """
        sums = torch.zeros(self._count, 2, dtype=torch.float32, device=device)
        seen: list[int] = []
        for steps in self._steps.take().values():
            for owners, found in steps:
                # What is sampled stands for the whole part; what several ranks hold counts once.
                share = [self._sizes[i] / max(self._kept[i], 1) / self._copies[i] for i in owners]
                weight = torch.tensor(share, dtype=torch.float32, device="cpu").to(device, non_blocking=True)
                sums[list(owners)] = found.to(device, torch.float32) * weight.unsqueeze(1)
                seen += [index for index in owners if index not in seen]
        return seen, sharding.summed(sums, "steps")[seen]
