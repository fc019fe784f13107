"""The picture of a matrix that is spread: what each rectangle gives to it, and what all of them make."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lightning_weightviz.measure.device.cell_sums import CellSums, cell_extremes, cell_sums
from lightning_weightviz.measure.device.cells import Cut, cut_of
from lightning_weightviz.measure.device.pooling import members, pooled
from lightning_weightviz.measure.device.spread_sums import both_ways, from_both_ways
from lightning_weightviz.measure.parts import Part
from lightning_weightviz.measure.rounds import Sheet
from lightning_weightviz.snapshot import Parameter


@dataclass(frozen=True)
class SpreadPicture:
    """How a parameter's picture is made.

    Attributes:
        place: Which of its group.
        parameter: What it is.
        limit: Most cells an axis.
        means: Whether means are wanted.
    """

    place: int
    parameter: Parameter
    limit: int
    means: bool

    @property
    def _cells(self) -> tuple[int, int]:
        return self.parameter.cells(self.limit, self.limit)

    @property
    def _has_means(self) -> bool:
        return self.means and (self.parameter.kernel > 1 or self._cells != self.parameter.map_shape)

    def fields_of_extremes(self) -> dict[str, tuple[int, ...]]:
        """What maxima are taken of."""
        maps = (2, *self._cells)
        return {"extreme": maps, "kernel_sums": maps} if self.parameter.kernel > 1 else {"extreme": maps}

    def fields_of_sums(self) -> dict[str, tuple[int, ...]]:
        """What is summed."""
        columns = self.parameter.matrix_shape[1]
        fields: dict[str, tuple[int, ...]] = {"squares": self._cells, "finite": self._cells}
        fields |= {"columns": (columns,), "column_counts": (columns,)}
        if self._has_means:
            fields["totals"] = self._cells
        if self.parameter.layout == "filters":
            fields["filters"] = self.parameter.filters_shape[0], columns
        return fields

    def fill_extremes(self, sheet: Sheet, parts: Sequence[Part]) -> None:
        """What is here of maxima."""
        for part in parts:
            cut = self._cut(part)
            for key, found in zip(("extreme", "kernel_sums"), cell_extremes(part.values, cut), strict=True):
                if found is not None:
                    field = _cells_of(sheet[key, self.place], cut)
                    torch.maximum(field, both_ways(found), out=field)

    def fill_sums(self, sheet: Sheet, parts: Sequence[Part], scale: Tensor) -> None:
        """What is here of sums."""
        for part in parts:
            cut = self._cut(part)
            sums = cell_sums(part.values, cut, scale, mean=self._has_means)
            assert sums.finite is not None and sums.column_counts is not None
            columns = slice(*part.columns)
            _cells_of(sheet["squares", self.place], cut).add_(sums.squares)
            _cells_of(sheet["finite", self.place], cut).add_(sums.finite)
            sheet["columns", self.place][columns] += sums.column_squares
            sheet["column_counts", self.place][columns] += sums.column_counts
            if sums.totals is not None:
                _cells_of(sheet["totals", self.place], cut).add_(sums.totals)
            if self.parameter.layout == "filters":
                rows = sheet["filters", self.place][slice(*part.rows), columns]
                rows += part.values[: len(rows)].to(torch.float64)

    def arrays(self, extremes: Sheet, sums: Sheet, scale: Tensor) -> dict[str, Tensor]:
        """A picture's arrays, as of `pool`, from sheets that are put together."""
        place, kernels = self.place, self.parameter.kernel > 1
        matrix = rows, _ = self.parameter.matrix_shape
        cut = cut_of(matrix, self._cells, scale.device, self.parameter.kernel)
        extreme = from_both_ways(extremes["extreme", place])
        farthest = from_both_ways(extremes["kernel_sums", place]) * scale if kernels else None
        whole = CellSums(
            highest=extreme,
            lowest=extreme,
            squares=sums["squares", place],
            finite=sums["finite", place],
            row_squares=members(sums["rows", place], cut.rows),
            column_squares=sums["columns", place],
            column_counts=sums["column_counts", place],
            kernel_highest=farthest,
            kernel_lowest=farthest,
            totals=sums["totals", place] if self._has_means else None,
        )
        arrays = pooled(whole, cut, scale, rows).arrays
        if self.parameter.layout == "filters":
            arrays["filters"] = sums["filters", place].view(self.parameter.filters_shape).to(torch.float32)
        return arrays

    def _cut(self, part: Part) -> Cut:
        here = part.rows, part.columns
        return cut_of(self.parameter.matrix_shape, self._cells, part.values.device, self.parameter.kernel, here)


def _cells_of(field: Tensor, cut: Cut) -> Tensor:
    """The cells of a map, (..., h, w), into which a rectangle reaches."""
    rows, columns = cut.rows, cut.columns
    return field[..., rows.first : rows.first + rows.cells, columns.first : columns.first + columns.cells]
