"""The statistics of the contract, each from the sums of all parameters at once; the last row is the whole model.

A function under `statistic` is a statistic: it is measured, and may be named by users, without another edit.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from lightning_weightviz.measure.inputs import Wanted
from lightning_weightviz.registry import Registry

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Moments:
    """Sums over the finite values of each parameter; every array is (k,).

    Attributes:
        size: Elements, int64.
        nan: NaNs, int64.
        inf: Infinities of both signs, int64.
        zero: Exact zeros, int64.
        finite: Finite elements, int64.
        mean: float64, as all that follow; NaN where nothing is finite, and so the extremes.
        second: Sum of squared distances from the mean.
        third: Sum of their third powers.
        fourth: Sum of their fourth powers.
        minimum: Smallest value.
        maximum: Largest value.
    """

    size: npt.NDArray[np.int64]
    nan: npt.NDArray[np.int64]
    inf: npt.NDArray[np.int64]
    zero: npt.NDArray[np.int64]
    finite: npt.NDArray[np.int64]
    mean: Floats
    second: Floats
    third: Floats
    fourth: Floats
    minimum: Floats
    maximum: Floats


@dataclass(frozen=True)
class Reductions:
    """All that statistics are made of; every array is (parameters + 1,), the whole model last.

    Attributes:
        moments: Counts, central sums and extremes.
        median: 50th percentile.
        dead_units: Units that are dead; NaN below two dimensions.
        unmoved_units: Units that have not turned since the start; NaN below two dimensions, or where it is not known.
        effective_rank: Of the singular values; NaN where not all are measured, and for the model.
        outliers: Singular values beyond the edge of noise; NaN where none are measured.
        sigma: Largest singular value, of stacked matrices that of all; NaN below two dimensions and for the model.
        matrix_norm: Frobenius norm of the matrix that `sigma` is of; NaN where that matrix is the whole parameter.
        start: (parameters + 1, 3): ‖w - w₀‖², ‖w‖², ‖w₀‖² on the subset.
        previous: The same with the snapshot before; NaN at the first.
        update: ‖Δw‖² and ‖w‖² of one optimizer step, (parameters + 1, 2); NaN where none was observed.
    """

    moments: Moments
    median: Floats
    dead_units: Floats
    unmoved_units: Floats
    effective_rank: Floats
    outliers: Floats
    sigma: Floats
    matrix_norm: Floats
    start: Floats
    previous: Floats
    update: Floats


Compute = Callable[[Reductions], Floats]
Need = Literal["spectrum", "fourth", "sort", "all values", "still units"]
"""What is measured only where a statistic needs it: the largest singular value, fourth powers, exact percentiles, all
singular values, units that stand still."""


@dataclass(frozen=True)
class Statistic:
    """A number of each parameter.

    Attributes:
        compute: From the sums of all parameters to its values, (parameters + 1,), the whole model's last.
        needs: Expensive measurements that it is made of; without them it is NaN, or less exact.
    """

    compute: Compute
    needs: frozenset[Need] = frozenset()


STATISTICS = Registry[Statistic]("statistic")
"""Every statistic by the name that users write and tags carry."""


def statistic(name: str, *needs: Need) -> Callable[[Compute], Compute]:
    """Makes a function a statistic under `name`; `needs` are those of `Statistic`.

    Raises:
        ValueError: There is a statistic of that name already.
    """

    def register(compute: Compute) -> Compute:
        STATISTICS.add(name, Statistic(compute, frozenset(needs)), compute)
        return compute

    return register


def wanted_for(statistics: Collection[str], *, means: bool) -> Wanted:
    """What statistics of these names need."""
    needs = frozenset[Need]().union(*(STATISTICS[name].needs for name in statistics))
    return Wanted(
        spectrum="spectrum" in needs,
        powers=4 if "fourth" in needs else 2,
        sort="sort" in needs,
        means=means,
        all_values="all values" in needs,
        still="still units" in needs,
    )


def _ratio(over: Floats, under: Floats) -> Floats:
    """A quotient that is NaN, not infinite, where there is nothing to divide by."""
    quotient: Floats = np.divide(over, under, out=np.full(len(over), np.nan), where=under > 0)
    return quotient


@statistic("mean")
def mean(r: Reductions) -> Floats:
    """Mean."""
    return r.moments.mean


@statistic("std")
def std(r: Reductions) -> Floats:
    """Standard deviation, divided by n."""
    return np.sqrt(_ratio(r.moments.second, r.moments.finite.astype(np.float64)))


@statistic("rms")
def rms(r: Reductions) -> Floats:
    """Root mean square."""
    return np.hypot(mean(r), std(r))


@statistic("norm")
def norm(r: Reductions) -> Floats:
    """L2 norm; of a matrix, the Frobenius norm."""
    return np.nan_to_num(rms(r)) * np.sqrt(r.moments.finite)


@statistic("min")
def minimum(r: Reductions) -> Floats:
    """Smallest value, exact."""
    return r.moments.minimum


@statistic("max")
def maximum(r: Reductions) -> Floats:
    """Largest value, exact."""
    return r.moments.maximum


@statistic("absmax")
def absmax(r: Reductions) -> Floats:
    """Largest magnitude, exact."""
    return np.maximum(np.abs(r.moments.minimum), np.abs(r.moments.maximum))


@statistic("zero_fraction")
def zero_fraction(r: Reductions) -> Floats:
    """Share of the finite values that are exactly 0."""
    return _ratio(r.moments.zero.astype(np.float64), r.moments.finite.astype(np.float64))


@statistic("nan_count")
def nan_count(r: Reductions) -> Floats:
    """Number of NaNs."""
    return r.moments.nan.astype(np.float64)


@statistic("inf_count")
def inf_count(r: Reductions) -> Floats:
    """Number of infinities of both signs."""
    return r.moments.inf.astype(np.float64)


@statistic("kurtosis", "fourth")
def kurtosis(r: Reductions) -> Floats:
    """Fourth standardised moment: 3 for a normal distribution, 1.8 for a uniform one; NaN for a constant."""
    n = r.moments.finite.astype(np.float64)
    variance = _ratio(r.moments.second, n)
    return _ratio(_ratio(r.moments.fourth, n), variance**2)


@statistic("median", "sort")
def median(r: Reductions) -> Floats:
    """Median, exact; of the whole model, interpolated in a histogram of 16 bins an octave, at most 1/16 off."""
    return r.median


@statistic("dead_units")
def dead_units(r: Reductions) -> Floats:
    """Units with a norm of at most 1e-6 times the median norm of the units of their matrix; a model's are their sum.

    Units are rows, or filters, or columns where `Parameter.units_axis` says so. One that holds a NaN or an infinity
    is broken, not dead.
    """
    return r.dead_units


@statistic("unmoved_units", "still units")
def unmoved_units(r: Reductions) -> Floats:
    """Units that have not turned since the first snapshot while others of their matrix have; a model's are their sum.

    A unit's angle is told from the subset of `measure.device.subset`, as far as that holds four values a unit; the rule
    is that of `measure.device.still_units`. Units are those of `dead_units`.
    """
    return r.unmoved_units


@statistic("stable_rank", "spectrum")
def stable_rank(r: Reductions) -> Floats:
    """‖W‖_F² / σ₁²: how many directions carry the matrix; of stacked matrices, that of the largest σ₁."""
    length = np.where(np.isnan(r.matrix_norm), norm(r), r.matrix_norm)
    # Not a ratio of squares, which float64 may not hold.
    return _ratio(length, r.sigma) ** 2


@statistic("spectral_norm", "spectrum")
def spectral_norm(r: Reductions) -> Floats:
    """Largest singular value σ₁ of the matrix (shape[0], rest), within 1 %; of stacked matrices, the largest."""
    return r.sigma


@statistic("effective_rank", "all values")
def effective_rank(r: Reductions) -> Floats:
    """How many directions share the matrix: exp of the entropy of the normalised singular values.

    Roy and Vetterli 2007. Of stacked matrices the mean. NaN where the shorter side is above
    `measure.device.singular_values.EXACT`, or not all is finite.
    """
    return r.effective_rank


@statistic("outlier_directions", "all values")
def outlier_directions(r: Reductions) -> Floats:
    """Singular values beyond std · (√rows + √columns), where those of noise of that spread end.

    A model's are their sum, and so those of stacked matrices. Where the shorter side is above
    `measure.device.singular_values.EXACT`, as many as the Lanczos iteration finds, and never too many. NaN where not
    all is finite.
    """
    return r.outliers


@statistic("rotation")
def rotation(r: Reductions) -> Floats:
    """1 - cos(w, w₀) with w₀ the first snapshot, 0 there, on the subset of `measure.device.subset`."""
    distance, now, then = r.start.T
    # Equal to 1 - cos without the cancellation: what the distance holds beyond the difference of the lengths.
    turned = np.maximum(distance - (np.sqrt(now) - np.sqrt(then)) ** 2, 0.0)
    return _ratio(turned, 2.0 * np.sqrt(now) * np.sqrt(then))


@statistic("relative_change")
def relative_change(r: Reductions) -> Floats:
    """‖w - w_previous‖ / ‖w_previous‖ since the last snapshot, on the subset; NaN at the first."""
    return np.sqrt(_ratio(r.previous[:, 0], r.previous[:, 2]))


@statistic("update_ratio")
def update_ratio(r: Reductions) -> Floats:
    """‖Δw‖ / ‖w‖ of one optimizer step, w before it, on the subset; NaN where no step was observed."""
    return np.sqrt(_ratio(r.update[:, 0], r.update[:, 1]))


def moved(r: Reductions) -> Floats:
    """‖w - w₀‖ / ‖w₀‖, on the subset; NaN where w₀ is 0. Not a statistic of the contract: pictures say it."""
    return np.sqrt(_ratio(r.start[:, 0], r.start[:, 2]))
