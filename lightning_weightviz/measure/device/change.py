"""What is remembered of weights to say how they change: the start, the snapshot before, and one optimizer step."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from lightning_weightviz.measure.device.abilities import accumulator
from lightning_weightviz.measure.device.subset import Kept, Moved, Subset

Known = list[Tensor | None]
WatchedSteps = dict[torch.device, dict[tuple[int, ...], Tensor]]
"""By device, of the parameters of each step that was watched ‖Δw‖² and ‖w before‖², (k, 2); the newest come last."""


class Reference:
    """The start and the snapshot before, of the tensors of one device.

    Args:
        subset: Which elements are remembered.
        start: Those of the first snapshot from an earlier run, one a tensor; None where there are none.
        previous: Those of the last snapshot.
    """

    def __init__(self, subset: Subset, start: Known, previous: Known) -> None:
        self._subset = subset
        self._unknown = start
        self._start: Tensor | None = None
        self._previous = subset.join(previous)

    def measure(self, tensors: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Distances from the start and from the snapshot before, which is from now on this one.

        Returns:
            Two of (tensors, 3), as of `Subset.distances`.
        """
        return self._take(self._subset.gather(tensors))

    def measure_kept(self, kept: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """As `measure`, of the kept elements alone, one tensor a parameter."""
        return self._take(self._subset.join(kept))

    def is_as_before(self, tensors: Sequence[Tensor]) -> bool:
        """Whether no kept element differs from the snapshot before; waits for the device."""
        now = self._subset.gather(tensors)
        return bool(((now == self._previous) | (now.isnan() & self._previous.isnan())).all())

    def _take(self, now: Tensor) -> tuple[Tensor, Tensor]:
        if self._start is None:
            parts = zip(self._unknown, self._subset.split(now), strict=True)
            self._start = self._subset.join([here if known is None else known for known, here in parts])
        from_start, from_previous = self._subset.distances(now, [self._start, self._previous])
        self._previous = now
        return from_start, from_previous

    def moved(self, place: int) -> Moved:
        """How tensor `place` differed from its start when `measure` was last called."""
        kept = self.kept(place)
        # In float64, as the difference of two of the largest floats is none.
        wide = accumulator(kept.now.device)
        return Moved(kept.now.to(wide) - kept.start.to(wide), kept.index)

    def kept(self, place: int) -> Kept:
        """Tensor `place` and its start, when `measure` was last called."""
        assert self._start is not None
        now, start = (self._subset.part(rows, place) for rows in (self._previous, self._start))
        return Kept(now, start, self._subset.index[place])

    @property
    def start(self) -> Known:
        """The kept elements at the first snapshot."""
        return self._unknown if self._start is None else list(self._subset.split(self._start))

    @property
    def previous(self) -> Known:
        """The kept elements at the last snapshot; NaN where not known."""
        return list(self._subset.split(self._previous))


class StepDistances:
    """How far single optimizer steps go; see `before` and `after`.

    Args:
        sizes: Elements of each parameter.
        kept: How many of them are remembered.
    """

    def __init__(self, sizes: Sequence[int], kept: Sequence[int]) -> None:
        self._sizes = sizes
        self._kept = kept
        self._subsets: dict[tuple[torch.device, tuple[int, ...]], Subset] = {}
        self._before: dict[tuple[torch.device, tuple[int, ...]], Tensor] = {}
        self._seen: WatchedSteps = {}

    def before(self, tensors: Sequence[Tensor], which: Sequence[int]) -> None:
        """Remembers parameters `which`, whose values are `tensors`, before a step."""
        for key, group in _by_device(tensors, which).items():
            if key not in self._subsets:
                device, owners = key
                sizes, kept = [self._sizes[index] for index in owners], [self._kept[index] for index in owners]
                self._subsets[key] = Subset(sizes, kept, device)
            self._before[key] = self._subsets[key].gather(group)

    def after(self, tensors: Sequence[Tensor], which: Sequence[int]) -> None:
        """Measures the step; nothing where `before` was not called for the same parameters."""
        for key, group in _by_device(tensors, which).items():
            before = self._before.pop(key, None)
            if before is not None:
                _, owners = key
                (distance,) = self._subsets[key].distances(self._subsets[key].gather(group), [before])
                self.add(owners, distance[:, ::2])

    def add(self, owners: tuple[int, ...], sums: Tensor) -> None:
        """Takes in the sums of a step of some parameters, (k, 2), on the subset; an older one of theirs goes."""
        seen = self._seen.setdefault(sums.device, {})
        seen.pop(owners, None)
        seen[owners] = sums

    def forget(self) -> None:
        """Lets the steps seen go, and what is remembered of one that is not over."""
        self._before, self._seen = {}, {}

    def take(self) -> WatchedSteps:
        """The steps seen since the last call."""
        seen, self._seen = self._seen, {}
        return seen


def _by_device(
    tensors: Sequence[Tensor], which: Sequence[int]
) -> dict[tuple[torch.device, tuple[int, ...]], list[Tensor]]:
    owners: dict[torch.device, list[int]] = {}
    groups: dict[torch.device, list[Tensor]] = {}
    for tensor, index in zip(tensors, which, strict=True):
        owners.setdefault(tensor.device, []).append(index)
        groups.setdefault(tensor.device, []).append(tensor.detach())
    return {(device, tuple(owners[device])): group for device, group in groups.items()}
