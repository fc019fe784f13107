"""Looks at the files of a series one after the other, with one tensor at a time in memory, and keeps their page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lightning_weightviz.command.series import Member
from lightning_weightviz.findings import Finding
from lightning_weightviz.findings.support.engine import Engine, Judged, check
from lightning_weightviz.measure.device.class_head import MOST_COMPARED
from lightning_weightviz.memory import History
from lightning_weightviz.model.files import Checkpoint, input_shape_of
from lightning_weightviz.model.keras_model import Mirrored
from lightning_weightviz.model.observer import Observer
from lightning_weightviz.model.selection import select
from lightning_weightviz.page.data import PageData
from lightning_weightviz.page.store import PageStore
from lightning_weightviz.settings import Settings
from lightning_weightviz.snapshot import Snapshot
from lightning_weightviz.views import Scene
from lightning_weightviz.visualizer import Moment, scene_of


class Looking:
    """What is seen in files of one network.

    Args:
        settings: What is measured.
        checkpoints: All of them, in the order in which `at` is given them.
        is_timed: Whether their steps were told, and not counted.
    """

    def __init__(self, settings: Settings, checkpoints: Sequence[Checkpoint], *, is_timed: bool) -> None:
        # Inputs are put in the same order in all files, also where only some tell what the input is.
        self._shape = input_shape_of(checkpoints)
        self.settings = replace(settings, input_shape=self._shape)
        self._count, self._is_timed = len(checkpoints), is_timed
        self._history = History(settings.color_range, keep_start=settings.needs_start)
        self._observer: Observer | None = None
        self._store, self._engine, self._judged = PageStore(), Engine(), Judged()
        self._next = 0

    def at(self, member: Member) -> Scene:
        """The next file.

        Raises:
            ValueError: No parameter is left to show.
        """
        mirrored = member.checkpoint.mirrored(self._shape)
        observer = self._watch(mirrored)
        with member.checkpoint.bounded():
            measured = observer.take()
        if measured is None or not observer.sites:
            raise ValueError(f"{member.checkpoint.path}: no parameter is left to draw")
        initial, alone = self._is_timed and member.step == 0, self._count == 1
        moment = Moment(member.step, member.epoch, self._next, initial, timeless=alone)
        self._next += 1
        scene = scene_of(measured.result(), moment, self._history, self.settings)
        scene = replace(scene, last=self._next == self._count)
        if alone:
            self._judged = check(scene.snapshot)
        else:
            self._judged = self._engine.judge(_without_still(scene.snapshot), scene.memory.past)
        return scene

    def keep(self, scene: Scene) -> None:
        """Keeps a scene for the page; after it was drawn, as classes are compared by then."""
        self._store.add(scene)

    def data(self, title: str) -> PageData:
        """What the page shows of the files that were kept."""
        found: Sequence[Finding] = self._engine.found or self._judged.open
        return self._store.data(title, found, self._judged.open)

    def _watch(self, mirrored: Mirrored) -> Observer:
        if self._observer is None:
            self.settings = _without_many_classes(self.settings, mirrored)
            self._observer = Observer(
                mirrored.module,
                self.settings.choice,
                self.settings.measuring,
                classes="classes" in self.settings.views,
                trace=mirrored.trace,
            )
        else:
            self._observer.look_at(mirrored.module, mirrored.trace)
        return self._observer


def _without_still(snapshot: Snapshot) -> Snapshot:
    """What has not moved at all since the first file as frozen: no file tells whether it was."""
    if snapshot.ordinal == 0:
        return snapshot
    weights = {
        name: replace(one, parameter=replace(one.parameter, trainable=False)) if one.moved == 0 else one
        for name, one in snapshot.targets["weights"].items()
    }
    return replace(snapshot, targets={**snapshot.targets, "weights": weights})


def _without_many_classes(settings: Settings, mirrored: Mirrored) -> Settings:
    """Without class views where the last layer has too many rows to compare, as a vocabulary has."""
    if any(
        head.classes > MOST_COMPARED for head in select(mirrored.module, settings.choice, trace=mirrored.trace).heads
    ):
        return replace(settings, views=[name for name in settings.views if name != "classes"])
    return settings
