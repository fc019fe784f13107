"""What is measured of the same parameters at one moment: weights, gradients and updates, each by a meter of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from torch import Tensor, nn

from lightning_weightviz.measure import HeadSource, Measured, Meter
from lightning_weightviz.measure.device.abilities import looks
from lightning_weightviz.model.copies import Copies
from lightning_weightviz.model.measuring import Measuring
from lightning_weightviz.model.meters import Meters
from lightning_weightviz.model.reading import HeadReader, UnreadableError, reason_of
from lightning_weightviz.model.sites import Site
from lightning_weightviz.model.values import all_readable, differences, value_of
from lightning_weightviz.run.deferred import Deferred
from lightning_weightviz.run.errors import ArgumentError
from lightning_weightviz.snapshot import Parameter, Spectrum, Target

MOST_COPIED = 512 * 2**20
"""Bytes of weights on the host that are copied and measured later; training waits while more are measured."""


def on_host(tensors: Sequence[Tensor]) -> bool:
    """Whether all are where measuring takes the program's own time, not that of a device with a stream."""
    return all(looks(tensor.device) for tensor in tensors)


class Targets(Meters[Meter, Tensor]):
    """Measures the targets of some parameters.

    Args:
        parameters: What each is.
        measuring: What is measured of them.
    """

    def __init__(self, parameters: Sequence[Parameter], measuring: Measuring) -> None:
        super().__init__(parameters, measuring.targets, measuring.meter)
        self._in_background = measuring.background

    def measure(
        self, sites: Sequence[Site], heads: HeadReader, *, spectra: bool = False
    ) -> Deferred[dict[Target, Measured]] | None:
        """Measures; on a device with a stream, enqueues it; on the host, in the background, only copies.

        The results before must be there: their copies are overwritten.

        Args:
            sites: Where the parameters are.
            heads: Reads the layers whose rows are the classes.
            spectra: As of `lightning_weightviz.measure.Meter`.

        Returns:
            Gives the results; any thread may ask. None where there is nothing to measure yet.

        Raises:
            UnreadableError: Parameters cannot be read.
        """
        tensors = _values(sites)
        heads.read()
        return self._measure([site.tensor for site in sites], tensors, heads.without(heads.failed), spectra)

    def _measure(
        self,
        parameters: Sequence[nn.Parameter],
        tensors: Sequence[Tensor],
        heads: Sequence[HeadSource],
        spectra: bool,
    ) -> Deferred[dict[Target, Measured]] | None:
        small = sum(one.nbytes for one in tensors) <= MOST_COPIED
        later = self._in_background and on_host(tensors) and small
        if "updates" in self._meters:
            self._copies, self._spare = self._spare, self._copies
        if later or "updates" in self._meters:
            self._copies.renew()
            tensors = [self._copies.of(tensor) for tensor in tensors]
            heads = [_copied(head, self._copies) for head in heads]
        pending: dict[Target, Deferred[Measured]] = {}
        if "weights" in self._meters:
            pending["weights"] = self._meters["weights"].measure(tensors, heads, later=later, spectra=spectra)
        if observed := self._observed(parameters):
            pending["gradients"] = self._meter_of_gradients(list(observed)).measure(
                list(observed.values()), later=later, spectra=spectra
            )
        if "updates" in self._meters:
            if self._previous is not None:
                changes = partial(differences, tensors, self._previous)
                pending["updates"] = self._meters["updates"].measure(changes, later=later, spectra=spectra)
            self._previous = list(tensors)
        return Deferred(lambda: {target: one.result() for target, one in pending.items()}) if pending else None

    def spectra_of_last(self, sites: Sequence[Site]) -> dict[str, Spectrum]:
        """As of `lightning_weightviz.measure.Meter`, of the weights."""
        return self._meters["weights"].spectra_of_last(_values(sites)) if "weights" in self._meters else {}

    def _observed(self, parameters: Sequence[nn.Parameter]) -> dict[int, Tensor]:
        """The gradients there are, by place."""
        kept = self.gradients.take(parameters)
        named = [(f"the gradient of {self._parameters[place].name}", one) for place, one in kept.items()]
        return dict(zip(kept, all_readable(named), strict=True))

    def before_step(self, sites: Sequence[Site], which: Sequence[int]) -> None:
        """As of `lightning_weightviz.measure.Meter`, for the weights at places `which`."""
        if "weights" in self._meters:
            self._meters["weights"].before_step([value_of(sites[index].place) for index in which], which)

    def after_step(self, sites: Sequence[Site], which: Sequence[int]) -> None:
        """As of `lightning_weightviz.measure.Meter`, for the weights at places `which`."""
        if "weights" in self._meters:
            self._meters["weights"].after_step([value_of(sites[index].place) for index in which], which)


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
