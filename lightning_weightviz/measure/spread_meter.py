"""The meter of parameters that are spread over processes: each measures its parts, and sums make the whole."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import torch

from lightning_weightviz.measure.device.change import Reference
from lightning_weightviz.measure.device.group import DeviceGroup
from lightning_weightviz.measure.device.spread_group import SpreadGroup, goes_by_parts
from lightning_weightviz.measure.device.spread_products import side_of
from lightning_weightviz.measure.device.spread_steps import SpreadSteps
from lightning_weightviz.measure.device.subset import SpreadSubset, Subset
from lightning_weightviz.measure.parcels import Parcels
from lightning_weightviz.measure.parts import Split, Spread
from lightning_weightviz.measure.remembered import Remembered
from lightning_weightviz.measure.spread_rounds import SpreadRounds
from lightning_weightviz.measure.statistics import STATISTICS, wanted_for
from lightning_weightviz.snapshot import Parameter


class SpreadMeter:
    """Measures the same parameters again and again, as `Meter` does of whole ones; arguments are those of `Meter`.

    Large parameters are measured by their parts. Small ones are made whole by a sum, as they are worth less than what
    is known of them.
    """

    def __init__(
        self,
        parameters: Sequence[Parameter],
        *,
        image_size: int = 256,
        statistics: Collection[str] | None = None,
        means: bool = False,
    ) -> None:
        self.parameters = tuple(parameters)
        self._image_size = image_size
        self._wanted = wanted_for(STATISTICS if statistics is None else statistics, means=means)
        self._known = Remembered(parameters)
        self._begin()

    def _begin(self) -> None:
        self._subset = SpreadSubset(self.parameters, self._known.kept)
        self._steps = SpreadSteps(self._subset)
        self._cut: list[tuple[bool, Split, torch.device]] = []
        self._parts: SpreadGroup | None = None
        self._whole: DeviceGroup | None = None

    def begin(
        self,
        spreads: Sequence[Spread],
        classes: Mapping[int, bool] | None = None,
        error: Exception | None = None,
        *,
        spectra: bool = False,
    ) -> SpreadRounds:
        """Begins a measurement, in rounds; every process must go through all of them.

        Args:
            spreads: What is here of each parameter, on one device.
            classes: Parameters whose rows are classes that are too many to be gathered, and whether their mean is taken
                off them: large ones that have a picture.
            spectra: As of `Meter.measure`; those of parameters that go by parts are not measured.
            error: Why that is not known here; then the measurement fails in all processes, after its rounds.
        """
        self._group(spreads)
        known = self._known
        return SpreadRounds(
            spreads,
            by_parts=self._parts,
            whole=self._whole,
            steps=self._steps.take(),
            parcels=Parcels(self.parameters, known.sizes, known.kept, self._image_size),
            classes=classes or {},
            error=error,
            on_failure=self._forget_vectors,
            spectra=spectra,
        )

    def _group(self, spreads: Sequence[Spread]) -> None:
        """Which parameters go by parts, and which are made whole; what is remembered of them stays."""
        cut = [
            (goes_by_parts(parameter, spread), spread.split, spread.device)
            for parameter, spread in zip(self.parameters, spreads, strict=True)
        ]
        if cut == self._cut:
            return
        self._remember()
        self._cut = cut
        parts = [index for index, (by_parts, _, _) in enumerate(cut) if by_parts]
        whole = [index for index, (by_parts, _, _) in enumerate(cut) if not by_parts]
        for index in parts:
            self._known.turn(index, side_of(spreads[index].split))
        self._parts = self._group_of_parts(parts, cut[parts[0]][2]) if parts else None
        self._whole = self._group_of_whole(whole, cut[whole[0]][2]) if whole else None

    def _group_of_parts(self, indices: Sequence[int], device: torch.device) -> SpreadGroup:
        kept = [self._known.kept[i] for i in indices]
        parameters = [self.parameters[i] for i in indices]
        lanczos = [self._known.lanczos[i] for i in indices]
        reference, subset = self._reference(indices, device), SpreadSubset(parameters, kept)
        size, wanted = self._image_size, self._wanted
        return SpreadGroup(device, indices, parameters, size, wanted, lanczos, reference, kept, subset)

    def _group_of_whole(self, indices: Sequence[int], device: torch.device) -> DeviceGroup:
        parameters = [self.parameters[i] for i in indices]
        lanczos = [self._known.lanczos[i] for i in indices]
        reference = self._reference(indices, device)
        return DeviceGroup(device, indices, parameters, self._image_size, self._wanted, lanczos, reference)

    def _reference(self, indices: Sequence[int], device: torch.device) -> Reference:
        known = self._known
        subset = Subset([known.sizes[i] for i in indices], [known.kept[i] for i in indices], device)
        return Reference(subset, [known.start[i] for i in indices], [known.previous[i] for i in indices])

    def before_step(self, spreads: Sequence[Spread], which: Sequence[int]) -> None:
        """Remembers parameters `which` just before one optimizer step."""
        with torch.no_grad():
            self._steps.before(spreads, which)

    def after_step(self, spreads: Sequence[Spread], which: Sequence[int]) -> None:
        """Measures that step, for ``update_ratio`` of the next measurement."""
        with torch.no_grad():
            self._steps.after(spreads, which)

    def forget_steps(self) -> None:
        """Lets go what was seen of optimizer steps since the last measurement."""
        self._steps.forget()

    def _remember(self) -> None:
        for group in (self._parts, self._whole):
            if group is not None:
                self._known.take(group.indices, group.reference)

    def _forget_vectors(self) -> None:
        """After a measurement that broke off: the iterations would go on from different vectors in each process."""
        for index in range(len(self.parameters)):
            self._known.forget_vectors(index, self._known.lanczos[index].side)
        self._remember()
        self._cut, self._parts, self._whole = [], None, None

    def state_dict(self) -> dict[str, Any]:
        """As of `Meter`: it is of whole parameters, the same in every process, and any meter goes on from it."""
        with torch.no_grad():
            self._remember()
            return self._known.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on where `state_dict` was taken, here or by a `Meter`."""
        self._known.load_state_dict(state)
        self._begin()
