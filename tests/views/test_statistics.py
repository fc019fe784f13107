from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from lightning_weightviz.artifacts import Scalar
from lightning_weightviz.views.statistics import MOST_MATRICES, leaves_out, statistics
from tests.support.scenes import scene

WEIGHTS: dict[str, np.ndarray[Any, Any]] = {
    "fc.weight": np.random.default_rng(0).standard_normal((5, 4)),
    "fc.bias": np.arange(4.0),
    "scale": np.array(2.0),
    "conv.weight": np.ones((2, 3, 3, 3)),
}


def logged(**style: Any) -> dict[str, float]:
    scalars = list(statistics(scene(WEIGHTS, **style)))
    assert all(isinstance(scalar, Scalar) for scalar in scalars)
    return {scalar.tag: scalar.value for scalar in scalars if isinstance(scalar, Scalar)}


def test_values_and_tags_of_matrices_and_of_the_whole() -> None:
    everything = np.concatenate([values.ravel() for values in WEIGHTS.values()])
    assert logged(statistics=("rms", "absmax")) == pytest.approx(
        {
            "weights.rms/fc.weight": math.sqrt(np.mean(WEIGHTS["fc.weight"] ** 2)),
            "weights.rms/conv.weight": 1.0,
            "weights.rms/total": math.sqrt(np.mean(everything**2)),
            "weights.absmax/fc.weight": np.abs(WEIGHTS["fc.weight"]).max(),
            "weights.absmax/conv.weight": 1.0,
            "weights.absmax/total": np.abs(everything).max(),
        }
    )


def test_vectors_where_layers_were_named() -> None:
    tags = logged(statistics=("mean",), log_all=True)
    assert set(tags) == {f"weights.mean/{name}" for name in [*WEIGHTS, "total"]}


@pytest.mark.parametrize("matrices", [MOST_MATRICES, MOST_MATRICES + 1])
@pytest.mark.parametrize("log_all", [False, True])
def test_of_many_matrices_those_with_pictures_are_logged(matrices: int, log_all: bool) -> None:
    weights = {f"{index}.weight": np.full((2, 2), index + 1.0) for index in range(matrices)}
    vectors = {f"{index}.bias": np.ones(3) for index in range(40)}
    pictured = {"3.weight", "20.weight", "5.bias"}
    everything = weights | vectors
    sight = scene(everything, unpictured=sorted(everything.keys() - pictured), statistics=("rms",), log_all=log_all)
    parameters = [measurement.parameter for measurement in sight.snapshot.targets["weights"].values()]
    assert leaves_out(parameters) == (matrices > MOST_MATRICES)
    expected = everything if log_all else weights if matrices <= MOST_MATRICES else ("3.weight", "20.weight")
    assert [scalar.tag for scalar in statistics(sight)] == [f"weights.rms/{name}" for name in [*expected, "total"]]


def test_many_matrices_with_pictures_are_all_logged() -> None:
    weights = {f"{index}.weight": np.ones((2, 2)) for index in range(MOST_MATRICES + 5)}
    sight = scene(weights, statistics=("rms",))
    assert not leaves_out(measurement.parameter for measurement in sight.snapshot.targets["weights"].values())
    assert len(list(statistics(sight))) == len(weights) + 1


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_undefined_and_infinite_values_are_not_logged(value: float) -> None:
    sight = scene(WEIGHTS, statistics=("norm", "rms"))
    measurements = dict(sight.snapshot.targets["weights"])
    measurement = measurements["fc.weight"]
    measurements["fc.weight"] = replace(measurement, statistics={**measurement.statistics, "norm": value})
    broken = replace(sight, snapshot=replace(sight.snapshot, targets={"weights": measurements}))
    missing = {scalar.tag for scalar in statistics(sight)} - {scalar.tag for scalar in statistics(broken)}
    assert missing == {"weights.norm/fc.weight"}


def test_constant_has_no_kurtosis() -> None:
    assert "weights.kurtosis/conv.weight" not in logged(statistics=("kurtosis",))


def test_nothing_asked_nothing_logged() -> None:
    assert logged(statistics=()) == {}


def test_target_is_in_the_tag() -> None:
    assert "gradients.std/fc.weight" in logged(statistics=("std",), target="gradients")
