"""What a meter remembers of its parameters from one snapshot to the next, and over a restart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from lightning_weightviz.measure.device.change import Known, Reference
from lightning_weightviz.measure.device.spectrum import Lanczos, Side
from lightning_weightviz.measure.device.subset import shares
from lightning_weightviz.snapshot import Parameter

SPECTRAL_STATE = 1 << 16
"""Elements of singular vectors that go into the state, as float16; what does not fit is found anew."""


class Remembered:
    """What is remembered of some parameters.

    Args:
        parameters: What each is.
        remembers: Whether values are kept at all.

    Attributes:
        sizes: Elements of each.
        kept: How many of them are remembered.
        start: Those of the first snapshot; None where not known.
        previous: Those of the last snapshot.
        lanczos: The iteration of each.
    """

    def __init__(self, parameters: Sequence[Parameter], *, remembers: bool = True) -> None:
        self._parameters = tuple(parameters)
        self.sizes = [parameter.size for parameter in parameters]
        self.kept = shares(self.sizes) if remembers else [0] * len(self.sizes)
        self._forget()

    def _forget(self) -> None:
        self.start: Known = [None] * len(self.sizes)
        self.previous: Known = [None] * len(self.sizes)
        self.lanczos = [_iteration(parameter, _short_side(parameter)) for parameter in self._parameters]

    def turn(self, index: int, side: Side) -> Lanczos:
        """The iteration of a parameter with vectors along that side; where they lay along the other, a new one."""
        if self.lanczos[index].side != side:
            self.forget_vectors(index, side)
        return self.lanczos[index]

    def forget_vectors(self, index: int, side: Side) -> None:
        """Begins the iteration of a parameter anew."""
        self.lanczos[index] = _iteration(self._parameters[index], side)

    def take(self, indices: Sequence[int], reference: Reference) -> None:
        """Takes from a reference of some parameters what is to outlive it."""
        for index, start, previous in zip(indices, reference.start, reference.previous, strict=True):
            self.start[index], self.previous[index] = start, previous

    def state_dict(self) -> dict[str, Any]:
        """All of it, as CPU tensors and primitives; below 1.5 MB. All of one parameter is under its name."""
        none = torch.empty(0, dtype=torch.float16, device="cpu")
        vectors: list[Tensor] = []
        left = SPECTRAL_STATE
        for lanczos in self.lanczos:
            vector = lanczos.vector
            fits = vector is not None and len(vector) <= left
            vectors.append(vector.to(torch.float16) if vector is not None and fits else none)
            left -= len(vectors[-1])
        return {
            "names": [parameter.name for parameter in self._parameters],
            "sizes": list(self.sizes),
            "kept": list(self.kept),
            "vector_sizes": [len(vector) for vector in vectors],
            "vector_sides": [lanczos.side for lanczos in self.lanczos],
            "start": _pack(self.start, self.kept),
            "previous": _pack(self.previous, self.kept),
            "vectors": torch.cat([none, *vectors]),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on where `state_dict` was taken; parameters that are new or of another size start afresh."""
        places = {name: index for index, name in enumerate(state["names"])}
        starts = state["start"].split(state["kept"])
        previous = state["previous"].split(state["kept"])
        vectors = state["vectors"].split(state["vector_sizes"])
        self.kept = shares(self.sizes)
        self._forget()
        for index, parameter in enumerate(self._parameters):
            place = places.get(parameter.name)
            if place is None or state["sizes"][place] != parameter.size:
                continue
            self.kept[index] = state["kept"][place]
            self.start[index], self.previous[index] = _known(starts[place]), _known(previous[place])
            # Files of earlier versions name no sides, as all vectors lay along the short one.
            sides: Sequence[Side] = state.get("vector_sides", [])
            side = sides[place] if sides else _short_side(parameter)
            if len(vectors[place]) == parameter.stacked * _length(parameter, side):
                self.lanczos[index] = _iteration(parameter, side, vectors[place].to(torch.float32))


def _short_side(parameter: Parameter) -> Side:
    return "columns" if _length(parameter, "rows") >= _length(parameter, "columns") else "rows"


def _length(parameter: Parameter, side: Side) -> int:
    """Of a vector along that side of each of its matrices."""
    rows, columns = parameter.matrix_shape
    return columns if side == "columns" else rows // parameter.stacked


def _iteration(parameter: Parameter, side: Side, start: Tensor | None = None) -> Lanczos:
    return Lanczos(_length(parameter, side), parameter.stacked, start, side)


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
