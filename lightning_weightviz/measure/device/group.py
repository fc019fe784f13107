"""The parameters of one device: what is enqueued there, and what becomes of it on the host."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from lightning_weightviz.measure.device.abilities import accumulator
from lightning_weightviz.measure.device.change import Drift
from lightning_weightviz.measure.device.embedding_rows import rank
from lightning_weightviz.measure.device.memory_order import matrix, power_above
from lightning_weightviz.measure.device.moments import MomentsPass
from lightning_weightviz.measure.device.pooling import pool
from lightning_weightviz.measure.device.rows import dead_rows
from lightning_weightviz.measure.device.spectrum import Lanczos, sigma
from lightning_weightviz.measure.host.measurements import Gathered
from lightning_weightviz.measure.host.weight_map import picture_of
from lightning_weightviz.measure.statistics import STATISTICS, Need
from lightning_weightviz.measure.transfer import Arrays, Packer
from lightning_weightviz.snapshot import Parameter, Picture


@dataclass(frozen=True)
class Wanted:
    """What is measured of that which is dear.

    Attributes:
        spectrum: The largest singular values.
        powers: How many power sums; see `lightning_weightviz.measure.device.cpu_sweep.sweep`.
        sort: Exact percentiles of large parameters; those of small ones always are.
        means: Pooled maps of means.
    """

    spectrum: bool
    powers: int
    sort: bool
    means: bool

    @classmethod
    def among(cls, statistics: Collection[str], *, means: bool) -> Wanted:
        """What statistics of these names need."""
        needs = frozenset[Need]().union(*(STATISTICS[name].needs for name in statistics))
        return cls(
            spectrum="spectrum" in needs,
            powers=4 if "fourth" in needs else 2,
            sort="sort" in needs,
            means=means,
        )


class Part:
    """The parameters of one device.

    Args:
        device: Which.
        indices: Places of the parameters in the meter.
        parameters: What they are.
        image_size: Most cells an axis of a picture.
        wanted: What is measured of that which is dear.
        lanczos: The iteration of each; used for those of two or more dimensions.
        drift: What is remembered of them.
    """

    def __init__(
        self,
        device: torch.device,
        indices: Sequence[int],
        parameters: Sequence[Parameter],
        image_size: int,
        wanted: Wanted,
        lanczos: Sequence[Lanczos],
        drift: Drift,
    ) -> None:
        self.device = device
        self.indices = indices
        self.parameters = parameters
        self.image_size = image_size
        self.wanted = wanted
        self.lanczos = lanczos
        self.drift = drift


class Enqueued:
    """One measurement of a part, under way.

    Args:
        part: What is measured.
        tensors: Its parameters' values.
        packer: Where results go.
    """

    def __init__(self, part: Part, tensors: Sequence[Tensor], packer: Packer) -> None:
        self._part = part
        self._moments = MomentsPass(
            [tensor.numel() for tensor in tensors], packer, part.wanted.powers, sort=part.wanted.sort
        )
        extremes = self._moments.run(tensors)
        self._pictured: dict[int, Tensor | None] = {}
        self._matrices: list[int] = []
        self._runs: list[int] = []
        self._lengths: list[int] = []
        spectra: list[Tensor] = []
        scales: list[Tensor] = []
        dead: list[Tensor] = []
        one = torch.ones((), dtype=accumulator(part.device), device=part.device)
        for place, (tensor, extreme) in enumerate(zip(tensors, extremes, strict=True)):
            pictured = part.parameters[place].pictured
            if tensor.numel() == 0 or (tensor.ndim < 2 and not pictured):
                continue
            scale = None if extreme.plain else power_above(extreme.magnitude)
            if tensor.ndim > 1:
                values = matrix(tensor)
                dead.append(dead_rows(values, scale, extreme.row_norms))
                self._matrices.append(place)
                if part.wanted.spectrum:
                    lanczos = part.lanczos[place]
                    spectra += lanczos.run(values, scale)
                    scales.append(one if scale is None else scale.to(one.dtype))
                    self._runs.append(lanczos.runs)
                    self._lengths.append(len(spectra[-1]))
            if pictured:
                self._draw(place, tensor, scale, packer)
        if self._matrices:
            packer.add("dead", torch.stack(dead))
        if spectra:
            packer.add("spectra", torch.cat(spectra))
            packer.add("scales", torch.stack(scales))
        start, previous = part.drift.measure(tensors)
        packer.add("start", start)
        packer.add("previous", previous)
        for place, scale in self._pictured.items():
            parameter = part.parameters[place]
            if parameter.kind == "embedding" and parameter.layout == "matrix":
                found = rank(tensors[place].flatten(1), scale, parameter.padding_index, part.drift.moved(place))
                for key, values in found.items():
                    packer.add(("picture", place, key), values)

    def _draw(self, place: int, tensor: Tensor, scale: Tensor | None, packer: Packer) -> None:
        parameter = self._part.parameters[place]
        flat = tensor.reshape(1, -1) if tensor.ndim < 2 else tensor.flatten(1)
        size = self._part.image_size
        cells = parameter.cells(size, size)
        mean = self._part.wanted.means and (parameter.kernel > 1 or cells != parameter.map_shape)
        for key, values in pool(flat, cells, scale, parameter.kernel, mean=mean).items():
            packer.add(("picture", place, key), values)
        if parameter.layout == "filters":
            shape = parameter.filters_shape
            packer.add(("picture", place, "filters"), tensor[: shape[0]].reshape(shape).to(torch.float32))
        self._pictured[place] = scale

    def collect(self, arrays: Arrays) -> tuple[Gathered, dict[int, Picture]]:
        """The numbers of the part's parameters, and pictures by parameter."""
        part = self._part
        distribution = self._moments.collect(arrays)
        dead, sigmas = np.full((2, len(part.parameters)), np.nan)
        if self._matrices:
            dead[self._matrices] = arrays["dead"]
        offset = 0
        # Both lists are empty where the spectrum was not wanted.
        for number, (length, runs) in enumerate(zip(self._lengths, self._runs, strict=True)):
            place = self._matrices[number]
            alpha, beta = arrays["spectra"][offset : offset + 2 * length].reshape(2, length)
            sigmas[place] = sigma(alpha, beta, float(arrays["scales"][number]), part.lanczos[place], runs)
            offset += 2 * length
        start, previous = arrays["start"].astype(np.float64), arrays["previous"].astype(np.float64)
        drawn: dict[int, Arrays] = {place: {} for place in self._pictured}
        for key, values in arrays.items():
            if key[0] == "picture":
                drawn[key[1]][key[2]] = values
        pictures = {}
        for place in self._pictured:
            pictures[part.indices[place]] = picture_of(part.parameters[place], drawn[place])
        return Gathered(distribution, dead, sigmas, start, previous), pictures
