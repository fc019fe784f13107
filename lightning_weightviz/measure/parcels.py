"""From what is enqueued on devices to what arrives on the host: one copy a device, and all that is made of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from lightning_weightviz.measure.device.abilities import looks
from lightning_weightviz.measure.device.change import WatchedSteps
from lightning_weightviz.measure.device.class_head import enqueue_head
from lightning_weightviz.measure.device.scaling import widen
from lightning_weightviz.measure.enqueued import EnqueuedGroup, EnqueuedHead
from lightning_weightviz.measure.host.class_head import classes_of
from lightning_weightviz.measure.host.group import collect
from lightning_weightviz.measure.host.measurements import Measured, gather, measured_from
from lightning_weightviz.measure.inputs import HeadSource
from lightning_weightviz.measure.statistics import STATISTICS
from lightning_weightviz.measure.transfer import Packer
from lightning_weightviz.snapshot import Parameter, Picture, Spectrum


@contextmanager
def undisturbed(devices: Sequence[torch.device]) -> Iterator[None]:
    """Without gradients and without autocast, whatever the training has switched on."""
    with ExitStack() as stack:
        stack.enter_context(torch.no_grad())
        for kind in {device.type for device in devices}:
            if torch.amp.is_autocast_available(kind):
                stack.enter_context(torch.autocast(kind, enabled=False))
        yield


class Parcels:
    """What one measurement sends.

    Args:
        parameters: What is measured.
        sizes: Elements of each.
        kept: How many of them are remembered.
        image_size: Most cells an axis of a picture.
    """

    def __init__(
        self, parameters: Sequence[Parameter], sizes: Sequence[int], kept: Sequence[int], image_size: int
    ) -> None:
        self._parameters = parameters
        self._weight = np.array(sizes, np.int64) / np.maximum(kept, 1)
        self._image_size = image_size
        self._groups: list[tuple[EnqueuedGroup, Packer]] = []
        self._heads: list[tuple[EnqueuedHead, Packer]] = []
        self._steps: list[tuple[Sequence[int], Packer]] = []
        self._packers: dict[torch.device, Packer] = {}

    def add_group(self, device: torch.device, enqueue: Callable[[Packer], EnqueuedGroup]) -> None:
        """Enqueues a group of parameters; a device may have several."""
        packer = self._packers[device] = Packer(here=looks(device))
        self._groups.append((enqueue(packer), packer))

    def add_steps(self, steps: WatchedSteps) -> None:
        """Optimizer steps; after the groups, as all others."""
        for device, seen in steps.items():
            for owners, sums in seen.items():
                packer = self._packer(device)
                packer.add(("step", len(self._steps)), sums)
                self._steps.append((owners, packer))

    def add_head(self, head: HeadSource) -> None:
        """Enqueues the classes; where the head is among the parameters that have a picture, that is theirs."""
        wanted = head.name, tuple(head.weight.shape), True
        found = [(one.name, one.matrix_shape, one.pictured) == wanted and one.size > 0 for one in self._parameters]
        place = found.index(True) if any(found) else None
        packer = self._packer(head.weight.device)
        self._heads.append((enqueue_head(head, len(self._heads), packer, self._image_size, place), packer))

    def add_classes(self, head: HeadSource, norms: Tensor, place: int) -> None:
        """Classes that were measured elsewhere and are too many to be compared.

        Args:
            head: Its weight tells its shape alone.
            norms: Of the classes, float64.
            place: Of the parameter whose picture is theirs.
        """
        packer, number = self._packer(norms.device), len(self._heads)
        packer.add(("head", number, "norms"), norms)
        if head.bias is not None:
            packer.add(("head", number, "bias"), widen(head.bias))
        self._heads.append((EnqueuedHead(head, number, norms.device, place, None, None), packer))

    def _packer(self, device: torch.device) -> Packer:
        if device not in self._packers:
            self._packers[device] = Packer(here=looks(device))
        return self._packers[device]

    def send(self) -> Callable[[], Measured]:
        """Starts the copies; what is returned waits for them and reads them."""
        packers = dict.fromkeys([packer for _, packer in self._groups] + list(self._packers.values()))
        arrivals = {packer: packer.send() for packer in packers}

        @torch.no_grad()
        def finish() -> Measured:
            arrays = {packer: arrival.arrays() for packer, arrival in arrivals.items()}
            found = [collect(group, arrays[packer]) for group, packer in self._groups]
            pictures: dict[int, Picture] = {index: one for _, drawn, _ in found for index, one in drawn.items()}
            spectra: dict[int, Spectrum] = {index: one for *_, known in found for index, one in known.items()}
            update = np.full((len(self._parameters), 2), np.nan)
            for number, (owners, packer) in enumerate(self._steps):
                update[list(owners)] = arrays[packer]["step", number]
            if found:
                order = np.array([index for group, _ in self._groups for index in group.indices], np.intp)
                numbers = gather([one for one, *_ in found], order)
                measured = measured_from(self._parameters, numbers, update, self._weight, pictures, spectra)
            else:
                measured = Measured({}, dict.fromkeys(STATISTICS, float("nan")))
            both = [classes_of(head, arrays[packer], pictures) for head, packer in self._heads]
            return replace(measured, heads=tuple(rows for rows, _ in both), pairs=tuple(pairs for _, pairs in both))

        return finish
