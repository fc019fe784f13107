"""What is measured of the same parameters at one moment: weights, gradients and updates, each by a meter of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from torch import Tensor, nn

from lightning_weightviz.measure import HeadSource, Measured, Meter
from lightning_weightviz.measure.device.abilities import looks
from lightning_weightviz.model.copies import Copies
from lightning_weightviz.model.values import differences, gradients, readable
from lightning_weightviz.run.deferred import Deferred
from lightning_weightviz.settings import Settings
from lightning_weightviz.snapshot import Parameter, Target

MOST_COPIED = 512 * 2**20
"""Bytes of weights on the host that are copied and measured later; training waits while more are measured."""


def on_host(tensors: Sequence[Tensor]) -> bool:
    """Whether all are where measuring takes the program's own time, not that of a device with a stream."""
    return all(looks(tensor.device) for tensor in tensors)


class Meters:
    """Measures the targets that the settings ask for.

    Args:
        parameters: What each is.
        settings: The user's.
    """

    def __init__(self, parameters: Sequence[Parameter], settings: Settings) -> None:
        self._meters: dict[Target, Meter] = {
            target: Meter(
                parameters,
                image_size=settings.image_size,
                statistics=settings.statistics,
                means=settings.needs_start,
            )
            for target in settings.targets
        }
        self._gradients: dict[int, Tensor] = {}
        self._copies, self._spare = Copies(), Copies()
        self._previous: list[Tensor] | None = None

    def measure(
        self, parameters: Sequence[nn.Parameter], tensors: Sequence[Tensor], head: HeadSource | None, *, later: bool
    ) -> Callable[[], dict[Target, Measured]] | None:
        """Measures; on a device with a stream, enqueues it.

        Args:
            parameters: As optimizers know them.
            tensors: Their values.
            head: The layer whose rows are the classes, as it is now.
            later: Only copy the values, and measure where the result is called. All results before must be there.

        Returns:
            Gives the results; any thread may call it. None where there is nothing to measure yet.
        """
        if "updates" in self._meters:
            self._copies, self._spare = self._spare, self._copies
        if later or "updates" in self._meters:
            self._copies.renew()
            tensors = [self._copies.of(tensor) for tensor in tensors]
            head = head and _copied(head, self._copies)
        pending: dict[Target, Deferred[Measured]] = {}
        if "weights" in self._meters:
            pending["weights"] = self._meters["weights"].measure(tensors, head, later=later)
        if self._gradients:
            observed = readable(gradients(parameters, self._gradients))
            pending["gradients"] = self._meters["gradients"].measure(observed, later=later)
            self.forget_gradients()
        if "updates" in self._meters:
            if self._previous is not None:
                changes = partial(differences, tensors, self._previous)
                pending["updates"] = self._meters["updates"].measure(changes, later=later)
            self._previous = list(tensors)
        return (lambda: {target: one.result() for target, one in pending.items()}) if pending else None

    def observe_gradients(self, parameters: Sequence[Tensor], scale: float) -> None:
        """Keeps a copy of gradients as they are now, divided by `scale`, for the next `measure`."""
        for parameter in parameters:
            if parameter.grad is not None:
                self._gradients[id(parameter)] = parameter.grad.detach() / scale

    def forget_gradients(self) -> None:
        """Lets the copies go."""
        self._gradients = {}

    def before_step(self, tensors: Sequence[Tensor], which: Sequence[int]) -> None:
        """As of `lightning_weightviz.measure.Meter`, for the weights."""
        if "weights" in self._meters:
            self._meters["weights"].before_step(tensors, which)

    def after_step(self, tensors: Sequence[Tensor], which: Sequence[int]) -> None:
        """As of `lightning_weightviz.measure.Meter`, for the weights."""
        if "weights" in self._meters:
            self._meters["weights"].after_step(tensors, which)

    def rest(self) -> None:
        """Lets the memory go that is needed from one snapshot to the next; updates start anew."""
        self._copies, self._spare, self._previous = Copies(), Copies(), None

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run needs, by target."""
        return {target: meter.state_dict() for target, meter in self._meters.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on where `state_dict` was taken."""
        for target, meter in self._meters.items():
            if target in state:
                meter.load_state_dict(state[target])


def _copied(head: HeadSource, copies: Copies) -> HeadSource:
    return replace(
        head,
        weight=copies.of(head.weight),
        bias=None if head.bias is None else copies.of(head.bias),
        chain=tuple((name, copies.of(weight)) for name, weight in head.chain),
    )
