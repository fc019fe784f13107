"""From the numbers of all parameters to what is known of each, and of the whole model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from lightning_weightviz.measure.host.merge_moments import Distribution, with_total
from lightning_weightviz.measure.host.percentiles import (
    as_counts,
    percentiles,
    slot_edges,
    total_counts,
    without_zeros,
)
from lightning_weightviz.measure.statistics import STATISTICS, Moments, Reductions, moved
from lightning_weightviz.run.deferred import Deferred
from lightning_weightviz.snapshot import (
    PERCENTILES,
    ClassPairs,
    ClassRows,
    Counts,
    Measurement,
    Parameter,
    Picture,
    Spectrum,
)

Floats = npt.NDArray[np.float64]
_MEDIAN = PERCENTILES.index(50.0)


@dataclass(frozen=True)
class Measured:
    """What one call of `Meter.measure` found.

    Attributes:
        measurements: By parameter name, in the order of the parameters.
        totals: Every statistic over all parameters together; NaN where it has no meaning there.
        heads: The classes of each head.
        pairs: Compare them, one per head; on the host that takes C²d multiplications, when it is first asked for. It
            gives None where there are too many classes to compare all pairs, or one.
        errors: What each statistic that failed raised, by its name; it is NaN then.
    """

    measurements: dict[str, Measurement]
    totals: dict[str, float]
    heads: tuple[ClassRows, ...] = ()
    pairs: tuple[Deferred[ClassPairs | None], ...] = ()
    errors: dict[str, Exception] = field(default_factory=dict)


@dataclass(frozen=True)
class Gathered:
    """Numbers of some parameters, on the host; the first axis of each array is the parameters'.

    Attributes:
        distribution: Moments, counts and percentiles.
        dead: float64, (k,); NaN below two dimensions.
        still: float64, (k,); NaN where it was not asked for, or is not known.
        sigma: float64, (k,); NaN below two dimensions.
        matrix_norm: float64, (k,), Frobenius norm of the matrix that sigma is of; NaN where it is the whole parameter.
        start: float64, (k, 3), sums of the distance from the start.
        previous: float64, (k, 3), from the snapshot before.
    """

    distribution: Distribution
    dead: Floats
    still: Floats
    sigma: Floats
    matrix_norm: Floats
    start: Floats
    previous: Floats


def gather(parts: Sequence[Gathered], order: npt.NDArray[np.intp]) -> Gathered:
    """Puts the devices' numbers together; row i of the concatenation belongs to parameter ``order[i]``."""
    if len(parts) == 1 and (np.diff(order) > 0).all():
        return parts[0]
    back = np.argsort(order)

    def join(rows: Sequence[npt.NDArray[Any]]) -> npt.NDArray[Any]:
        return np.concatenate(rows)[back]

    distributions = [part.distribution for part in parts]
    moments = [distribution.moments for distribution in distributions]
    return Gathered(
        Distribution(
            Moments(*(join([getattr(one, sums.name) for one in moments]) for sums in fields(Moments))),
            slots=join([one.slots for one in distributions]),
            scale=join([one.scale for one in distributions]),
            fan=join([one.fan for one in distributions]),
        ),
        dead=join([part.dead for part in parts]),
        still=join([part.still for part in parts]),
        sigma=join([part.sigma for part in parts]),
        matrix_norm=join([part.matrix_norm for part in parts]),
        start=join([part.start for part in parts]),
        previous=join([part.previous for part in parts]),
    )


def measured_from(
    parameters: Sequence[Parameter],
    found: Gathered,
    update: Floats,
    weight: Floats,
    pictures: dict[int, Picture],
    spectra: dict[int, Spectrum],
) -> Measured:
    """Statistics, histograms and pictures of all parameters, and the whole model's statistics.

    Args:
        parameters: What was measured.
        found: Their numbers.
        update: (parameters, 2), sums of one optimizer step; NaN where none was observed.
        weight: (parameters,), elements of each parameter for one of its subset.
        pictures: By place in `parameters`.
        spectra: The same.
    """
    # Percentiles: exact ones where they are known, else those of the counts.
    values = found.distribution
    moments = with_total(values.moments)
    bounds = values.moments.minimum, values.moments.maximum
    edges = slot_edges(values.scale, *bounds)
    fan, rest = values.fan.copy(), np.flatnonzero(np.isnan(values.fan[:, 0]))
    if len(rest):
        fan[rest] = percentiles(values.slots[rest], edges[rest], bounds[0][rest], bounds[1][rest])
    whole = percentiles(*total_counts(values.slots, values.scale), moments.minimum[-1:], moments.maximum[-1:], (50.0,))
    ranks, outliers = np.full((2, len(parameters)), np.nan)
    for index, spectrum in spectra.items():
        ranks[index], outliers[index] = spectrum.effective_rank, _sum_of_known(spectrum.outliers)
    # Every statistic from the sums of all parameters at once.
    reductions = Reductions(
        moments=moments,
        median=np.append(fan[:, _MEDIAN], whole),
        dead_units=np.append(found.dead, np.nansum(found.dead)),
        unmoved_units=_with_count(found.still),
        effective_rank=np.append(ranks, np.nan),
        outliers=_with_count(outliers),
        sigma=np.append(found.sigma, np.nan),
        matrix_norm=np.append(found.matrix_norm, np.nan),
        start=_with_sum(found.start, weight),
        previous=_with_sum(found.previous, weight),
        update=_with_sum(update, weight),
    )
    columns: dict[str, list[float]] = {}
    errors: dict[str, Exception] = {}
    with np.errstate(all="ignore"):
        for name, statistic in STATISTICS.items():
            try:
                column = np.asarray(statistic.compute(reductions))
                # Not of each, as it takes longer than most statistics do.
                if column.shape != (len(parameters) + 1,):
                    column = np.broadcast_to(column, len(parameters) + 1)
            except Exception as error:
                errors[name], column = error, np.full(len(parameters) + 1, np.nan)
            columns[name] = column.tolist()
        way = moved(reductions).tolist()
    # And all that is known of a parameter, parameter by parameter.
    counts = _counts(values, edges)
    measurements = {
        parameter.name: Measurement(
            parameter=parameter,
            statistics={name: column[index] for name, column in columns.items()},
            counts=counts[index],
            percentiles=fan[index],
            moved=way[index],
            picture=pictures.get(index),
            spectrum=spectra.get(index),
        )
        for index, parameter in enumerate(parameters)
    }
    return Measured(measurements, {name: column[-1] for name, column in columns.items()}, errors=errors)


def _counts(values: Distribution, edges: Floats) -> list[Counts]:
    moments = values.moments
    some = moments.finite > 0
    with np.errstate(over="ignore"):
        total = np.where(some, moments.finite * moments.mean, 0.0).tolist()
        squares = np.where(some, moments.second + moments.finite * moments.mean**2, 0.0).tolist()
    ends = zip(moments.minimum.tolist(), moments.maximum.tolist(), total, squares, strict=True)
    counts, bounds = without_zeros(values.slots, edges)
    return [as_counts(counts[index], bounds[index], *numbers) for index, numbers in enumerate(ends)]


def _sum_of_known(counts: Floats) -> float:
    """NaN where none is."""
    return float(np.nansum(counts)) if np.isfinite(counts).any() else np.nan


def _with_count(counts: Floats) -> Floats:
    """With the sum of those that are known as the last row."""
    return np.append(counts, _sum_of_known(counts))


def _with_sum(sums: Floats, weight: Floats) -> Floats:
    """With a last row that estimates the sums over whole parameters from those over subsets; NaN are left out."""
    known = ~np.isnan(sums).any(1)
    total = (sums[known] * weight[known, None]).sum(0) if known.any() else np.full(sums.shape[1], np.nan)
    return np.concatenate([sums, total[None]])
