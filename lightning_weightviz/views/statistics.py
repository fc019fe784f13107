"""Statistics as scalars."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from lightning_weightviz.artifacts import Artifact, Scalar
from lightning_weightviz.snapshot import TOTAL
from lightning_weightviz.views import Scene, view


@view("statistics")
def statistics(scene: Scene) -> Iterator[Artifact]:
    """Scalars ``<target>.<statistic>/<parameter>`` and ``<target>.<statistic>/total``, as far as they are finite.

    Parameters of fewer than two dimensions are left out unless the user named what to show.
    """
    for target, measurements in scene.snapshot.targets.items():
        rows: list[tuple[str, Mapping[str, float]]] = [
            (name, measurement.statistics)
            for name, measurement in measurements.items()
            if len(measurement.parameter.shape) >= 2 or scene.style.log_vectors
        ]
        if target in scene.snapshot.totals:
            rows.append((TOTAL, scene.snapshot.totals[target]))
        for statistic in scene.style.statistics:
            for name, values in rows:
                value = values.get(statistic, math.nan)
                if math.isfinite(value):
                    yield Scalar(f"{target}.{statistic}/{name}", float(value))
