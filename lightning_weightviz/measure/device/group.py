"""The parameters of one device, and what is enqueued there to measure them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lightning_weightviz.measure.device.abilities import accumulator, looks
from lightning_weightviz.measure.device.change import Reference
from lightning_weightviz.measure.device.embedding_rows import rank
from lightning_weightviz.measure.device.memory_order import matrix
from lightning_weightviz.measure.device.moments import Extremes, measure_moments
from lightning_weightviz.measure.device.scaling import is_plain, power_above, scale_of
from lightning_weightviz.measure.device.sent_picture import SentPicture, picture_to_send
from lightning_weightviz.measure.device.singular_values import MOST_SENT, products_of, singular_values
from lightning_weightviz.measure.device.spectrum import Lanczos
from lightning_weightviz.measure.device.stacks import TOGETHER, FoundMatrices, Matrices, count_dead, measure_matrices
from lightning_weightviz.measure.device.still_units import still_units
from lightning_weightviz.measure.device.units import column_norms, dead_units, row_norms, unit_norms
from lightning_weightviz.measure.enqueued import EnqueuedGroup, Finish
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
        fused: Whether kernels of our own measure what they can.
    """

    device: torch.device
    indices: Sequence[int]
    parameters: Sequence[Parameter]
    image_size: int
    wanted: Wanted
    lanczos: Sequence[Lanczos]
    reference: Reference
    fused: bool = False


def enqueue(
    group: DeviceGroup, tensors: Sequence[Tensor], packer: Packer, *, spectra_too: bool = False
) -> EnqueuedGroup:
    """Enqueues one measurement of a group; no synchronisation.

    Args:
        group: What is measured.
        tensors: Its parameters' values.
        packer: Where results go.
        spectra_too: Whether all singular values are measured of what has a picture.
    """
    matrices = [_one_below_the_other(*pair) for pair in zip(group.parameters, tensors, strict=True)]
    pieces, extremes = measure_moments(matrices, group.wanted.powers, sort=group.wanted.sort, fused=group.fused)
    owners = pieces.pack(packer)
    scales = _scales(extremes)
    dead: dict[int, Tensor] = {}
    spectra: dict[int, Callable[[Sequence[Ritz]], None]] = {}
    pictured: dict[int, Finish | None] = {}
    together = {} if looks(group.device) else _measure_together(group, matrices, extremes, scales)
    for place, (parameter, tensor, scale) in enumerate(zip(group.parameters, matrices, scales, strict=True)):
        if tensor.numel() == 0:
            continue
        picture = None
        if parameter.pictured:
            picture = _enqueue_picture(place, tensor, scale, group, packer)
            pictured[place] = picture.finish
        if tensor.ndim > 1:
            known, found, rows = together.get(place), extremes[place].row_norms, matrix(tensor)
            if parameter.units_axis == 1:
                dead[place] = dead_units(*_column_units(parameter, tensor, scale, picture), parameter.stacked)
            elif known is None:
                norms, whole = row_norms(rows, scale) if found is None else (found, None)
                dead[place], found = dead_units(norms, whole, parameter.stacked), norms
            if group.wanted.spectrum:
                lanczos = group.lanczos[place]
                sides = lanczos.run(rows, scale) if known is None or known.spectrum is None else known.spectrum
                spectra[place] = _pack_spectrum(place, sides, scale, lanczos, packer)
                if parameter.stacked > 1:
                    wholes = None if known is None else known.wholes
                    if wholes is None:
                        norms = row_norms(rows, scale)[0] if found is None else found
                        wholes = _matrix_norms(norms, parameter.stacked)
                    packer.add(("spectrum", place, "norms"), wholes)
    by_rows = [place for place in together if group.parameters[place].units_axis == 0]
    if by_rows:
        dead |= zip(by_rows, count_dead([together[place].norms for place in by_rows]).unbind(), strict=True)
    if dead:
        packer.add("dead", torch.stack(list(dead.values())))
    if group.wanted.all_values or spectra_too:
        _enqueue_values(group, matrices, scales, packer)
    start, previous = group.reference.measure(tensors)
    packer.add("start", start)
    packer.add("previous", previous)
    if group.wanted.still:
        still = [still_units(one, group.reference.kept(place)) for place, one in enumerate(group.parameters)]
        packer.add("still", torch.stack(still))
    # The rows of embeddings come last, as their changes are those from the start.
    for place in pictured:
        parameter = group.parameters[place]
        if parameter.kind == "embedding" and parameter.layout == "matrix":
            moved = group.reference.moved(place)
            for key, array in rank(matrices[place].flatten(1), scales[place], parameter.padding_index, moved).items():
                packer.add(("picture", place, key), array)
    return EnqueuedGroup(group.device, group.indices, group.parameters, owners, list(dead), spectra, pictured)


def _one_below_the_other(parameter: Parameter, tensor: Tensor) -> Tensor:
    """Stacked matrices as one of all their rows."""
    return tensor if parameter.stacked == 1 else tensor.reshape(parameter.matrix_shape)


def _scales(extremes: Sequence[Extremes]) -> list[Tensor | None]:
    """Of each parameter; None where its values are known to be plain."""
    scales: list[Tensor | None] = [None] * len(extremes)
    for dtype in (torch.float32, torch.float64):
        places = [place for place, one in enumerate(extremes) if not one.plain and one.magnitude.dtype == dtype]
        if places:
            of_each = power_above(torch.stack([extremes[place].magnitude for place in places])).unbind()
            for place, scale in zip(places, of_each, strict=True):
                scales[place] = scale
    return scales


def _measure_together(
    group: DeviceGroup, tensors: Sequence[Tensor], extremes: Sequence[Extremes], scales: Sequence[Tensor | None]
) -> dict[int, FoundMatrices]:
    """Of the matrices that our own kernels read, and of others that are not too large for it, by place."""
    matrices = [
        Matrices(place, matrix(tensor).unflatten(0, (parameter.stacked, -1)), scale, group.lanczos[place])
        for place, (parameter, tensor, scale) in enumerate(zip(group.parameters, tensors, scales, strict=True))
        if tensor.ndim > 1 and tensor.numel() > 0 and scale is not None
    ]
    found: dict[int, FoundMatrices] = {}
    if group.fused:
        from lightning_weightviz.measure.device.fused import stacks

        magnitudes = [extremes[one.place].magnitude for one in matrices]
        found = stacks.measure_matrices(matrices, magnitudes, spectrum=group.wanted.spectrum)
    rest = [one for one in matrices if one.place not in found and one.values.numel() <= TOGETHER]
    return found | measure_matrices(rest, spectrum=group.wanted.spectrum)


def _column_units(
    parameter: Parameter, tensor: Tensor, scale: Tensor | None, picture: SentPicture | None
) -> tuple[Tensor, Tensor | None]:
    """Norms of the units that are columns, as of `column_norms`, from the picture where it knows them."""
    width = parameter.unit_width
    columns = None if picture is None else picture.columns
    if columns is None or parameter.stretches > 1:
        return column_norms(tensor.flatten(1), scale, parameter.stretches, width)
    return unit_norms(columns.squares.to(accumulator(tensor.device)), columns.whole, width)


def _matrix_norms(norms: Tensor, matrices: int) -> Tensor:
    """Frobenius norms of matrices of equal size from the norms of their rows, (matrices,)."""
    wide = norms.to(accumulator(norms.device)).view(matrices, -1)
    found: Tensor = torch.linalg.vector_norm(wide, dim=1)
    return found


def _pack_spectrum(
    place: int, sides: tuple[Tensor, Tensor], scale: Tensor | None, lanczos: Lanczos, packer: Packer
) -> Callable[[Sequence[Ritz]], None]:
    """Sends what an iteration found; gives what takes in the vectors that the host finds."""
    for key, values in zip(("alpha", "beta"), sides, strict=True):
        packer.add(("spectrum", place, key), values)
    if scale is not None:
        packer.add(("spectrum", place, "scale"), scale)
    return lanczos.learner()


def enqueue_spectra(group: DeviceGroup, tensors: Sequence[Tensor], packer: Packer) -> None:
    """Enqueues singular values alone; arguments are those of `enqueue`."""
    matrices = [_one_below_the_other(*pair) for pair in zip(group.parameters, tensors, strict=True)]
    scales = [scale_of(one) if one.numel() and not is_plain(one) else None for one in matrices]
    _enqueue_values(group, matrices, scales, packer)


def _enqueue_values(
    group: DeviceGroup, matrices: Sequence[Tensor], scales: Sequence[Tensor | None], packer: Packer
) -> None:
    """Enqueues all singular values: of every matrix where a statistic needs them, else of what has a picture."""
    left = MOST_SENT
    for place, parameter in enumerate(group.parameters):
        if not parameter.size or len(parameter.shape) < 2 or not (group.wanted.all_values or parameter.pictured):
            continue
        rows = matrix(matrices[place])
        shape = rows.shape[0] // parameter.stacked, rows.shape[1]
        products = products_of(shape, parameter.stacked)
        # On the host no product is sent.
        exact = products > 0 and (looks(group.device) or products <= left)
        left -= products if exact else 0
        for key, array in singular_values(rows, scales[place], parameter.stacked, exact=exact).items():
            packer.add(("values", place, key), array)


def _enqueue_picture(
    place: int, tensor: Tensor, scale: Tensor | None, group: DeviceGroup, packer: Packer
) -> SentPicture:
    parameter, size = group.parameters[place], group.image_size
    flat = tensor.reshape(1, -1) if tensor.ndim < 2 else tensor.flatten(1)
    cells = parameter.cells(size, size)
    mean = group.wanted.means and (parameter.kernel > 1 or cells != parameter.map_shape)
    picture = picture_to_send(flat, cells, scale, parameter.kernel, mean=mean)
    for key, values in picture.tensors.items():
        packer.add(("picture", place, key), values)
    if parameter.layout == "filters":
        shape = parameter.filters_shape
        packer.add(("picture", place, "filters"), tensor[: shape[0]].reshape(shape).to(torch.float32))
    return picture
