"""The singular values of a matrix, beside those that noise of the same spread would have."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Spectrum:
    """The singular values of a parameter's matrices.

    Attributes:
        values: float64, (matrices, k), descending; a row of NaN of a matrix that holds a NaN or an infinity.
        edges: float64, (matrices,): std · (√rows + √columns), where the values of a large random matrix of the same
            spread end (Marchenko and Pastur 1967).
        shape: Rows and columns of each matrix.
        complete: Whether these are all values; else they are the largest that some steps of the Lanczos iteration
            found, none of them too large.
    """

    values: Floats
    edges: Floats
    shape: tuple[int, int]
    complete: bool

    @property
    def known(self) -> npt.NDArray[np.bool_]:
        """(matrices,): which matrices have a spectrum."""
        return np.asarray(np.isfinite(self.values).all(1))

    @property
    def relative(self) -> Floats:
        """(n,): the values of all matrices, each as a multiple of its matrix' edge; none of those without spread."""
        # Of equal values the spread is a rounding error, if it is not 0.
        drawn = self.known & (self.edges > 1e-9 * self.values[:, 0])
        return (self.values[drawn] / self.edges[drawn, None]).ravel()

    @property
    def outliers(self) -> Floats:
        """(matrices,): how many values are beyond the edge, at least that many if not `complete`; NaN if not known."""
        return np.where(self.known, (self.values > self.edges[:, None]).sum(1), np.nan)

    @property
    def effective_rank(self) -> float:
        """Exp of the entropy of the normalised values (Roy and Vetterli 2007), of several matrices the mean.

        NaN where values are missing, or all are 0.

        >>> Spectrum(np.array([[2.0, 2.0, 0.0]]), np.ones(1), (3, 3), complete=True).effective_rank
        2.0
        """
        total = self.values.sum(1)
        if not self.complete or not (np.isfinite(total) & (total > 0)).any():
            return math.nan
        share = self.values / np.where(total > 0, total, np.nan)[:, None]
        entropy = -(share * np.log(share, out=np.zeros_like(share), where=share > 0)).sum(1)
        return float(np.nanmean(np.exp(entropy)))

    @property
    def chance(self) -> float:
        """By what factor the largest value of one random matrix in a thousand is beyond the edge.

        From the law of Tracy and Widom for the largest eigenvalue (Johnstone 2001), whose 99.9th percentile is 3.27.

        >>> round(Spectrum(np.zeros((1, 128)), np.ones(1), (128, 784), complete=True).chance, 3)
        1.019
        """
        rows, columns = self.shape
        one, other = math.sqrt(max(rows - 1, 1)), math.sqrt(columns)
        width = (one + other) * (1 / one + 1 / other) ** (1 / 3)
        return math.sqrt((one + other) ** 2 + 3.27 * width) / (math.sqrt(rows) + other)
