"""Parameters that are spread over processes: each measures its rectangles, in rounds, and nothing large is sent."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lightning_weightviz.measure.device.change import Reference
from lightning_weightviz.measure.device.embedding_rows import rank_of
from lightning_weightviz.measure.device.moments import SMALL, Pieces
from lightning_weightviz.measure.device.scaling import power_above, widened
from lightning_weightviz.measure.device.spectrum import COLD_STEPS, WARM_STEPS, Lanczos
from lightning_weightviz.measure.device.spread_pictures import SpreadPicture
from lightning_weightviz.measure.device.spread_products import LockStep, SpreadMatrices
from lightning_weightviz.measure.device.spread_sums import (
    bounds,
    centred_squares,
    column_squares,
    column_totals,
    counts,
    powers,
    row_squares,
)
from lightning_weightviz.measure.device.still_units import still_units
from lightning_weightviz.measure.device.subset import SpreadSubset
from lightning_weightviz.measure.device.units import dead_units, unit_norms
from lightning_weightviz.measure.enqueued import EnqueuedGroup, PieceNumbers
from lightning_weightviz.measure.histogram_scheme import SLOTS
from lightning_weightviz.measure.inputs import Wanted
from lightning_weightviz.measure.parts import Spread, between
from lightning_weightviz.measure.rounds import Fields, Sheet
from lightning_weightviz.measure.transfer import Packer
from lightning_weightviz.measure.tridiagonal import Ritz
from lightning_weightviz.snapshot import Parameter

EXTREMES, SUMS, POWERS, PRODUCTS = range(4)
"""The rounds; from the last on, as many as the iterations of singular values take."""


def goes_by_parts(parameter: Parameter, spread: Spread) -> bool:
    """Whether a parameter is measured by its parts: large ones, whose parts hold whole kernels."""
    cuts_kernels = spread.split == "stretches" and parameter.kernel > 1
    return parameter.size >= SMALL and not cuts_kernels


@dataclass(frozen=True)
class SpreadGroup:
    """The parameters of one device that are measured by their parts.

    Attributes:
        device: Which.
        indices: Places of the parameters in the meter.
        parameters: What they are.
        image_size: Most cells an axis of a picture.
        wanted: Which of the expensive quantities are measured.
        lanczos: The iteration of each; used for those of two or more dimensions.
        reference: What is remembered of them.
        kept: How many elements of each are remembered.
        subset: Which.
    """

    device: torch.device
    indices: Sequence[int]
    parameters: Sequence[Parameter]
    image_size: int
    wanted: Wanted
    lanczos: Sequence[Lanczos]
    reference: Reference
    kept: Sequence[int]
    subset: SpreadSubset

    @property
    def pictures(self) -> list[SpreadPicture]:
        """Of those that have one."""
        means, limit = self.wanted.means, self.image_size
        return [SpreadPicture(place, one, limit, means) for place, one in enumerate(self.parameters) if one.pictured]

    @property
    def matrices(self) -> list[int]:
        """Places of those of two or more dimensions."""
        return [place for place, one in enumerate(self.parameters) if len(one.shape) > 1]


class SpreadMeasurement:
    """One measurement of a group, in rounds.

    Args:
        group: What is measured.
        spreads: What is here of each parameter.
        sheets: Those of the rounds so far, put together: they are added while it goes on.
        classes: Places of those whose rows are classes, too many to be gathered, and whether their mean is taken off.
    """

    def __init__(
        self,
        group: SpreadGroup,
        spreads: Sequence[Spread],
        sheets: Sequence[Sheet],
        classes: Mapping[int, bool] | None = None,
    ) -> None:
        self._group = group
        self._spreads = spreads
        self._pictures = group.pictures
        self._sheets = sheets
        self._classes = dict(classes or {})
        self._scales: list[Tensor] = []
        self._iterations: LockStep | None = None

    def fields(self, number: int) -> Fields | None:
        """Of the sheet of a round, the same in every process; None: there are no more rounds."""
        parameters = dict(enumerate(self._group.parameters))
        if number == EXTREMES:
            fields: Fields = {("bounds", place): (2,) for place in parameters} | {"cold": (1,)}
            return fields | self._of_pictures(SpreadPicture.fields_of_extremes)
        if number == SUMS:
            fields = {("slots", place): (SLOTS + 1,) for place in parameters}
            fields |= {("counts", place): (3,) for place in parameters}
            fields |= {("rows", place): (one.matrix_shape[0],) for place, one in parameters.items()}
            fields |= {("units", place): (one.stretches, one.matrix_shape[1]) for place, one in self._column_units()}
            fields |= {("norms", place): (one.stacked,) for place, one in parameters.items()}
            fields |= {("kept", place): (self._group.kept[place],) for place in parameters}
            fields |= {("class totals", place): (parameters[place].matrix_shape[1],) for place in self._classes}
            return fields | self._of_pictures(SpreadPicture.fields_of_sums)
        if number == POWERS:
            fields = {("powers", place): (4,) for place in parameters}
            return fields | {("classes", place): (parameters[place].matrix_shape[0],) for place in self._classes}
        if number == PRODUCTS and self._group.wanted.spectrum and self._group.matrices:
            self._iterations = self._new_iterations()
        rounds = [] if self._iterations is None else self._iterations.rounds
        return rounds[number - PRODUCTS] if number - PRODUCTS < len(rounds) else None

    def fill(self, number: int, sheet: Sheet) -> None:
        """Fills the sheet of a round with what is here."""
        if number == EXTREMES:
            self._fill_extremes(sheet)
        elif number == SUMS:
            self._fill_sums(sheet)
        elif number == POWERS:
            self._fill_powers(sheet)
        elif self._iterations is not None:
            if number == PRODUCTS:
                self._iterations.begin()
            self._iterations.fill(sheet)

    def take(self, number: int, sheet: Sheet) -> None:
        """Takes in the sheet of a round, put together."""
        if number >= PRODUCTS and self._iterations is not None:
            self._iterations.take(sheet)
        if number == EXTREMES:
            for place, spread in enumerate(self._spreads):
                magnitude = sheet["bounds", place].amax().clamp(min=0)
                self._scales.append(power_above(magnitude.to(widened(spread.dtype))))

    def _of_pictures(self, fields_of: Callable[[SpreadPicture], dict[str, tuple[int, ...]]]) -> Fields:
        return {(key, one.place): shape for one in self._pictures for key, shape in fields_of(one).items()}

    def _fill_extremes(self, sheet: Sheet) -> None:
        sheet["cold"].fill_(float(not all(self._group.lanczos[place].settled for place in self._group.matrices)))
        for place, spread in enumerate(self._spreads):
            for part in spread.parts:
                torch.maximum(sheet["bounds", place], bounds(part), out=sheet["bounds", place])
        for picture in self._pictures:
            picture.fill_extremes(sheet, self._spreads[picture.place].parts)

    def _fill_sums(self, sheet: Sheet) -> None:
        for place, (parameter, spread) in enumerate(zip(self._group.parameters, self._spreads, strict=True)):
            scale, height = self._scales[place], parameter.matrix_shape[0] // parameter.stacked
            self._group.subset.fill(place, spread, sheet["kept", place])
            for part in spread.parts:
                counts(part, scale, sheet["slots", place], sheet["counts", place])
                row_squares(part, scale, sheet["rows", place], sheet["norms", place][part.row // height])
                if parameter.units_axis == 1:
                    stretch = parameter.matrix_shape[0] // parameter.stretches
                    for one in between(part, stretch):
                        column_squares(one, scale, sheet["units", place][one.row // stretch])
                if place in self._classes:
                    column_totals(part, scale, sheet["class totals", place])
        for picture in self._pictures:
            picture.fill_sums(sheet, self._spreads[picture.place].parts, self._scales[picture.place])

    def _shift(self, place: int) -> Tensor:
        """The mean of the scaled values, as it is subtracted from them."""
        finite, _, total = self._sheets[SUMS]["counts", place].unbind()
        return (total / finite.clamp(min=1)).to(widened(self._spreads[place].dtype))

    def _fill_powers(self, sheet: Sheet) -> None:
        for place, spread in enumerate(self._spreads):
            for part in spread.parts:
                powers(part, self._scales[place], self._shift(place), sheet["powers", place])
                if place in self._classes:
                    centred_squares(part, self._scales[place], self._centre(place), sheet["classes", place])

    def _centre(self, place: int) -> Tensor:
        """What is taken off rows that are classes."""
        share = self._classes[place] / self._group.parameters[place].matrix_shape[0]
        return self._sheets[SUMS]["class totals", place] * share

    def class_norms(self, place: int) -> Tensor:
        """Norms of the rows of a parameter of `classes`, float64, (rows,), once there are no more rounds."""
        return self._sheets[POWERS]["classes", place].sqrt() / self._scales[place].to(torch.float64)

    def _new_iterations(self) -> LockStep:
        matrices: dict[int, SpreadMatrices] = {}
        for place in self._group.matrices:
            parameter, spread = self._group.parameters[place], self._spreads[place]
            rows, columns = parameter.matrix_shape
            shape = rows // parameter.stacked, columns
            matrices[place] = SpreadMatrices(spread.parts, spread.split, shape, parameter.stacked)
        # All processes take as many steps as the first of them needs that knows least.
        steps = COLD_STEPS if bool(self._sheets[EXTREMES]["cold"] > 0) else WARM_STEPS
        return LockStep(matrices, self._group.lanczos, self._scales, steps)

    def enqueue(self, packer: Packer) -> EnqueuedGroup:
        """Puts all into a parcel, once there are no more rounds; the same as `group.enqueue` does of whole tensors."""
        group, sums = self._group, self._sheets[SUMS]
        pieces = Pieces()
        for place in range(len(group.parameters)):
            slots = sums["slots", place].to(torch.int64).unsqueeze(0)
            pieces.add([place], self._numbers(place).unsqueeze(0), slots, self._scales[place].view(1))
        owners = pieces.pack(packer)
        for picture in self._pictures:
            scale = self._scales[picture.place]
            for key, array in picture.arrays(self._sheets[EXTREMES], sums, scale).items():
                packer.add(("picture", picture.place, key), array)
        if group.matrices:
            packer.add("dead", torch.stack([dead_units(*self._units(place)) for place in group.matrices]))
        start, previous = group.reference.measure_kept([sums["kept", p] for p in range(len(group.parameters))])
        packer.add("start", start)
        packer.add("previous", previous)
        if group.wanted.still:
            still = [still_units(one, group.reference.kept(place)) for place, one in enumerate(group.parameters)]
            packer.add("still", torch.stack(still))
        for rank_key, array in self._ranks():
            packer.add(rank_key, array)
        spectra = dict(self._spectra(packer))
        pictured = dict.fromkeys(picture.place for picture in self._pictures)
        return EnqueuedGroup(group.device, group.indices, group.parameters, owners, group.matrices, spectra, pictured)

    def _numbers(self, place: int) -> Tensor:
        """The numbers of a parameter as those of one piece."""
        high, negated = self._sheets[EXTREMES]["bounds", place].unbind()
        finite, nan, _ = self._sheets[SUMS]["counts", place].unbind()
        four = self._sheets[POWERS]["powers", place].unbind()
        columns = PieceNumbers(finite, nan, -negated, high, self._scales[place], self._shift(place), *four)
        return torch.stack([column.to(torch.float64) for column in columns])

    def _rows(self, place: int) -> tuple[Tensor, Tensor]:
        """Norms of the rows, and which of them are whole."""
        squares = self._sheets[SUMS]["rows", place]
        return squares.sqrt(), squares.isfinite()

    def _units(self, place: int) -> tuple[Tensor, Tensor | None, int]:
        """Norms of the units, which of them are whole, and of how many matrices they are."""
        parameter = self._group.parameters[place]
        if parameter.units_axis == 0:
            return *self._rows(place), parameter.stacked
        squares = self._sheets[SUMS]["units", place]
        return *unit_norms(squares, squares.isfinite(), parameter.unit_width), parameter.stacked

    def _column_units(self) -> list[tuple[int, Parameter]]:
        """Those whose units are columns."""
        return [(place, one) for place, one in enumerate(self._group.parameters) if one.units_axis == 1]

    def _ranks(self) -> Iterator[tuple[Hashable, Tensor]]:
        """The rows of embeddings, as their changes are those from the start."""
        for place, parameter in enumerate(self._group.parameters):
            if parameter.pictured and parameter.kind == "embedding" and parameter.layout == "matrix":
                norms, whole = self._rows(place)
                columns, scale, moved = (
                    parameter.matrix_shape[1],
                    self._scales[place],
                    self._group.reference.moved(place),
                )
                for key, array in rank_of(norms, whole, columns, scale, parameter.padding_index, moved).items():
                    yield ("picture", place, key), array

    def _spectra(self, packer: Packer) -> Iterator[tuple[int, Callable[[Sequence[Ritz]], None]]]:
        """By place, what takes in the vectors that the host finds."""
        for place in self._group.matrices if self._iterations is not None else ():
            assert self._iterations is not None
            alpha, beta = self._iterations.found(place)
            packer.add(("spectrum", place, "alpha"), alpha)
            packer.add(("spectrum", place, "beta"), beta)
            packer.add(("spectrum", place, "scale"), self._scales[place].to(torch.float64))
            if self._group.parameters[place].stacked > 1:
                packer.add(("spectrum", place, "norms"), self._sheets[SUMS]["norms", place].sqrt())
            yield place, self._group.lanczos[place].learner()
