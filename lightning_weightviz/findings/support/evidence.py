"""What a rule is told: the snapshot, and curves of what came before, as arrays over all parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from lightning_weightviz.memory import RECORDED, Past, key_of, statistics_key
from lightning_weightviz.snapshot import TOTAL, ClassPairs, Measurement, OptimizerFacts, Parameter, Snapshot

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

UNITED = ("linear", "head", "conv", "attention", "recurrent")
"""Kinds of parameters whose rows are units of a layer."""
SMALLEST = 16
"""Values that a matrix must have to be judged beside others."""


@dataclass(frozen=True)
class Evidence:
    """What is known at a snapshot. T are the snapshots that are kept, the newest last; P the parameters of this one.

    Attributes:
        snapshot: The newest.
        past: What is kept, this snapshot included.
        pairs: Of each head its classes compared; None where they are too many.
    """

    snapshot: Snapshot
    past: Past
    pairs: tuple[ClassPairs | None, ...] = ()

    @cached_property
    def weights(self) -> Mapping[str, Measurement]:
        """The newest measurement of each parameter."""
        return self.snapshot.targets.get("weights", {})

    @cached_property
    def names(self) -> tuple[str, ...]:
        """(P,)."""
        return tuple(self.weights)

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """(P,)."""
        return tuple(one.parameter for one in self.weights.values())

    @cached_property
    def _places(self) -> list[int]:
        return [self.past.places[statistics_key("weights", name)] for name in self.names]

    @cached_property
    def _values(self) -> npt.NDArray[np.float32]:
        return self.past.values[:, self._places]

    @cached_property
    def _curves(self) -> dict[str, Floats]:
        return {}

    @cached_property
    def shapes(self) -> Floats:
        """float64, (P, 2): rows and columns of each as a matrix."""
        return np.array([one.matrix_shape for one in self.parameters], np.float64).reshape(-1, 2)

    def curve(self, statistic: str) -> Floats:
        """float64, (T, P): one of `RECORDED` over time; NaN where there was nothing. Not to be changed."""
        if statistic not in self._curves:
            self._curves[statistic] = self._values[:, :, RECORDED.index(statistic)].astype(np.float64)
        return self._curves[statistic]

    def total(self, statistic: str) -> Floats:
        """float64, (T,): the same of the whole model."""
        place = self.past.places[key_of("weights", TOTAL)]
        return self.past.values[:, place, RECORDED.index(statistic)].astype(np.float64)

    def start(self, statistic: str) -> Floats:
        """float64, (P,): of the first snapshot that tells it, however long ago; NaN where none has."""
        return self.past.starts[self._places, RECORDED.index(statistic)].astype(np.float64)

    @cached_property
    def epochs(self) -> tuple[int, ...]:
        """(T,)."""
        return tuple(time.epoch for time in self.past.times)

    @cached_property
    def gaps(self) -> Floats:
        """float64, (T,): steps since the snapshot before, at least 1; NaN at the first, and where steps began anew.

        Of those snapshots before which some are not kept it is the mean of the gaps in between.
        """
        steps, ordinals = (np.array([time[place] for time in self.past.times], np.float64) for place in (2, 0))
        gaps = np.diff(steps) / np.maximum(np.diff(ordinals), 1.0)
        return np.append(np.nan, np.where(gaps < 0, np.nan, np.maximum(gaps, 1.0)))

    @cached_property
    def matrices(self) -> Flags:
        """(P,): which are matrices of a size to be judged beside others; no norms, no biases."""
        return np.array(
            [
                len(one.shape) > 1
                and min(one.matrix_shape) > 1
                and one.size >= SMALLEST
                and one.kind not in ("norm", "bias")
                for one in self.parameters
            ],
            bool,
        )

    @cached_property
    def before_norm(self) -> Flags:
        """(P,): behind which the next module that has parameters is a norm."""
        modules = [name.rpartition(".")[0] for name in self.names]
        found = np.zeros(len(modules), bool)
        for place in range(len(modules) - 2, -1, -1):
            same = modules[place] == modules[place + 1]
            found[place] = found[place + 1] if same else self.parameters[place + 1].kind == "norm"
        return found

    @cached_property
    def in_optimizer(self) -> Flags:
        """(P,): which an optimizer trains; all where no optimizer is known."""
        known = self.snapshot.training.optimizers
        return np.array([known is None or name in known for name in self.names], bool)

    @cached_property
    def trained(self) -> Flags:
        """(P,): which are meant to change: they require a gradient, and their learning rate was above 0 once."""
        rates = self.curve("lr")
        still = (rates == 0).any(0) & ~(rates > 0).any(0)
        requires = np.array([one.trainable for one in self.parameters], bool)
        return np.asarray(requires & self.in_optimizer & ~still)

    @cached_property
    def finite(self) -> Flags:
        """(P,): which hold neither NaN nor infinity."""
        return np.asarray((self.curve("nan_count")[-1] == 0) & (self.curve("inf_count")[-1] == 0))

    @cached_property
    def judged(self) -> Flags:
        """(P,): finite matrices that are meant to change, but for embeddings, of which rows may go unused."""
        embeddings = np.array([one.kind == "embedding" for one in self.parameters], bool)
        return np.asarray(self.matrices & self.finite & self.trained & ~embeddings)

    @cached_property
    def usual_step(self) -> float:
        """The median of the matrices' update ratios now, of those of `judged` that did not start at 0."""
        return float(median(self.curve("update_ratio")[-1][self.judged & (self.start("rms") > 0)]))

    @cached_property
    def layers(self) -> Flags:
        """(P,): those of `judged` whose rows are units of a layer, not of a table such as that of positions."""
        return np.asarray(self.judged & np.array([one.kind in UNITED for one in self.parameters], bool))

    def group(self, name: str) -> OptimizerFacts | None:
        """How a parameter is trained, where that is known."""
        return (self.snapshot.training.optimizers or {}).get(name)

    def when(self, place: int) -> str:
        """A moment in words: ``epoch 6``, or ``the start``."""
        time = self.past.times[place]
        if place == 0 and time.ordinal == 0:
            return "the start"
        return f"epoch {time.epoch}" if self.counts_epochs else f"step {time.step}"

    @cached_property
    def counts_epochs(self) -> bool:
        """Whether no two snapshots, but for the start's, are of one epoch."""
        epochs = self.epochs[1:]
        return len(set(epochs)) == len(epochs)


def median(values: Floats | Sequence[float], axis: int = 0) -> Floats:
    """The median of what is known along an axis; NaN where nothing is.

    >>> median([3.0, np.nan, 1.0, 2.0])
    array(2.)
    """
    return quantile(values, 0.5, axis)


def quantile(values: Floats | Sequence[float], share: float, axis: int = 0) -> Floats:
    """The value below which a share of what is known lies; for all rows at once, which numpy's own is not.

    >>> quantile([4.0, np.nan, 1.0, 2.0, 3.0, 0.0], 0.75)
    array(3.)
    """
    given = np.asarray(values, np.float64)
    if given.ndim == 1:
        # Most are a few numbers, for which the general way takes many times as long.
        known = np.sort(given[np.isfinite(given)])
        if known.size == 0:
            return np.asarray(np.nan)
        place = share * (known.size - 1)
        below = int(place)
        return np.asarray(known[below] + (place - below) * (known[min(below + 1, known.size - 1)] - known[below]))
    given = np.moveaxis(given, axis, 0)
    if given.shape[0] == 0:
        return np.full(given.shape[1:], np.nan)
    ordered = np.sort(np.where(np.isfinite(given), given, np.nan), axis=0)
    place = share * np.maximum(np.isfinite(ordered).sum(axis=0) - 1, 0)
    low, high = (rounded(place).astype(np.intp) for rounded in (np.floor, np.ceil))
    below, above = (np.take_along_axis(ordered, one[None], 0)[0] for one in (low, high))
    # Where nothing is known, both are NaN.
    return np.asarray(below + (place - low) * (above - below))
