"""Statistics as scalars."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping

from lightning_weightviz.artifacts import Artifact, Scalar
from lightning_weightviz.snapshot import TOTAL, Parameter
from lightning_weightviz.views import Scene, view

MOST_MATRICES = 24
"""Up to this many matrices all get scalars. Each has one per statistic: 1,200 of them made 10,848 scalars a snapshot,
more charts than anyone opens or a logger shows quickly."""


def leaves_out(parameters: Iterable[Parameter]) -> bool:
    """Whether, of more than `MOST_MATRICES` matrices, those without pictures get no scalars by default."""
    matrices = [parameter for parameter in parameters if _is_matrix(parameter)]
    return len(matrices) > MOST_MATRICES and not all(parameter.pictured for parameter in matrices)


@view("statistics", numbers=True)
def statistics(scene: Scene) -> Iterator[Artifact]:
    """Scalars ``<target>.<statistic>/<parameter>`` and ``<target>.<statistic>/total``, as far as they are finite.

    Parameters of fewer than two dimensions are left out, and where `leaves_out` says so those without pictures, unless
    the user named what to show.
    """
    for target, measurements in scene.snapshot.targets.items():
        pictured_only = leaves_out(measurement.parameter for measurement in measurements.values())
        rows: list[tuple[str, Mapping[str, float]]] = [
            (name, measurement.statistics)
            for name, measurement in measurements.items()
            if scene.style.log_all
            or (_is_matrix(measurement.parameter) and (measurement.parameter.pictured or not pictured_only))
        ]
        # No tag is of two things: where a parameter has this name, it has the tag.
        if target in scene.snapshot.totals and TOTAL not in measurements:
            rows.append((TOTAL, scene.snapshot.totals[target]))
        for statistic in scene.style.statistics:
            for name, values in rows:
                value = values.get(statistic, math.nan)
                if math.isfinite(value):
                    yield Scalar(f"{target}.{statistic}/{name}", float(value))


def _is_matrix(parameter: Parameter) -> bool:
    return len(parameter.shape) >= 2
