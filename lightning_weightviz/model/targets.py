"""What is measured of the same parameters at one moment: weights, gradients and updates, each by a meter of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from lightning_weightviz.measure import HeadSource, Measured, Meter
from lightning_weightviz.measure.device.abilities import looks
from lightning_weightviz.model.copies import Copies
from lightning_weightviz.model.gradients import Gradients
from lightning_weightviz.model.measuring import Measuring
from lightning_weightviz.model.reading import HeadReader, UnreadableError, reason_of
from lightning_weightviz.model.sites import Site
from lightning_weightviz.model.values import all_readable, differences, value_of
from lightning_weightviz.run.deferred import Deferred
from lightning_weightviz.run.errors import ArgumentError
from lightning_weightviz.snapshot import Parameter, Target

if TYPE_CHECKING:
    from lightning_weightviz.model.spread_targets import SpreadTargets

MOST_COPIED = 512 * 2**20
"""Bytes of weights on the host that are copied and measured later; training waits while more are measured."""


def on_host(tensors: Sequence[Tensor]) -> bool:
    """Whether all are where measuring takes the program's own time, not that of a device with a stream."""
    return all(looks(tensor.device) for tensor in tensors)


class Targets:
    """Measures the targets of some parameters.

    Args:
        parameters: What each is.
        measuring: What is measured of them.

    Attributes:
        gradients: What was kept of them for the next `measure`.
    """

    def __init__(self, parameters: Sequence[Parameter], measuring: Measuring) -> None:
        self._parameters = tuple(parameters)
        self._measuring = measuring
        self._meters: dict[Target, Meter] = {target: measuring.meter(parameters) for target in measuring.targets}
        # Gradients are measured of the parameters that have one.
        self._with_gradient = list(range(len(parameters)))
        self.gradients = Gradients()
        self._copies, self._spare = Copies(), Copies()
        self._previous: list[Tensor] | None = None

    def measure(self, sites: Sequence[Site], heads: HeadReader) -> Deferred[dict[Target, Measured]] | None:
        """Measures; on a device with a stream, enqueues it; on the host, in the background, only copies.

        The results before must be there: their copies are overwritten.

        Args:
            sites: Where the parameters are.
            heads: Reads the layers whose rows are the classes.

        Returns:
            Gives the results; any thread may ask. None where there is nothing to measure yet.

        Raises:
            UnreadableError: Parameters cannot be read.
        """
        tensors = _values(sites)
        heads.read()
        return self._measure([site.tensor for site in sites], tensors, heads.without(heads.failed))

    def _measure(
        self, parameters: Sequence[nn.Parameter], tensors: Sequence[Tensor], heads: Sequence[HeadSource]
    ) -> Deferred[dict[Target, Measured]] | None:
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
        if observed := self._observed(parameters):
            pending["gradients"] = self._meters["gradients"].measure(observed, later=later)
        if "updates" in self._meters:
            if self._previous is not None:
                changes = partial(differences, tensors, self._previous)
                pending["updates"] = self._meters["updates"].measure(changes, later=later)
            self._previous = list(tensors)
        return Deferred(lambda: {target: one.result() for target, one in pending.items()}) if pending else None

    def take_over(self, before: Targets | SpreadTargets) -> None:
        """Goes on with what was known of the parameters that stay."""
        self.load_state_dict(before.state_dict())
        self.gradients = before.gradients

    def _observed(self, parameters: Sequence[nn.Parameter]) -> list[Tensor]:
        """The gradients there are, whose meter is one of just these parameters."""
        kept = self.gradients.take(parameters)
        places = list(kept)
        gradients = all_readable([(f"the gradient of {self._parameters[i].name}", one) for i, one in kept.items()])
        if not places:
            return []
        if places != self._with_gradient:
            meter = self._measuring.meter([self._parameters[index] for index in places])
            meter.load_state_dict(self._meters["gradients"].state_dict())
            self._meters["gradients"], self._with_gradient = meter, places
        return gradients

    def before_step(self, sites: Sequence[Site], which: Sequence[int]) -> None:
        """As of `lightning_weightviz.measure.Meter`, for the weights at places `which`."""
        if "weights" in self._meters:
            self._meters["weights"].before_step([value_of(sites[index].place) for index in which], which)

    def after_step(self, sites: Sequence[Site], which: Sequence[int]) -> None:
        """As of `lightning_weightviz.measure.Meter`, for the weights at places `which`."""
        if "weights" in self._meters:
            self._meters["weights"].after_step([value_of(sites[index].place) for index in which], which)

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


def _values(sites: Sequence[Site]) -> list[Tensor]:
    values: list[Tensor] = []
    failed: dict[str, str] = {}
    for site in sites:
        try:
            values.append(value_of(site.place))
        except ArgumentError:
            raise
        except Exception as error:
            failed[site.parameter.name] = reason_of(error)
    if failed:
        raise UnreadableError(failed)
    return values


def _copied(head: HeadSource, copies: Copies) -> HeadSource:
    return replace(
        head,
        weight=copies.of(head.weight),
        bias=None if head.bias is None else copies.of(head.bias),
        chain=tuple((name, copies.of(weight)) for name, weight in head.chain),
    )
