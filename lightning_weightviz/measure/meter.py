"""The meter: everything that is measured of a model's parameters, one copy to the host, and what it remembers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lightning_weightviz.measure.device.abilities import looks
from lightning_weightviz.measure.device.change import Known, Reference, StepDistances, WatchedSteps
from lightning_weightviz.measure.device.class_head import enqueue_head
from lightning_weightviz.measure.device.group import DeviceGroup, enqueue
from lightning_weightviz.measure.device.spectrum import Lanczos
from lightning_weightviz.measure.device.subset import Subset, shares
from lightning_weightviz.measure.enqueued import EnqueuedHead
from lightning_weightviz.measure.host.class_head import classes_of
from lightning_weightviz.measure.host.group import collect
from lightning_weightviz.measure.host.measurements import Gathered, Measured, gather, measured_from
from lightning_weightviz.measure.inputs import HeadSource, Wanted, plain
from lightning_weightviz.measure.statistics import STATISTICS, Need
from lightning_weightviz.measure.transfer import Arrays, Packer
from lightning_weightviz.run.deferred import Deferred
from lightning_weightviz.snapshot import Parameter, Picture

BATCH = 1 << 26
"""Bytes that are measured together on the host: what is mapped from a file need not be in memory all at once."""
SPECTRAL_STATE = 1 << 16
"""Elements of singular vectors that go into the state, as float16; what does not fit is found anew."""


class Meter:
    """Measures the same parameters again and again.

    Args:
        parameters: What each is; values come in this order.
        image_size: Pictures have at most this many cells an axis.
        statistics: Those that will be read; None: all. Expensive ones are skipped where they are not among them:
            ``stable_rank`` and ``spectral_norm``; of large parameters ``kurtosis``, and the sort that makes ``median``
            exact.
        means: Whether pictures hold means too, from which changes are told.
        remembers: Whether values are kept from the start and from one snapshot to the next, to tell changes. Without
            it ``rotation``, ``relative_change`` and ``update_ratio`` are NaN.

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
    ) -> None:
        self._parameters = tuple(parameters)
        self._image_size = image_size
        self._wanted = _wanted(STATISTICS if statistics is None else statistics, means=means)
        self._sizes = [parameter.size for parameter in parameters]
        unknown: Known = [None] * len(self._parameters)
        self._begin(shares(self._sizes) if remembers else [0] * len(self._sizes), unknown, unknown, unknown)

    def _begin(self, kept: list[int], start: Known, previous: Known, vectors: Known) -> None:
        """Goes on from what is known of each parameter."""
        self._kept, self._start, self._previous = kept, start, previous
        self._lanczos = [
            Lanczos(_vector_length(parameter), parameter.stacked, vector)
            for parameter, vector in zip(self._parameters, vectors, strict=True)
        ]
        self._step = StepDistances(self._sizes, kept)
        self._groups: list[DeviceGroup] = []

    def measure(
        self,
        tensors: Sequence[Tensor] | Callable[[], Sequence[Tensor]],
        heads: Sequence[HeadSource] = (),
        *,
        later: bool = False,
    ) -> Deferred[Measured]:
        """Enqueues all reductions and one copy a device to the host; waits for nothing.

        Args:
            tensors: The parameters' values, any float dtype and memory layout, on one device or several; or what
                gives them. They may change as soon as the call returns.
            heads: The layers whose rows are the classes.
            later: Do nothing yet but end the time in which steps are watched: on the host, where nothing is enqueued,
                the thread that asks for the result does the work. No tensor may change until then.

        Raises:
            TypeError: A tensor is of a subclass that decides what its values are, such as a quantised weight or a
                ``DTensor``; the error names the parameter. Where `later`, the result raises it.
            ValueError: A tensor has another number of elements than its parameter; the error names that too.
        """
        begin = Deferred(partial(self._begin_measuring, tensors, heads, self._step.take()))
        if not later:
            begin.result()
        return Deferred(lambda: begin.result()())

    def _begin_measuring(
        self,
        tensors: Sequence[Tensor] | Callable[[], Sequence[Tensor]],
        heads: Sequence[HeadSource],
        steps: WatchedSteps,
    ) -> Callable[[], Measured]:
        """Enqueues; returns what reads the results."""
        with ExitStack() as stack:
            stack.enter_context(torch.no_grad())
            given = tensors() if callable(tensors) else tensors
            values = [self._plain(index, tensor) for index, tensor in enumerate(given)]
            heads = [_plain_head(head) for head in heads]
            groups = self._place(values)
            devices = {group.device for group in groups} | set(steps) | {head.weight.device for head in heads}
            for kind in {device.type for device in devices}:
                if torch.amp.is_autocast_available(kind):
                    stack.enter_context(torch.autocast(kind, enabled=False))
            # A device has one, which takes all that is of no group too; on the host there may be more.
            parcels = [Packer() for _ in groups]
            packers = {device: Packer() for device in devices}
            packers |= {group.device: parcel for group, parcel in zip(groups, parcels, strict=True)}
            enqueued = [
                enqueue(group, [values[i] for i in group.indices], parcel)
                for group, parcel in zip(groups, parcels, strict=True)
            ]
            for device, seen in steps.items():
                for number, (_, sums) in enumerate(seen):
                    packers[device].add(("step", number), sums)
            classes = [self._enqueue_head(head, n, packers[head.weight.device]) for n, head in enumerate(heads)]
            arrivals = {packer: packer.send() for packer in dict.fromkeys((*parcels, *packers.values()))}

        @torch.no_grad()
        def finish() -> Measured:
            arrived = {packer: arrival.arrays() for packer, arrival in arrivals.items()}
            arrays = {device: arrived[packer] for device, packer in packers.items()}
            found = [collect(one, arrived[parcel]) for one, parcel in zip(enqueued, parcels, strict=True)]
            pictures = {index: picture for _, drawn in found for index, picture in drawn.items()}
            order = [index for one in enqueued for index in one.indices]
            measured = self._measured(found, order, arrays, steps, pictures)
            both = [classes_of(one, arrays[one.device], pictures) for one in classes]
            return replace(measured, heads=tuple(rows for rows, _ in both), pairs=tuple(pairs for _, pairs in both))

        return finish

    def _enqueue_head(self, head: HeadSource, number: int, packer: Packer) -> EnqueuedHead:
        """Enqueues the classes; where the head is among the parameters that have a picture, that is theirs."""
        wanted = head.name, tuple(head.weight.shape), True
        found = [(one.name, one.matrix_shape, one.pictured) == wanted and one.size > 0 for one in self._parameters]
        return enqueue_head(head, number, packer, self._image_size, found.index(True) if any(found) else None)

    def _measured(
        self,
        found: Sequence[tuple[Gathered, dict[int, Picture]]],
        order: Sequence[int],
        arrays: Mapping[torch.device, Arrays],
        steps: WatchedSteps,
        pictures: dict[int, Picture],
    ) -> Measured:
        """All parameters' measurements and the whole model's statistics."""
        if not found:
            return Measured({}, dict.fromkeys(STATISTICS, float("nan")))
        update = np.full((len(self._parameters), 2), np.nan)
        for device, seen in steps.items():
            for number, (owners, _) in enumerate(seen):
                update[list(owners)] = arrays[device]["step", number]
        weight = np.array(self._sizes, np.int64) / np.maximum(self._kept, 1)
        return measured_from(
            self._parameters, gather([one for one, _ in found], np.array(order, np.intp)), update, weight, pictures
        )

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

    def take_step(self, sums: Tensor, which: Sequence[int]) -> None:
        """Takes in a step that was measured elsewhere, for ``update_ratio`` of the next `measure`.

        Args:
            sums: ‖Δw‖² and ‖w before‖² of each whole parameter, (k, 2).
            which: Places among the meter's parameters, k.
        """
        shares = torch.tensor([self._kept[i] / max(self._sizes[i], 1) for i in which], dtype=sums.dtype, device="cpu")
        self._step.add(tuple(which), sums * shares.to(sums.device, non_blocking=True).unsqueeze(1))

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
        subset = Subset([self._sizes[i] for i in indices], [self._kept[i] for i in indices], device)
        reference = Reference(subset, [self._start[i] for i in indices], [self._previous[i] for i in indices])
        parameters = [self._parameters[i] for i in indices]
        lanczos = [self._lanczos[i] for i in indices]
        return DeviceGroup(device, indices, parameters, self._image_size, self._wanted, lanczos, reference)

    def _remember(self) -> None:
        """Takes from the groups what is to outlive them."""
        self._start, self._previous = list(self._start), list(self._previous)
        for group in self._groups:
            known = group.reference
            for index, start, previous in zip(group.indices, known.start, known.previous, strict=True):
                self._start[index], self._previous[index] = start, previous

    def state_dict(self) -> dict[str, Any]:
        """The start, the snapshot before and singular vectors, as CPU tensors and primitives; below 1.5 MB.

        Waits for the device. All that belongs to one parameter is under its name.
        """
        with torch.no_grad():
            self._remember()
            none = torch.empty(0, dtype=torch.float16, device="cpu")
            vectors: list[Tensor] = []
            left = SPECTRAL_STATE
            for lanczos in self._lanczos:
                vector = lanczos.vector
                fits = vector is not None and len(vector) <= left
                vectors.append(vector.to(torch.float16) if vector is not None and fits else none)
                left -= len(vectors[-1])
            return {
                "names": [parameter.name for parameter in self._parameters],
                "sizes": list(self._sizes),
                "kept": list(self._kept),
                "vector_sizes": [len(vector) for vector in vectors],
                "start": _pack(self._start, self._kept),
                "previous": _pack(self._previous, self._kept),
                "vectors": torch.cat([none, *vectors]),
            }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on where `state_dict` was taken; parameters that are new or of another size start afresh."""
        places = {name: index for index, name in enumerate(state["names"])}
        starts = state["start"].split(state["kept"])
        previous = state["previous"].split(state["kept"])
        vectors = state["vectors"].split(state["vector_sizes"])
        own = shares(self._sizes)
        kept: list[int] = []
        known: list[tuple[Tensor | None, Tensor | None, Tensor | None]] = []
        for parameter, size, share in zip(self._parameters, self._sizes, own, strict=True):
            place = places.get(parameter.name)
            if place is None or state["sizes"][place] != size:
                kept.append(share)
                known.append((None, None, None))
                continue
            vector = vectors[place].to(torch.float32)
            usable = len(vector) == parameter.stacked * _vector_length(parameter)
            kept.append(state["kept"][place])
            known.append((_known(starts[place]), _known(previous[place]), vector if usable else None))
        self._begin(kept, [one[0] for one in known], [one[1] for one in known], [one[2] for one in known])


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


def _vector_length(parameter: Parameter) -> int:
    """The smaller side of its matrix, or of each of its matrices."""
    rows, columns = parameter.matrix_shape
    return min(rows // parameter.stacked, columns)


def _plain_head(head: HeadSource) -> HeadSource:
    return replace(
        head,
        weight=plain(head.weight, head.name),
        bias=None if head.bias is None else plain(head.bias, f"the bias of {head.name}"),
        chain=tuple((name, plain(weight, name)) for name, weight in head.chain),
    )


def _wanted(statistics: Collection[str], *, means: bool) -> Wanted:
    """What statistics of these names need."""
    needs = frozenset[Need]().union(*(STATISTICS[name].needs for name in statistics))
    return Wanted(
        spectrum="spectrum" in needs,
        powers=4 if "fourth" in needs else 2,
        sort="sort" in needs,
        means=means,
    )


def _pack(known: Known, kept: Sequence[int]) -> Tensor:
    """The kept elements of all parameters in one tensor on the host; NaN where they are not known."""
    parts = [
        torch.full((count,), torch.nan, dtype=torch.float32, device="cpu")
        if values is None
        else values.to("cpu", torch.float32)
        for values, count in zip(known, kept, strict=True)
    ]
    return torch.cat(parts) if parts else torch.empty(0, dtype=torch.float32, device="cpu")


def _known(values: Tensor) -> Tensor | None:
    """The inverse of `_pack` for one parameter."""
    return None if bool(values.isnan().all()) else values
