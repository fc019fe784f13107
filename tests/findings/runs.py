"""Runs made of numbers: what is measured at each snapshot is written down, and the engine judges it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from lightning_weightviz.findings import Finding
from lightning_weightviz.findings.support.engine import Chosen, Engine, Judged
from lightning_weightviz.measure import STATISTICS
from lightning_weightviz.memory import History
from lightning_weightviz.snapshot import (
    ClassPairs,
    ClassRows,
    Counts,
    Measurement,
    OptimizerFacts,
    Parameter,
    Picture,
    Snapshot,
    TrainingFacts,
)

SNAPSHOTS = 13
HEALTHY: Mapping[str, float] = {
    **dict.fromkeys(STATISTICS, math.nan),
    "rms": 0.07,
    "std": 0.07,
    "absmax": 0.2,
    "zero_fraction": 0.0,
    "nan_count": 0.0,
    "inf_count": 0.0,
    "relative_change": 0.05,
    "rotation": 0.3,
    "update_ratio": 1e-3,
    "stable_rank": 10.0,
    "dead_units": 0.0,
}
TOTAL = {**HEALTHY, "dead_units": 0.0}
Value = float | Sequence[float]


def matrix(name: str, shape: tuple[int, ...] = (64, 64), **fields: Any) -> Parameter:
    """A Linear weight, unless `fields` say otherwise."""
    return Parameter(
        name, **{"kind": "linear", "module": "Linear", "dtype": "float32", "layout": "matrix", "shape": shape, **fields}
    )


def group(lr: float = 0.1, weight_decay: float = 0.0) -> OptimizerFacts:
    """How a parameter is trained."""
    return OptimizerFacts("SGD", lr, weight_decay, 0.9, math.nan)


def picture(cells: npt.ArrayLike) -> Picture:
    """Of a matrix each of whose values is a cell."""
    values = np.asarray(cells, np.float32)
    rows, columns = (np.stack([np.linalg.norm(values, axis=axis)] * 2, 1) for axis in (1, 0))
    return Picture(values, np.abs(values), (values.shape[0], values.shape[1]), rows, columns)


class Made:
    """A run under construction.

    Args:
        parameters: Of the model, or as many matrices called ``a``, ``b``, ``c``, ….
        snapshots: How many, the start included.
        epochs: How many the training is to have.
    """

    def __init__(
        self, parameters: Sequence[Parameter] | int = 4, *, snapshots: int = SNAPSHOTS, epochs: int | None = None
    ) -> None:
        given = [matrix(name) for name in "abcdefgh"[:parameters]] if isinstance(parameters, int) else parameters
        self.parameters = {one.name: one for one in given}
        self.snapshots = snapshots
        self.epochs = epochs
        self.by_steps = False
        self.steps: Sequence[int] = range(0, 10 * snapshots, 10)
        self.last_step: int | None = None
        self.steps_copies = False
        self.optimizers: dict[str, Sequence[OptimizerFacts] | OptimizerFacts] | None = None
        self._values: dict[str, dict[str, Value]] = {name: dict(HEALTHY) for name in self.parameters}
        self.pictures: dict[str, Sequence[Picture]] = {}
        self.heads: Sequence[ClassRows] = ()
        self.pairs: Sequence[ClassPairs] = ()

    def set(self, name: str, **statistics: Value) -> Made:
        """Statistics of a parameter, as one number or one a snapshot, of which the last stays."""
        self._values[name].update(statistics)
        return self

    def set_all(self, **statistics: Value) -> Made:
        """The same of all."""
        for name in self.parameters:
            self.set(name, **statistics)
        return self

    def train(self, *without: str, **groups: Sequence[OptimizerFacts] | OptimizerFacts) -> Made:
        """Puts all in an optimizer but those `without`; `groups` by name."""
        self.optimizers = {name: groups.get(name, group()) for name in self.parameters if name not in without}
        return self

    def snapshot(self, ordinal: int) -> Snapshot:
        """One of them."""
        measurements = {
            name: Measurement(
                self.parameters[name],
                {key: _at(value, ordinal) for key, value in values.items()},
                Counts(np.zeros(2), np.zeros(1, np.int64), 0.0, 0.0, 0.0, 0.0),
                np.zeros(9),
                picture=_at(self.pictures[name], ordinal) if name in self.pictures else None,
            )
            for name, values in self._values.items()
        }
        optimizers = None
        if self.optimizers is not None:
            optimizers = {name: _at(one, ordinal) for name, one in self.optimizers.items()}
        return Snapshot(
            step=self.steps[ordinal] if ordinal < len(self.steps) else 10 * ordinal,
            epoch=0 if self.by_steps else ordinal,
            ordinal=ordinal,
            initial=ordinal == 0,
            targets={"weights": measurements},
            totals={"weights": TOTAL},
            heads=(_at(self.heads, ordinal),) if self.heads else (),
            training=TrainingFacts(
                optimizers, {}, self.epochs, last_step=self.last_step, steps_copies=self.steps_copies
            ),
        )

    def judge(self, engine: Engine | None = None, *, chosen: Chosen | None = None) -> list[Judged]:
        """What is said at each snapshot."""
        engine, history = engine or Engine(chosen), History()
        judged = []
        for ordinal in range(self.snapshots):
            snapshot = self.snapshot(ordinal)
            pairs = (_at(self.pairs, ordinal),) if self.pairs else ()
            judged.append(engine.judge(snapshot, history.remember(snapshot).past, pairs))
            assert judged[-1].errors == {}
        return judged

    def found(self, rule: str) -> list[Finding]:
        """What a rule finds in the whole run."""
        return [one for judged in self.judge() for one in judged.begun if one.rule == rule]

    def all_found(self) -> list[Finding]:
        """What all rules find."""
        return [one for judged in self.judge() for one in judged.begun]


def _at(value: Any, ordinal: int) -> Any:
    return value[min(ordinal, len(value) - 1)] if isinstance(value, (list, tuple)) else value
