"""From what arrived of the singular values of a parameter to its spectrum."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from lightning_weightviz.measure.transfer import Arrays
from lightning_weightviz.measure.tridiagonal import tridiagonal
from lightning_weightviz.snapshot import Parameter, Spectrum

Floats = npt.NDArray[np.float64]


def spectra_among(parameters: Sequence[Parameter], arrays: Arrays) -> Iterator[tuple[int, Spectrum]]:
    """Places of parameters and their spectra, from what arrived under ``("values", place, key)``."""
    found: dict[int, Arrays] = {}
    for key, array in arrays.items():
        if isinstance(key, tuple) and key[0] == "values":
            found.setdefault(key[1], {})[key[2]] = array
    for place, of_place in found.items():
        yield place, spectrum_of(parameters[place], of_place)


def spectrum_of(parameter: Parameter, arrays: Arrays) -> Spectrum:
    """The spectrum, from the arrays of `lightning_weightviz.measure.device.singular_values`."""
    precision = np.finfo(arrays["deviations"].dtype).eps
    complete = "alpha" not in arrays
    if "squares" in arrays:
        squares = arrays["squares"].astype(np.float64)
    else:
        squares = np.stack([_eigenvalues(one) for one in _symmetric(arrays)])
    squares = np.sort(squares, axis=1)[:, ::-1]
    # What is left of values of 0 are rounding errors.
    least = squares.shape[1] * precision * squares[:, :1]
    scale = float(arrays.get("scale", 1.0))
    values = np.sqrt(np.where(squares < least, 0.0, squares)) / scale
    rows, columns = parameter.matrix_shape
    shape = rows // parameter.stacked, columns
    edges = arrays["deviations"].astype(np.float64) / scale * (math.sqrt(shape[0]) + math.sqrt(shape[1]))
    # The iteration takes what is not finite for 0.
    values[~np.isfinite(edges)] = np.nan
    return Spectrum(values, edges, shape, complete)


def _symmetric(arrays: Arrays) -> list[Floats]:
    """The matrices whose eigenvalues are sought."""
    if "products" in arrays:
        return [one.astype(np.float64) for one in arrays["products"]]
    both = zip(arrays["alpha"].astype(np.float64), arrays["beta"].astype(np.float64), strict=True)
    return [tridiagonal(alpha, beta) for alpha, beta in both]


def _eigenvalues(symmetric: Floats) -> Floats:
    """Ascending; NaN where it is not finite."""
    if not np.isfinite(symmetric).all():
        return np.full(len(symmetric), np.nan)
    return np.asarray(np.linalg.eigvalsh(symmetric))
