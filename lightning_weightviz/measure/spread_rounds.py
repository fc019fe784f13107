"""One measurement of parameters that are spread over processes: what is done in each round, and what comes of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import torch
from torch import Tensor

from lightning_weightviz.measure.device.group import DeviceGroup, enqueue
from lightning_weightviz.measure.device.spread_group import PRODUCTS, SUMS, SpreadGroup, SpreadMeasurement
from lightning_weightviz.measure.host.measurements import Measured
from lightning_weightviz.measure.inputs import HeadSource, plain_head
from lightning_weightviz.measure.parcels import Parcels, undisturbed
from lightning_weightviz.measure.parts import Spread
from lightning_weightviz.measure.rounds import Fields, Sheet
from lightning_weightviz.run.deferred import Deferred


class FailedElsewhereError(RuntimeError):
    """Another process could not measure its part, so that no number is of the whole."""


class SpreadRounds:
    """One measurement, in rounds.

    Args:
        spreads: What is here of each parameter, on one device.
        by_parts: Those that are measured by their parts.
        whole: Those that are made whole.
        steps: By parameter, ‖Δw‖² and ‖w before‖² of what is here, (2,).
        parcels: Where results go.
        classes: By parameter, of those whose rows are classes that are too many to be gathered, whether their mean is
            taken off them; they are among `by_parts`.
        error: What has failed here already.
        on_failure: Called in every process where one of them has failed.
        spectra: Whether all singular values are measured of those that are made whole.
    """

    def __init__(
        self,
        spreads: Sequence[Spread],
        *,
        by_parts: SpreadGroup | None,
        whole: DeviceGroup | None,
        steps: Mapping[int, Tensor],
        parcels: Parcels,
        classes: Mapping[int, bool],
        error: Exception | None,
        on_failure: Callable[[], None],
        spectra: bool,
    ) -> None:
        self._spreads = spreads
        self._by_parts = by_parts
        self._whole = whole
        self._steps = steps
        self._parcels = parcels
        self._classes = classes
        self._on_failure = on_failure
        self._spectra = spectra
        self._sheets: list[Sheet] = []
        self._error = error
        self._measurement: SpreadMeasurement | None = None
        if by_parts is not None:
            here = [spreads[index] for index in by_parts.indices]
            of_places = {by_parts.indices.index(index): centred for index, centred in classes.items()}
            self._measurement = SpreadMeasurement(by_parts, here, self._sheets, of_places)

    @property
    def _device(self) -> torch.device:
        return self._spreads[0].device if self._spreads else torch.device("cpu")

    def fill(self, number: int) -> Sheet | None:
        """As of `lightning_weightviz.measure.rounds.Rounds`."""
        with undisturbed([self._device]):
            self._take()
            fields = self._fields(number)
            if fields is None:
                return None
            dtype = torch.float64 if number < PRODUCTS else torch.float32
            sheet = Sheet("max" if number == 0 else "sum", fields, self._device, dtype)
            self._try(partial(self._fill, number, sheet))
            if self._error is not None:
                sheet.clear(failed=True)
            self._sheets.append(sheet)
            return sheet

    def finish(self, heads: Sequence[HeadSource] = ()) -> Deferred[Measured]:
        """What was measured, when all rounds have been put together.

        Args:
            heads: The layers whose rows are the classes; those of `classes` on the meta device.

        Raises:
            FailedElsewhereError: Another process could not measure its part.
            Exception: What was raised here.
        """
        with undisturbed([self._device]):
            self._take()
            if self._error is not None or any(bool(sheet.buffer[0] > 0) for sheet in self._sheets):
                self._on_failure()
                raise self._error or FailedElsewhereError(
                    "another process could not measure its part of the weights; what it printed says why"
                )
            if self._measurement is not None:
                self._parcels.add_group(self._device, self._measurement.enqueue)
            if self._whole is not None:
                values = [self._restored(index) for index in self._whole.indices]
                self._parcels.add_group(self._device, partial(enqueue, self._whole, values, spectra_too=self._spectra))
            self._add_steps()
            for head in heads:
                if head.weight.is_meta:
                    self._add_classes(head)
                else:
                    self._parcels.add_head(plain_head(head))
            return Deferred(self._parcels.send())

    def _add_classes(self, head: HeadSource) -> None:
        assert self._by_parts is not None and self._measurement is not None
        for place, (index, one) in enumerate(zip(self._by_parts.indices, self._by_parts.parameters, strict=True)):
            if index in self._classes and head.name in (one.name, *one.aliases):
                self._parcels.add_classes(head, self._measurement.class_norms(place), index)

    def _take(self) -> None:
        """Takes in the last sheet, now that it is put together."""
        if self._sheets and self._measurement is not None:
            number = len(self._sheets) - 1
            self._try(partial(self._measurement.take, number, self._sheets[number]))

    def _try(self, work: Callable[[], None]) -> None:
        """Once something has failed here, nothing more is done but to take part."""
        if self._error is None:
            try:
                work()
            except Exception as error:
                self._error = error

    def _fields(self, number: int) -> Fields | None:
        """Of a round's sheet. They follow from the parameters and the sheets before, never from what is here."""
        fields = None if self._measurement is None else self._measurement.fields(number)
        if number < SUMS:
            return fields or {}
        if number > SUMS:
            return fields
        whole = () if self._whole is None else zip(self._whole.indices, self._whole.parameters, strict=True)
        fields = (fields or {}) | {("whole", index): (parameter.size,) for index, parameter in whole}
        return fields | {"steps": (len(self._spreads), 2), "stepped": (len(self._spreads),)}

    def _fill(self, number: int, sheet: Sheet) -> None:
        if self._measurement is not None:
            self._measurement.fill(number, sheet)
        if number == SUMS:
            for index in () if self._whole is None else self._whole.indices:
                self._make_whole(index, sheet["whole", index])
            for index, sums in self._steps.items():
                sheet["steps"][index], sheet["stepped"][index] = sums, 1.0

    def _make_whole(self, index: int, whole: Tensor) -> None:
        """Fills in what is here of all elements, (size,)."""
        assert self._whole is not None
        matrix = whole.view(self._whole.parameters[self._whole.indices.index(index)].matrix_shape)
        for part in self._spreads[index].parts:
            matrix[slice(*part.rows), slice(*part.columns)] = part.values.to(whole.dtype)

    def _restored(self, index: int) -> Tensor:
        """A parameter that was made whole, in its own dtype and shape."""
        assert self._whole is not None
        parameter = self._whole.parameters[self._whole.indices.index(index)]
        return self._sheets[SUMS]["whole", index].view(parameter.shape).to(self._spreads[index].dtype)

    def _add_steps(self) -> None:
        sheet = self._sheets[SUMS]
        sums = torch.where(sheet["stepped"].unsqueeze(1) > 0, sheet["steps"], torch.nan)
        self._parcels.add_steps({self._device: {tuple(range(len(sums))): sums}})
