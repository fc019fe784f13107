"""The meter: everything that is measured of a model's parameters, one copy to the host, and what it remembers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from lightning_weightviz.measure.device.abilities import looks
from lightning_weightviz.measure.device.change import Reference, StepDistances, WatchedSteps
from lightning_weightviz.measure.device.fused.launching import fuses
from lightning_weightviz.measure.device.group import DeviceGroup, enqueue, enqueue_spectra
from lightning_weightviz.measure.device.subset import Subset
from lightning_weightviz.measure.host.measurements import Measured
from lightning_weightviz.measure.host.singular_values import spectra_among
from lightning_weightviz.measure.inputs import HeadSource, plain, plain_head
from lightning_weightviz.measure.parcels import Parcels, undisturbed
from lightning_weightviz.measure.remembered import Remembered
from lightning_weightviz.measure.statistics import STATISTICS, wanted_for
from lightning_weightviz.measure.transfer import Packer
from lightning_weightviz.run.deferred import Deferred
from lightning_weightviz.snapshot import Parameter, Spectrum

BATCH = 1 << 26
"""Bytes that are measured together on the host: what is mapped from a file need not be in memory all at once."""


class Meter:
    """Measures the same parameters again and again.

    Args:
        parameters: What each is; values come in this order.
        image_size: Pictures have at most this many cells an axis.
        statistics: Those that will be read; None: all. Expensive ones are skipped where they are not among them:
            ``stable_rank`` and ``spectral_norm``; ``effective_rank`` and ``outlier_directions``; ``unmoved_units``; of
            large parameters ``kurtosis``, and the sort that makes ``median`` exact.
        means: Whether pictures hold means too, from which changes are told.
        remembers: Whether values are kept from the start and from one snapshot to the next, to tell changes. Without
            it ``rotation``, ``relative_change`` and ``update_ratio`` are NaN.
        fused: Whether kernels of our own measure on CUDA devices, in place of torch's operators. Where none can be
            built torch's do, with a ``UserWarning``; the host and dtypes that they do not read need no warning.

    Example:
        >>> weight = torch.tensor([[3.0, 0.0], [0.0, -4.0]])
        >>> meter = Meter([Parameter("fc.weight", "linear", "Linear", (2, 2), "float32", "matrix")])
        >>> measured = meter.measure([weight]).result()
        >>> measured.measurements["fc.weight"].statistics["norm"]
        5.0
        >>> measured.totals["absmax"]
        4.0
    """

    def __init__(
        self,
        parameters: Sequence[Parameter],
        *,
        image_size: int = 256,
        statistics: Collection[str] | None = None,
        means: bool = False,
        remembers: bool = True,
        fused: bool = False,
    ) -> None:
        self._parameters = tuple(parameters)
        self._image_size = image_size
        self._wanted = wanted_for(STATISTICS if statistics is None else statistics, means=means)
        self._fused = fused
        self._known = Remembered(parameters, remembers=remembers)
        self._begin()

    def _begin(self) -> None:
        """Goes on from what is remembered of each parameter."""
        self._step = StepDistances(self._known.sizes, self._known.kept)
        self._groups: list[DeviceGroup] = []

    def measure(
        self,
        tensors: Sequence[Tensor] | Callable[[], Sequence[Tensor]],
        heads: Sequence[HeadSource] = (),
        *,
        later: bool = False,
        spectra: bool = False,
    ) -> Deferred[Measured]:
        """Enqueues all reductions and one copy a device to the host; waits for nothing.

        Args:
            tensors: The parameters' values, any float dtype and memory layout, on one device or several; or what
                gives them. They may change as soon as the call returns.
            heads: The layers whose rows are the classes.
            later: Do nothing yet but end the time in which steps are watched: on the host, where nothing is enqueued,
                the thread that asks for the result does the work. No tensor may change until then.
            spectra: Whether all singular values are measured of what has a picture; with the statistics that need
                them they are of all, at each call.

        Raises:
            TypeError: A tensor is of a subclass that decides what its values are, such as a quantised weight or a
                ``DTensor``; the error names the parameter. Where `later`, the result raises it.
            ValueError: A tensor has another number of elements than its parameter; the error names that too.
        """
        begin = Deferred(partial(self._begin_measuring, tensors, heads, self._step.take(), spectra))
        if not later:
            begin.result()
        return Deferred(lambda: begin.result()())

    def _begin_measuring(
        self,
        tensors: Sequence[Tensor] | Callable[[], Sequence[Tensor]],
        heads: Sequence[HeadSource],
        steps: WatchedSteps,
        spectra: bool,
    ) -> Callable[[], Measured]:
        """Enqueues; returns what reads the results."""
        with torch.no_grad():
            given = tensors() if callable(tensors) else tensors
            values = [self._plain(index, tensor) for index, tensor in enumerate(given)]
        groups = self._place(values)
        heads = [plain_head(head) for head in heads]
        devices = [group.device for group in groups] + list(steps) + [head.weight.device for head in heads]
        with undisturbed(devices):
            parcels = Parcels(self._parameters, self._known.sizes, self._known.kept, self._image_size)
            for group in groups:
                here = [values[i] for i in group.indices]
                parcels.add_group(group.device, partial(enqueue, group, here, spectra_too=spectra))
            parcels.add_steps(steps)
            for head in heads:
                parcels.add_head(head)
            return parcels.send()

    def spectra_of_last(self, tensors: Sequence[Tensor]) -> dict[str, Spectrum]:
        """All singular values of what has a picture, by name, if the last `measure` saw these values; else none.

        It waits for the device. Whether they are the same is told from what is remembered of them.
        """
        with torch.no_grad():
            values = [self._plain(index, tensor) for index, tensor in enumerate(tensors)]
            groups = [(group, [values[i] for i in group.indices]) for group in self._place(values)]
            if not all(group.reference.is_as_before(here) for group, here in groups):
                return {}
            found: dict[str, Spectrum] = {}
            with undisturbed([group.device for group, _ in groups]):
                for group, here in groups:
                    packer = Packer(here=looks(group.device))
                    enqueue_spectra(group, here, packer)
                    both = spectra_among(group.parameters, packer.send().arrays())
                    found |= {group.parameters[place].name: spectrum for place, spectrum in both}
            return found

    def before_step(self, tensors: Sequence[Tensor], which: Sequence[int]) -> None:
        """Remembers some parameters just before one optimizer step.

        Args:
            tensors: The values of parameters `which`, in the order of `which`.
            which: Places among the meter's parameters.
        """
        with torch.no_grad():
            self._step.before([self._plain(*pair) for pair in zip(which, tensors, strict=True)], which)

    def after_step(self, tensors: Sequence[Tensor], which: Sequence[int]) -> None:
        """Measures that step, for ``update_ratio`` of the next `measure`; arguments as of `before_step`."""
        with torch.no_grad():
            self._step.after([self._plain(*pair) for pair in zip(which, tensors, strict=True)], which)

    def forget_steps(self) -> None:
        """Lets go what was seen of optimizer steps since the last measurement."""
        self._step.forget()

    def _plain(self, index: int, tensor: Tensor) -> Tensor:
        """The values of parameter `index`."""
        parameter = self._parameters[index]
        values = plain(tensor, parameter.name)
        if values.numel() != parameter.size:
            raise ValueError(f"{parameter.name} has {parameter.size} elements, its values have {values.numel()}")
        return values

    def _place(self, tensors: Sequence[Tensor]) -> list[DeviceGroup]:
        """The parameters by device, on the host in batches; what is remembered moves with them."""
        places: dict[torch.device, list[int]] = {}
        for index, tensor in enumerate(tensors):
            places.setdefault(tensor.device, []).append(index)
        batches = [
            (device, batch)
            for device, indices in places.items()
            for batch in (_batches(indices, tensors) if looks(device) else [indices])
        ]
        if [(group.device, group.indices) for group in self._groups] != batches:
            self._remember()
            self._groups = [self._group(*batch) for batch in batches]
        return self._groups

    def _group(self, device: torch.device, indices: list[int]) -> DeviceGroup:
        known = self._known
        subset = Subset([known.sizes[i] for i in indices], [known.kept[i] for i in indices], device)
        reference = Reference(subset, [known.start[i] for i in indices], [known.previous[i] for i in indices])
        parameters = [self._parameters[i] for i in indices]
        lanczos = [known.lanczos[i] for i in indices]
        fused = self._fused and fuses(device)
        return DeviceGroup(device, indices, parameters, self._image_size, self._wanted, lanczos, reference, fused)

    def _remember(self) -> None:
        """Takes from the groups what is to outlive them."""
        for group in self._groups:
            self._known.take(group.indices, group.reference)

    def state_dict(self) -> dict[str, Any]:
        """The start, the snapshot before and singular vectors; see `Remembered`. Waits for the device."""
        with torch.no_grad():
            self._remember()
            return self._known.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on where `state_dict` was taken, by this meter or one of spread parameters; see `Remembered`."""
        self._known.load_state_dict(state)
        self._begin()


def _batches(indices: Sequence[int], tensors: Sequence[Tensor]) -> Iterator[list[int]]:
    """The same in their order, each batch of at least `BATCH` bytes but the last."""
    batch: list[int] = []
    size = 0
    for index in indices:
        batch.append(index)
        size += tensors[index].nbytes
        if size >= BATCH:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
