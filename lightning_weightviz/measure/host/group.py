"""From what arrived of the parameters of one device to their numbers and pictures."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from lightning_weightviz.measure.enqueued import NUMBERS, EnqueuedGroup, PieceOwners
from lightning_weightviz.measure.histogram_scheme import SLOTS
from lightning_weightviz.measure.host.measurements import Gathered
from lightning_weightviz.measure.host.merge_moments import Distribution, merge
from lightning_weightviz.measure.host.singular_values import spectra_among
from lightning_weightviz.measure.host.weight_map import picture_of
from lightning_weightviz.measure.transfer import Arrays
from lightning_weightviz.measure.tridiagonal import ritz
from lightning_weightviz.snapshot import PERCENTILES, Parameter, Picture, Spectrum


def collect(group: EnqueuedGroup, arrays: Arrays) -> tuple[Gathered, dict[int, Picture], dict[int, Spectrum]]:
    """The numbers of a group's parameters, and pictures and spectra by place in the meter.

    Args:
        group: What was measured.
        arrays: What arrived from its device.
    """
    count = len(group.parameters)
    # What belongs to one parameter arrives under (what, its place, key).
    own: dict[tuple[str, int], Arrays] = {}
    for key, values in arrays.items():
        if key[0] in ("picture", "spectrum"):
            own.setdefault(key[:2], {})[key[2]] = values
    dead, sigmas, norms = np.full((3, count), np.nan)
    if group.matrices:
        dead[group.matrices] = arrays["dead"]
    for place, learn in group.spectra.items():
        of_place = own["spectrum", place]
        alpha, beta = of_place["alpha"].astype(np.float64), of_place["beta"].astype(np.float64)
        found = [ritz(*sides) for sides in zip(alpha, beta, strict=True)]
        learn(found)
        scale = float(of_place.get("scale", 1.0))
        # Of several matrices, the one with the largest singular value.
        squares = [0.0 if math.isnan(one.value) else one.value for one in found]
        largest = squares.index(max(squares))
        sigmas[place] = float(np.sqrt(found[largest].value)) / scale
        if "norms" in of_place:
            norms[place] = float(of_place["norms"][largest]) / scale
    pictures = {
        group.indices[place]: picture_of(group.parameters[place], own["picture", place], finish)
        for place, finish in group.pictured.items()
    }
    distribution = _distribution(group.parameters, group.owners, arrays)
    start, previous = arrays["start"].astype(np.float64), arrays["previous"].astype(np.float64)
    still = arrays.get("still", np.full(count, np.nan)).astype(np.float64)
    spectra = {group.indices[place]: one for place, one in spectra_among(group.parameters, arrays)}
    return Gathered(distribution, dead, still, sigmas, norms, start, previous), pictures, spectra


def _distribution(parameters: Sequence[Parameter], owners: PieceOwners, arrays: Arrays) -> Distribution:
    """Merges the pieces."""
    count = len(parameters)
    slots = np.zeros((count, SLOTS + 1), np.int64)
    scale = np.ones(count)
    fan = np.full((count, len(PERCENTILES)), np.nan)
    numbers = np.zeros((0, len(NUMBERS)))
    if owners.numbers:
        slots[owners.counts] = arrays["slots"]
        scale[owners.counts] = arrays["scale"]
        numbers = arrays["numbers"].astype(np.float64)
        numbers[:, NUMBERS.index("nan")] -= owners.padding
    if owners.fans:
        fan[owners.fans] = arrays["fans"]
    sizes = np.array([parameter.size for parameter in parameters], np.int64)
    moments = merge(numbers, np.array(owners.numbers, np.intp), sizes, slots)
    return Distribution(moments, slots[:, :SLOTS], scale, fan)
