"""What is measured of the same parameters at one moment: weights, gradients and updates, each by a meter of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from torch import Tensor, nn

from lightning_weightviz.measure import HeadSource, Measured, Meter
from lightning_weightviz.measure.device.abilities import looks
from lightning_weightviz.model.copies import Copies
from lightning_weightviz.model.values import all_readable, differences
from lightning_weightviz.run.deferred import Deferred
from lightning_weightviz.snapshot import Parameter, Target

MOST_COPIED = 512 * 2**20
"""Bytes of weights on the host that are copied and measured later; training waits while more are measured."""


def on_host(tensors: Sequence[Tensor]) -> bool:
    """Whether all are where measuring takes the program's own time, not that of a device with a stream."""
    return all(looks(tensor.device) for tensor in tensors)


@dataclass(frozen=True)
class Measuring:
    """What is measured.

    Attributes:
        targets: Of which tensors.
        image_size: Most cells per axis of a picture.
        statistics: Those that are read; None: all.
        means: Whether pictures hold means too, from which changes are told.
        background: Whether weights on the host are copied, and measured when the result is asked for.
    """

    targets: tuple[Target, ...] = ("weights",)
    image_size: int = 256
    statistics: tuple[str, ...] | None = None
    means: bool = False
    background: bool = True

    def meter(self, parameters: Sequence[Parameter]) -> Meter:
        """A meter of these parameters."""
        return Meter(parameters, image_size=self.image_size, statistics=self.statistics, means=self.means)


class Targets:
    """Measures the targets of some parameters.

    Args:
        parameters: What each is.
        measuring: What is measured of them.
    """

    def __init__(self, parameters: Sequence[Parameter], measuring: Measuring) -> None:
        self._parameters = tuple(parameters)
        self._measuring = measuring
        self._meters: dict[Target, Meter] = {target: measuring.meter(parameters) for target in measuring.targets}
        # Gradients are measured of the parameters that have one.
        self._with_gradient = list(range(len(parameters)))
        self._gradients: dict[int, Tensor] = {}
        self._copies, self._spare = Copies(), Copies()
        self._previous: list[Tensor] | None = None

    def measure(
        self, parameters: Sequence[nn.Parameter], tensors: Sequence[Tensor], heads: Sequence[HeadSource]
    ) -> Deferred[dict[Target, Measured]] | None:
        """Measures; on a device with a stream, enqueues it; on the host, in the background, only copies.

        The results before must be there: their copies are overwritten.

        Args:
            parameters: As optimizers know them.
            tensors: Their values.
            heads: The layers whose rows are the classes, as they are now.

        Returns:
            Gives the results; any thread may ask. None where there is nothing to measure yet.
        """
        small = sum(one.nbytes for one in tensors) <= MOST_COPIED
        later = self._measuring.background and on_host(tensors) and small
        if "updates" in self._meters:
            self._copies, self._spare = self._spare, self._copies
        if later or "updates" in self._meters:
            self._copies.renew()
            tensors = [self._copies.of(tensor) for tensor in tensors]
            heads = [_copied(head, self._copies) for head in heads]
        pending: dict[Target, Deferred[Measured]] = {}
        if "weights" in self._meters:
            pending["weights"] = self._meters["weights"].measure(tensors, heads, later=later)
        if self._gradients and (observed := self._observed(parameters)):
            pending["gradients"] = self._meters["gradients"].measure(observed, later=later)
        if "updates" in self._meters:
            if self._previous is not None:
                changes = partial(differences, tensors, self._previous)
                pending["updates"] = self._meters["updates"].measure(changes, later=later)
            self._previous = list(tensors)
        return Deferred(lambda: {target: one.result() for target, one in pending.items()}) if pending else None

    def observe_gradients(self, parameters: Sequence[Tensor], scale: float) -> None:
        """Keeps a copy of gradients as they are now, divided by `scale`, for the next `measure`."""
        for parameter in parameters:
            if parameter.grad is not None:
                self._gradients[id(parameter)] = parameter.grad.detach() / scale

    def take_over(self, before: Targets) -> None:
        """Goes on with what was known of the parameters that stay."""
        self.load_state_dict(before.state_dict())
        self._gradients = before._gradients

    def forget_gradients(self) -> None:
        """Lets the copies go."""
        self._gradients = {}

    def _observed(self, parameters: Sequence[nn.Parameter]) -> list[Tensor]:
        """The gradients there are, whose meter is one of just these parameters."""
        places = [index for index, parameter in enumerate(parameters) if id(parameter) in self._gradients]
        named = [
            (f"the gradient of {self._parameters[index].name}", self._gradients[id(parameters[index])])
            for index in places
        ]
        self.forget_gradients()
        gradients = all_readable(named)
        if places != self._with_gradient:
            meter = self._measuring.meter([self._parameters[index] for index in places])
            meter.load_state_dict(self._meters["gradients"].state_dict())
            self._meters["gradients"], self._with_gradient = meter, places
        return gradients

    def before_step(self, tensors: Sequence[Tensor], which: Sequence[int]) -> None:
        """As of `lightning_weightviz.measure.Meter`, for the weights."""
        if "weights" in self._meters:
            self._meters["weights"].before_step(tensors, which)

    def after_step(self, tensors: Sequence[Tensor], which: Sequence[int]) -> None:
        """As of `lightning_weightviz.measure.Meter`, for the weights."""
        if "weights" in self._meters:
            self._meters["weights"].after_step(tensors, which)

    def take_step(self, sums: Tensor, which: Sequence[int]) -> None:
        """As of `lightning_weightviz.measure.Meter`, for the weights."""
        if "weights" in self._meters:
            self._meters["weights"].take_step(sums, which)

    def rest(self) -> None:
        """Frees the buffers kept between snapshots; updates start anew."""
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
