"""What a file of weights holds: numbers of each parameter and what is wrong, with one tensor at a time in memory."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from lightning_weightviz.findings import Finding
from lightning_weightviz.findings.support.engine import check
from lightning_weightviz.measure import Meter
from lightning_weightviz.model.files import Checkpoint
from lightning_weightviz.model.masks import MASK
from lightning_weightviz.model.selection import Choice, select
from lightning_weightviz.model.sites import Site
from lightning_weightviz.model.values import value_of
from lightning_weightviz.snapshot import Measurement, Snapshot

SMALL, MOST_TOGETHER = 1 << 20, 64
"""Bytes and parameters that are measured together."""
COLUMNS = ("rms", "absmax", "zero_fraction", "nan_count", "inf_count", "stable_rank", "dead_units")
"""The statistics that are told of each parameter."""


@dataclass(frozen=True)
class Inspection:
    """What was found.

    Attributes:
        checkpoint: The file.
        measurements: Of each parameter that was measured, in the order of the file.
        skipped: Why others were not, by name.
        alerts: What is wrong.
        errors: What each rule that failed raised, by its name.
    """

    checkpoint: Checkpoint
    measurements: tuple[Measurement, ...]
    skipped: dict[str, str]
    alerts: tuple[Finding, ...]
    errors: dict[str, Exception]

    def as_json(self) -> dict[str, Any]:
        """As JSON holds it: numbers that are not finite, or not defined, are null."""
        return {
            "file": str(self.checkpoint.path),
            "step": self.checkpoint.step,
            "epoch": self.checkpoint.epoch,
            "parameters": [_row(one) for one in self.measurements],
            "skipped": self.skipped,
            "alerts": [{"rule": one.rule, "parameter": one.parameter, "message": one.sentence} for one in self.alerts],
            "errors": {name: str(error) for name, error in self.errors.items()},
        }


def sites_of(checkpoint: Checkpoint) -> tuple[tuple[Site, ...], dict[str, str]]:
    """The parameters of a file that can be measured, and why the others cannot."""
    module = checkpoint.mirrored().module
    selection = select(module, Choice(max_layers=0), guess=False)
    return selection.sites, selection.skipped | {name: MASK for name, _ in module.named_buffers()}


def measure_each(checkpoint: Checkpoint, sites: Iterable[Site]) -> Iterator[Measurement]:
    """Measures each parameter, as many at a time as PyTorch has threads, and lets what was read leave memory."""
    with checkpoint.bounded(), _threads() as pool:
        for measured in pool.map(_measure, _batches(sites)):
            yield from measured


def _measure(sites: Sequence[Site]) -> list[Measurement]:
    meter = Meter([site.parameter for site in sites], statistics=COLUMNS, remembers=False)
    return list(meter.measure([value_of(site.place) for site in sites]).result().measurements.values())


def _batches(sites: Iterable[Site]) -> Iterator[list[Site]]:
    """Small parameters together, as each batch takes some milliseconds by itself."""
    batch: list[Site] = []
    size = 0
    for site in sites:
        batch.append(site)
        size += site.tensor.nbytes
        if size >= SMALL or len(batch) == MOST_TOGETHER:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


@contextmanager
def _threads() -> Iterator[ThreadPoolExecutor]:
    """PyTorch's threads, a parameter each: a team of them waits for each other within one more than it works."""
    count = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with ThreadPoolExecutor(count, "weightviz-measure") as pool:
            yield pool
    finally:
        torch.set_num_threads(count)


def inspection_of(checkpoint: Checkpoint, measurements: Iterable[Measurement], skipped: dict[str, str]) -> Inspection:
    """Judges what was measured."""
    found = tuple(measurements)
    snapshot = Snapshot(
        step=checkpoint.step or 0,
        epoch=checkpoint.epoch or 0,
        ordinal=0,
        initial=False,
        targets={"weights": {one.parameter.name: one for one in found}},
        totals={},
        timeless=True,
    )
    checked = check(snapshot)
    return Inspection(checkpoint, found, skipped, checked.begun, dict(checked.errors))


def _row(measurement: Measurement) -> dict[str, Any]:
    parameter, statistics = measurement.parameter, measurement.statistics
    numbers = {name: _number(name, statistics[name]) for name in COLUMNS}
    return {"name": parameter.name, "shape": list(parameter.own_shape), "dtype": parameter.dtype, **numbers}


def _number(name: str, value: float) -> float | int | None:
    if not math.isfinite(value):
        return None
    return int(value) if name in ("nan_count", "inf_count", "dead_units") else value
