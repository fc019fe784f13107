"""The parameters of one device, and what is enqueued there to measure them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lightning_weightviz.measure.device.abilities import accumulator
from lightning_weightviz.measure.device.change import Reference
from lightning_weightviz.measure.device.embedding_rows import rank
from lightning_weightviz.measure.device.memory_order import matrix
from lightning_weightviz.measure.device.moments import measure_moments
from lightning_weightviz.measure.device.pooling import pool
from lightning_weightviz.measure.device.rows import dead_rows
from lightning_weightviz.measure.device.scaling import power_above
from lightning_weightviz.measure.device.spectrum import Lanczos
from lightning_weightviz.measure.enqueued import EnqueuedGroup
from lightning_weightviz.measure.inputs import Wanted
from lightning_weightviz.measure.transfer import Packer
from lightning_weightviz.measure.tridiagonal import Ritz
from lightning_weightviz.snapshot import Parameter


@dataclass(frozen=True)
class DeviceGroup:
    """The parameters of one device.

    Attributes:
        device: Which.
        indices: Places of the parameters in the meter.
        parameters: What they are.
        image_size: Most cells an axis of a picture.
        wanted: Which of the expensive quantities are measured.
        lanczos: The iteration of each; used for those of two or more dimensions.
        reference: What is remembered of them.
    """

    device: torch.device
    indices: Sequence[int]
    parameters: Sequence[Parameter]
    image_size: int
    wanted: Wanted
    lanczos: Sequence[Lanczos]
    reference: Reference


def enqueue(group: DeviceGroup, tensors: Sequence[Tensor], packer: Packer) -> EnqueuedGroup:
    """Enqueues one measurement of a group; no synchronisation.

    Args:
        group: What is measured.
        tensors: Its parameters' values.
        packer: Where results go.
    """
    pieces, extremes = measure_moments(tensors, group.wanted.powers, sort=group.wanted.sort)
    owners = pieces.pack(packer)
    scales = [None if extreme.plain else power_above(extreme.magnitude) for extreme in extremes]
    dead: dict[int, Tensor] = {}
    spectra: dict[int, Callable[[Ritz], None]] = {}
    pictured: list[int] = []
    for place, (parameter, tensor, scale) in enumerate(zip(group.parameters, tensors, scales, strict=True)):
        if tensor.numel() == 0:
            continue
        if tensor.ndim > 1:
            values = matrix(tensor)
            dead[place] = dead_rows(values, scale, extremes[place].row_norms)
            if group.wanted.spectrum:
                spectra[place] = _enqueue_spectrum(place, values, scale, group.lanczos[place], packer)
        if parameter.pictured:
            _enqueue_picture(place, tensor, scale, group, packer)
            pictured.append(place)
    if dead:
        packer.add("dead", torch.stack(list(dead.values())))
    start, previous = group.reference.measure(tensors)
    packer.add("start", start)
    packer.add("previous", previous)
    # The rows of embeddings come last, as their changes are those from the start.
    for place in pictured:
        parameter = group.parameters[place]
        if parameter.kind == "embedding" and parameter.layout == "matrix":
            moved = group.reference.moved(place)
            for key, array in rank(tensors[place].flatten(1), scales[place], parameter.padding_index, moved).items():
                packer.add(("picture", place, key), array)
    return EnqueuedGroup(group.device, group.indices, group.parameters, owners, list(dead), spectra, pictured)


def _enqueue_spectrum(
    place: int, values: Tensor, scale: Tensor | None, lanczos: Lanczos, packer: Packer
) -> Callable[[Ritz], None]:
    """Enqueues one iteration; gives what takes in the vector that the host finds."""
    alpha, beta = lanczos.run(values, scale)
    packer.add(("spectrum", place, "alpha"), alpha)
    packer.add(("spectrum", place, "beta"), beta)
    if scale is not None:
        packer.add(("spectrum", place, "scale"), scale.to(accumulator(values.device)))
    return lanczos.learner()


def _enqueue_picture(place: int, tensor: Tensor, scale: Tensor | None, group: DeviceGroup, packer: Packer) -> None:
    parameter, size = group.parameters[place], group.image_size
    flat = tensor.reshape(1, -1) if tensor.ndim < 2 else tensor.flatten(1)
    cells = parameter.cells(size, size)
    mean = group.wanted.means and (parameter.kernel > 1 or cells != parameter.map_shape)
    for key, values in pool(flat, cells, scale, parameter.kernel, mean=mean).items():
        packer.add(("picture", place, key), values)
    if parameter.layout == "filters":
        shape = parameter.filters_shape
        packer.add(("picture", place, "filters"), tensor[: shape[0]].reshape(shape).to(torch.float32))
