"""What is measured at one moment of parameters that are spread over ranks; see `lightning_weightviz.model.targets`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import count

import torch
from torch import Tensor

from lightning_weightviz.measure import HeadSource, Measured, Rounds, Sheet, Spread, SpreadMeter, SpreadRounds
from lightning_weightviz.model import sharding
from lightning_weightviz.model.class_head import stays_spread
from lightning_weightviz.model.copies import Copies
from lightning_weightviz.model.flat_shards import Flat
from lightning_weightviz.model.measuring import Measuring
from lightning_weightviz.model.meters import Meters
from lightning_weightviz.model.reading import HeadReader, UnreadableError, reason_of
from lightning_weightviz.model.sites import Site
from lightning_weightviz.model.spread import changes, gradient_here, nothing_of, value_here
from lightning_weightviz.run.deferred import Deferred
from lightning_weightviz.run.errors import ArgumentError
from lightning_weightviz.snapshot import Parameter, Target

_Begun = tuple[list[Spread], "Exception | None"]
"""What is here of each parameter; where that is not known here, nothing, and why."""


class SpreadTargets(Meters[SpreadMeter, Spread]):
    """Measures the targets of some parameters, in rounds.

    Args:
        parameters: What each is.
        measuring: What is measured of them.
    """

    def __init__(self, parameters: Sequence[Parameter], measuring: Measuring) -> None:
        super().__init__(parameters, measuring.targets, measuring.spread_meter)

    def measure(
        self, sites: Sequence[Site], heads: HeadReader, *, spectra: bool = False
    ) -> Deferred[dict[Target, Measured]] | None:
        """As of `Targets`; every rank must call it, and takes the same collectives whatever happens to it."""
        spreads, failed = _values_here(sites)
        heads.read()
        told = Told(spreads[0].device if spreads else torch.device("cpu"))
        told.own = [site.parameter.name in failed for site in sites]
        told.own += [site.name in heads.failed for site in heads.sites]
        classes = _classes_of(sites, heads)
        rounds = self._begin(sites, spreads, classes, spectra=spectra)
        jobs: list[Rounds] = [told, *rounds.values()]
        for number in count():
            filled = [one.fill(number) for one in jobs]
            if not (sheets := [sheet for sheet in filled if sheet is not None]):
                break
            sharding.put_together(sheets)
            if number == 0 and any(unreadable := told.of_all()[: len(sites)]):
                names = [site.parameter.name for site, is_so in zip(sites, unreadable, strict=True) if is_so]
                raise UnreadableError(
                    sharding.failures_of_all({name: failed[name] for name in names if name in failed})
                )
        sharding.all_done()
        lost = [site.name for site, is_so in zip(heads.sites, told.of_all()[len(sites) :], strict=True) if is_so]
        return self._finish(rounds, heads.without(lost)) if rounds else None

    def _begin(
        self, sites: Sequence[Site], spreads: Sequence[Spread], classes: Mapping[int, bool], *, spectra: bool
    ) -> dict[Target, SpreadRounds]:
        rounds: dict[Target, SpreadRounds] = {}
        if "updates" in self._meters and (changed := self._changes(sites, spreads)) is not None:
            rounds["updates"] = self._meters["updates"].begin(changed[0], error=changed[1], spectra=spectra)
        if "weights" in self._meters:
            rounds["weights"] = self._meters["weights"].begin(spreads, classes, spectra=spectra)
        if "gradients" in self._meters and (places := self._with_gradients(sites)):
            observed, error = self._observed(sites, places)
            rounds["gradients"] = self._meter_of_gradients(list(places)).begin(observed, error=error, spectra=spectra)
        return {target: rounds[target] for target in self._meters if target in rounds}

    def _changes(self, sites: Sequence[Site], spreads: Sequence[Spread]) -> _Begun | None:
        """Since the last time, from copies; None the first time."""
        before = self._previous
        try:
            self._copies, self._spare = self._spare, self._copies
            self._copies.renew()
            self._previous = [_copied(one, self._copies) for one in spreads]
            return None if before is None else (changes(self._previous, before), None)
        except Exception as error:
            self._previous = None
            return None if before is None else ([nothing_of(site) for site in sites], error)

    def _with_gradients(self, sites: Sequence[Site]) -> dict[int, Tensor | None]:
        """Places of those that have a gradient, and what is here of it."""
        tensors = [site.tensor for site in sites]
        kept = self.gradients.take(tensors)
        if not any(isinstance(tensor, Flat) for tensor in tensors):
            return dict(kept)
        # A rank on which nothing is of a parameter cannot tell whether it has a gradient.
        there = sharding.on_any([place in kept for place in range(len(sites))], tensors[0].device)
        return {place: kept.get(place) for place, is_there in enumerate(there) if is_there}

    def _observed(self, sites: Sequence[Site], places: Mapping[int, Tensor | None]) -> _Begun:
        try:
            return [gradient_here(one, sites[place]) for place, one in places.items()], None
        except Exception as error:
            return [nothing_of(sites[place]) for place in places], error

    def _finish(
        self, rounds: Mapping[Target, SpreadRounds], heads: Sequence[HeadSource]
    ) -> Deferred[dict[Target, Measured]]:
        pending = {target: one.finish(heads if target == "weights" else ()) for target, one in rounds.items()}
        return Deferred(lambda: {target: one.result() for target, one in pending.items()})

    def before_step(self, sites: Sequence[Site], which: Sequence[int]) -> None:
        """As of `SpreadMeter`, for the weights at places `which`."""
        if "weights" in self._meters:
            self._meters["weights"].before_step([value_here(sites[index]) for index in which], which)

    def after_step(self, sites: Sequence[Site], which: Sequence[int]) -> None:
        """As of `SpreadMeter`, for the weights at places `which`."""
        if "weights" in self._meters:
            self._meters["weights"].after_step([value_here(sites[index]) for index in which], which)


class Told:
    """What a rank could not read, told to all in the first round.

    Args:
        device: Where sheets are.

    Attributes:
        own: Whether this rank could not read each of the things.
    """

    def __init__(self, device: torch.device) -> None:
        self.own: list[bool] = []
        self._device = device
        self._sheet: Sheet | None = None

    def fill(self, number: int) -> Sheet | None:
        """As of `lightning_weightviz.measure.Rounds`."""
        if number > 0:
            return None
        self._sheet = Sheet("max", {"failed": (len(self.own),)}, self._device)
        self._sheet["failed"].copy_(torch.tensor(self.own, dtype=torch.float64, device="cpu"))
        return self._sheet

    def of_all(self) -> list[bool]:
        """Whether any rank could not, once the sheet is put together; waits for the device."""
        assert self._sheet is not None
        return [number > 0 for number in self._sheet["failed"].tolist()]


def _classes_of(sites: Sequence[Site], heads: HeadReader) -> dict[int, bool]:
    """By place of its weight, whether the mean is taken off the classes of a head that is too large to be gathered.

    One that has no picture is left out.
    """
    classes: dict[int, bool] = {}
    for head in [one for one in heads.sites if stays_spread(one)]:
        places = [i for i, site in enumerate(sites) if head.name in site.place.aliases and site.parameter.pictured]
        if places:
            classes[places[0]] = not head.multi_label and head.classes > 1
        else:
            heads.leave_out(head.name, "it is spread over ranks, too large to be gathered, and has no picture")
    return classes


def _values_here(sites: Sequence[Site]) -> tuple[list[Spread], dict[str, str]]:
    """What is here of all, nothing of those that cannot be read, and why these cannot."""
    spreads: list[Spread] = []
    failed: dict[str, str] = {}
    for site in sites:
        try:
            spreads.append(value_here(site))
        except ArgumentError:
            raise
        except Exception as error:
            failed[site.parameter.name] = reason_of(error)
            spreads.append(nothing_of(site))
    return spreads, failed


def _copied(spread: Spread, copies: Copies) -> Spread:
    return spread.with_values([copies.of(part.values) for part in spread.parts], spread.dtype)
