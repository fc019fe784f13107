"""The Lanczos iterations of many matrices that are spread, in lockstep: one sheet a step for all of them together."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lightning_weightviz.measure.device.scaling import is_plain, widen
from lightning_weightviz.measure.device.spectrum import Blocks, Lanczos, Products, Side
from lightning_weightviz.measure.parts import CUT_BOTH_WAYS, Part, Split
from lightning_weightviz.measure.rounds import Sheet


@dataclass(frozen=True)
class SpreadMatrices:
    """The matrices of one parameter.

    Attributes:
        parts: The rectangles that are here.
        split: How the matrices are cut.
        shape: Of each matrix.
        count: How many there are.
    """

    parts: Sequence[Part]
    split: Split
    shape: tuple[int, int]
    count: int

    def image(self, vectors: Tensor, scale: Tensor, images: Tensor) -> None:
        """Adds W v of each matrix, (count, rows), where both sides are cut.

        Args:
            vectors: (count, columns).
            scale: As in `lightning_weightviz.measure.device.pooling.pool`, of the whole parameter.
            images: Are added to.
        """
        for part, matrix, first in self._placed():
            rows, columns = slice(first, first + len(part.values)), slice(*part.columns)
            images[matrix, rows] += _scaled(part, scale) @ vectors[matrix, columns]

    def back(self, images: Tensor, scale: Tensor, products: Tensor) -> None:
        """Adds Wᵀ of the images of `image`, (count, columns)."""
        for part, matrix, first in self._placed():
            rows, columns = slice(first, first + len(part.values)), slice(*part.columns)
            products[matrix, columns] += _scaled(part, scale).T @ images[matrix, rows]

    def multiply(self, vectors: Tensor, scale: Tensor, products: Tensor) -> None:
        """Adds WᵀW v of vectors along the columns, or WWᵀ v of those along the rows where the columns are cut."""
        for part, matrix, first in self._placed():
            along_rows = self.split == "columns"
            tall = (part.values.mT if along_rows else part.values).unsqueeze(0)
            place = slice(first, first + len(part.values)) if along_rows else slice(*part.columns)
            vector = vectors[matrix : matrix + 1, place]
            # Where the host has seen that all is finite and of ordinary size, no block needs to be made.
            if is_plain(part.values):
                products[matrix, place] += Blocks(tall, None, keeps=False).multiply(vector)[0] * (scale * scale)
            else:
                products[matrix, place] += Blocks(tall, scale, keeps=False).multiply(vector)[0]

    def _placed(self) -> list[tuple[Part, int, int]]:
        """Each part, which matrix it is of, and at which row of that it begins."""
        return [(part, *divmod(part.row, self.shape[0])) for part in self.parts]


def _scaled(part: Part, scale: Tensor) -> Tensor:
    wide = widen(part.values)
    return torch.where(wide.isfinite(), wide * scale, 0.0).to(torch.float32)


def side_of(split: Split) -> Side:
    """Along which side the vectors lie, so that one sum a step is enough unless both sides are cut."""
    return "rows" if split == "columns" else "columns"


class LockStep:
    """Runs the iterations of some parameters side by side, in `rounds`.

    Args:
        matrices: By place.
        lanczos: The iterations, by place.
        scales: By place; there when the first round begins.
        steps: So many each, though never more than the vectors are long.

    Attributes:
        rounds: The fields of each round's sheet; they follow from shapes alone, and so are the same in all processes.
    """

    def __init__(
        self,
        matrices: Mapping[int, SpreadMatrices],
        lanczos: Sequence[Lanczos],
        scales: Sequence[Tensor],
        steps: int,
    ) -> None:
        self._matrices = matrices
        self._lanczos = lanczos
        self._scales = scales
        self._steps = steps
        self._runs: dict[int, Products] = {}
        self._vectors: dict[int, Tensor] = {}
        self._images: Sheet | None = None
        self._ended: dict[int, tuple[Tensor, Tensor]] = {}
        self.rounds = [fields for step in range(steps) for fields in self._fields(step) if fields]

    def _fields(self, step: int) -> tuple[dict[Hashable, tuple[int, ...]], dict[Hashable, tuple[int, ...]]]:
        """Of the round of images, which matrices that are cut both ways need, and of the round of products."""
        images: dict[Hashable, tuple[int, ...]] = {}
        products: dict[Hashable, tuple[int, ...]] = {}
        for place, one in self._matrices.items():
            length = one.shape[side_of(one.split) == "columns"]
            if step < length:
                products[place] = one.count, length
                if one.split in CUT_BOTH_WAYS:
                    images[place] = one.count, one.shape[0]
        return images, products

    def begin(self) -> None:
        """Finds the first vectors."""
        for place in self._matrices:
            self._runs[place] = self._lanczos[place].run_by_steps(self._scales[place].device, self._steps)
            self._vectors[place] = next(self._runs[place])

    def fill(self, sheet: Sheet) -> None:
        """Fills the sheet of the next round with what is here."""
        both = {
            place: one for place, one in self._matrices.items() if place in self._vectors and one.split in CUT_BOTH_WAYS
        }
        if both and self._images is None:
            for place, one in both.items():
                one.image(self._vectors[place], self._scales[place], sheet[place])
            return
        for place, vectors in self._vectors.items():
            if place in both and self._images is not None:
                both[place].back(self._images[place], self._scales[place], sheet[place])
            else:
                self._matrices[place].multiply(vectors, self._scales[place], sheet[place])

    def take(self, sheet: Sheet) -> None:
        """Takes in that sheet, once it is put together."""
        both = any(self._matrices[place].split in CUT_BOTH_WAYS for place in self._vectors)
        if both and self._images is None:
            self._images = sheet
            return
        self._images = None
        for place in list(self._vectors):
            try:
                self._vectors[place] = self._runs[place].send(sheet[place])
            except StopIteration as end:
                alpha, beta, _ = end.value
                self._ended[place] = alpha, beta
                del self._vectors[place]

    def found(self, place: int) -> tuple[Tensor, Tensor]:
        """Diagonals and off-diagonals, as of `Lanczos.run`."""
        return self._ended[place]
