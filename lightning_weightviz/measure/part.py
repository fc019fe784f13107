"""The parameters of one device: what is enqueued there, and what becomes of it on the host."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from lightning_weightviz.measure.change import Drift
from lightning_weightviz.measure.device import accumulator
from lightning_weightviz.measure.head import picture_from
from lightning_weightviz.measure.layout import matrix, power_above
from lightning_weightviz.measure.moments import MomentsPass
from lightning_weightviz.measure.packing import Arrays, Packer
from lightning_weightviz.measure.pooling import pool
from lightning_weightviz.measure.report import Gathered
from lightning_weightviz.measure.rows import dead_rows
from lightning_weightviz.measure.spectrum import Lanczos, sigma
from lightning_weightviz.snapshot import Parameter, Picture


class Part:
    """The parameters of one device.

    Args:
        device: Which.
        indices: Places of the parameters in the meter.
        parameters: What they are.
        image_size: Most cells an axis of a picture.
        lanczos: The iteration of each; used for those of two or more dimensions.
        drift: What is remembered of them.
    """

    def __init__(
        self,
        device: torch.device,
        indices: Sequence[int],
        parameters: Sequence[Parameter],
        image_size: int,
        lanczos: Sequence[Lanczos],
        drift: Drift,
    ) -> None:
        self.device = device
        self.indices = indices
        self.parameters = parameters
        self.image_size = image_size
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
        self._moments = MomentsPass([tensor.numel() for tensor in tensors], packer)
        extremes = self._moments.run(tensors)
        self._pictured: list[int] = []
        self._matrices: list[int] = []
        self._runs: list[int] = []
        self._lengths: list[int] = []
        spectra: list[Tensor] = []
        scales: list[Tensor] = []
        dead: list[Tensor] = []
        one = torch.ones((), dtype=accumulator(part.device), device=part.device)
        for place, (tensor, extreme) in enumerate(zip(tensors, extremes, strict=True)):
            if tensor.numel() == 0:
                continue
            scale = None if extreme.plain else power_above(extreme.magnitude)
            if tensor.ndim > 1:
                values = matrix(tensor)
                dead.append(dead_rows(values, scale, extreme.row_norms))
                lanczos = part.lanczos[place]
                alpha, beta = lanczos.run(values, scale)
                scales.append(one if scale is None else scale.to(one.dtype))
                spectra += [alpha, beta]
                self._matrices.append(place)
                self._runs.append(lanczos.runs)
                self._lengths.append(len(alpha))
            if part.parameters[place].pictured:
                self._draw(place, tensor, scale, packer)
        if self._matrices:
            packer.add("dead", torch.stack(dead))
            packer.add("spectra", torch.cat(spectra))
            packer.add("scales", torch.stack(scales))
        start, previous = part.drift.measure(tensors)
        packer.add("start", start)
        packer.add("previous", previous)

    def _draw(self, place: int, tensor: Tensor, scale: Tensor | None, packer: Packer) -> None:
        parameter = self._part.parameters[place]
        flat = tensor.reshape(1, -1) if tensor.ndim < 2 else tensor.flatten(1)
        for key, values in pool(flat, self._part.image_size, scale).items():
            packer.add(("picture", place, key), values)
        if parameter.layout == "filters":
            packer.add(("picture", place, "filters"), _filters(tensor).to(torch.float32))
        self._pictured.append(place)

    def collect(self, arrays: Arrays) -> tuple[Gathered, dict[int, Picture]]:
        """The numbers of the part's parameters, and pictures by parameter."""
        part = self._part
        distribution = self._moments.collect(arrays)
        dead, sigmas = np.full((2, len(part.parameters)), np.nan)
        if self._matrices:
            dead[self._matrices] = arrays["dead"]
        offset = 0
        for number, place in enumerate(self._matrices):
            length = self._lengths[number]
            alpha, beta = arrays["spectra"][offset : offset + 2 * length].reshape(2, length)
            sigmas[place] = sigma(alpha, beta, float(arrays["scales"][number]), part.lanczos[place], self._runs[number])
            offset += 2 * length
        start, previous = arrays["start"].astype(np.float64), arrays["previous"].astype(np.float64)
        pictures = {}
        for place in self._pictured:
            found = {key[2]: values for key, values in arrays.items() if key[:2] == ("picture", place)}
            pictures[part.indices[place]] = picture_from(found, part.parameters[place].matrix_shape)
        return Gathered(distribution, dead, sigmas, start, previous), pictures


def _filters(tensor: Tensor) -> Tensor:
    """(out, in, height, width) of a convolution of one, two or three dimensions; depth is stacked on height."""
    out, channels = tensor.shape[:2]
    return tensor.reshape(out, channels, -1, tensor.shape[-1])
