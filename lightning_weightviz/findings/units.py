"""Units that do not learn, one by one: rows that stand still, channels of norms that are 0."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lightning_weightviz.findings import Bound, Evidence, Limits, Severity, Sign, rule
from lightning_weightviz.findings.support.words import listed
from lightning_weightviz.memory import statistics_key
from lightning_weightviz.snapshot import Picture

STILL = 1e-6
"""Chord of the angle by which a row has turned: no more is rounding."""
SNAPSHOTS = 3


@rule(
    "unmoved_units",
    what="Most units of a matrix have not turned at the last three snapshots, while the others do.",
    bounds={"share": Bound(0.5, 0.4, "share of the units; from 0.1 on it is a note")},
    source="Our own runs: healthy ReLU layers have up to a third of units that never fire.",
    cause="ReLUs that never fire: a bias far below 0, or a step that threw the units there. Rows get no gradient.",
    advice="Lower the learning rate or warm it up, look at the biases, try `LeakyReLU` or `GELU`, or a smaller layer.",
    false_alarms=(
        "Some units of a wide ReLU layer never fire in a healthy run: up to half of them it is a note.",
        "Embeddings and tables of positions, whose rows may go unused.",
        "Matrices without a picture (`max_layers`), or of more rows than `image_size`, which are pooled: their rows "
        "are not known one by one.",
    ),
)
def unmoved_units(evidence: Evidence, limits: Limits) -> Iterator[Sign]:
    """Rows that stand still."""
    lowest = 0.1 * limits["share"] / 0.5
    for index in np.flatnonzero(evidence.layers):
        name = evidence.names[index]
        ordinals, turns = evidence.past.turns.get(statistics_key("weights", name), (np.zeros(0), np.zeros((0, 0, 2))))
        if len(ordinals) < SNAPSHOTS or ordinals[-1] != evidence.snapshot.ordinal:
            continue
        newest = turns[-SNAPSHOTS:, :, 0]
        still = (newest <= STILL).all(0)
        if not still.any():
            continue
        moving = ~still & np.isfinite(newest).all(0)
        part = still.mean()
        # Where none moves, it is the layer that stands still.
        if not moving.any() or part < lowest or np.median(newest[:, moving]) < 100 * STILL:
            continue
        units = np.flatnonzero(still)
        counted = f"{units.size} of {still.size} units of {name} have not moved at the last {SNAPSHOTS} snapshots"
        grave: Severity | None = None if part >= limits["share"] else "note"
        yield Sign(name, f"{counted}: {listed(units.tolist())}", f"rows {listed(units.tolist())}", severity=grave)


@rule(
    "dead_channels",
    what="At least a quarter of the scales of a norm are 0, next to scales that are not.",
    bounds={"share": Bound(0.25, 0.2, "share of the channels")},
    source="A channel is at 0 where its scale is below 1e-6 times the median (exactly 0 where the norm has no picture, "
    "or a pooled one): no training leaves it there by chance.",
    cause="Weight decay or pruning has switched the channels off, or nothing after them uses them.",
    advice="Leave norms out of weight decay, or make the layer smaller.",
    false_alarms=("A norm all of whose scales start at 0, as the last of a residual branch does.",),
)
def dead_channels(evidence: Evidence, limits: Limits) -> Iterator[Sign]:
    """Channels that pass nothing on."""
    for name, measurement in evidence.weights.items():
        # Shifts start at 0, and may stay there.
        if measurement.parameter.kind != "norm" or name.endswith(("bias", "beta")):
            continue
        known, size = _dead_scales(measurement.picture), measurement.parameter.size
        part = measurement.statistics["zero_fraction"] if known is None else len(known) / size
        # Where all are 0 there are none beside them.
        if not limits["share"] <= part < 1:
            continue
        counted = f"{round(part * size)} of {size} channels of {name} have a scale of 0"
        if known is None:
            yield Sign(name, counted)
        else:
            yield Sign(name, f"{counted}: {listed(known)}", f"channels {listed(known)}")


def _dead_scales(picture: Picture | None) -> list[int] | None:
    """The scales at 0; None where they are not known one by one."""
    if picture is None or picture.is_pooled:
        return None
    scales = np.abs(picture.extreme.ravel())
    usual = np.median(scales[scales > 0]) if (scales > 0).any() else 0.0
    places: list[int] = np.flatnonzero(scales <= 1e-6 * usual).tolist()
    return places
