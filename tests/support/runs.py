"""Two runs of one network: shorter, of other numbers, with a layer more and one less."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from lightning_weightviz.findings import Finding
from lightning_weightviz.page.data import Layer, PageData
from lightning_weightviz.page.document import document
from tests.page import samples

ONLY_FIRST, ONLY_SECOND = "fc2.bias", "fc2.adapter.weight"
NAMES = ["digits, steady", "<b>digits</b>, cosine"]


@dataclass(frozen=True)
class Pair:
    """Two runs.

    Attributes:
        first: Of 40 snapshots; an error in fc1.weight.
        second: Of 30 snapshots at the same steps; a warning in `ONLY_SECOND`.
        weights: Of each run by name, (F, …).
    """

    first: PageData
    second: PageData
    weights: tuple[dict[str, Any], dict[str, Any]]

    @property
    def names(self) -> list[str]:
        """Of all layers, in the page's order."""
        names = [layer.parameter.name for layer in self.first.layers]
        names.insert(names.index("fc2.weight") + 1, ONLY_SECOND)
        return names

    def step(self, frame: int) -> int:
        """Of one of the first run's frames."""
        return self.first.frames[frame].step

    def frame(self, frame: int) -> int:
        """The second run's frame at the step of one of the first's."""
        return max(place for place, when in enumerate(self.second.frames) if when.step <= self.step(frame))

    def layers(self, name: str) -> tuple[Layer | None, Layer | None]:
        """A layer in each run."""
        one, other = (
            next((layer for layer in run.layers if layer.parameter.name == name), None)
            for run in (self.first, self.second)
        )
        return one, other

    def numbers(self, name: str, statistic: str, frame: int) -> list[float]:
        """A statistic of each run at the step of a frame of the first; NaN where there is none."""
        found = []
        for run, layer in zip((self.first, self.second), self.layers(name), strict=True):
            moment = max(place for place, when in enumerate(run.moments) if when.step <= self.step(frame))
            found.append(float(layer.targets["weights"].statistics[statistic][moment]) if layer else np.nan)
        return found


def two_runs() -> Pair:
    """Makes both."""
    first, values = samples.digits(40)
    second, others = samples.digits(30, seed=9)
    rng = np.random.default_rng(5)
    adapter, others[ONLY_SECOND] = samples.matrix_layer(rng, ONLY_SECOND, (8, 64), second.moments)
    layers = []
    for place, layer in enumerate(second.layers):
        if layer.parameter.name != ONLY_FIRST:
            layers.append(_scaled(layer, 1 + 0.12 * (place + 1) * (-1) ** place))
        if layer.parameter.name == "fc2.weight":
            layers.append(adapter)
    early, late = first.frames[3], second.frames[5]
    error = Finding("nan", "error", "fc1.weight", None, early.epoch, early.step, "fc1.weight: 3 values are NaN")
    warning = Finding("still", "warning", ONLY_SECOND, "unit 2", late.epoch, late.step, f"{ONLY_SECOND} stands still")
    return Pair(
        dataclasses.replace(first, title=NAMES[0], findings=(error,), open=frozenset({0})),
        dataclasses.replace(second, title=NAMES[1], layers=tuple(layers), findings=(warning,)),
        (values, others),
    )


def _scaled(layer: Layer, factor: float) -> Layer:
    """The same with other statistics; of gradients without any."""
    series = layer.targets["weights"]
    kept: dict[str, npt.NDArray[np.float32]] = dict(series.statistics)
    for name in ("rms", "rotation", "relative_change"):
        kept[name] = (kept[name] * factor).astype(np.float32)
    return Layer(layer.parameter, {"weights": dataclasses.replace(series, statistics=kept)})


@pytest.fixture(scope="module")
def pair() -> Pair:
    """Two runs."""
    return two_runs()


@pytest.fixture(scope="module")
def page(pair: Pair) -> bytes:
    """A page that has both."""
    return document(pair.first, pair.second)
