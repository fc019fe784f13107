"""What the page needs of a run, kept from snapshot to snapshot in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np

from lightning_weightviz.findings import Finding
from lightning_weightviz.memory import Statistics, Timeline, keeps_frame, key_of, merged, statistics_key, statistics_of
from lightning_weightviz.page.data import MAX_FRAMES, Floats, Layer, PageData, Series, When
from lightning_weightviz.page.earlier import joined, shots_of_page
from lightning_weightviz.page.gathering import classes_of, histograms_of, maps_of, spectra_of
from lightning_weightviz.page.resumed import shots_before, statistics_before, times_before
from lightning_weightviz.page.shot import Shot, shot_of, time_of
from lightning_weightviz.snapshot import TOTAL, Parameter, Target
from lightning_weightviz.views import Scene

Curves = Mapping[str, Mapping[str, Floats]]


class PageStore:
    """Keeps log-spaced snapshots, the first and the newest among them, and curves of every statistic.

    Its size does not grow with the number of snapshots. Where the first scene that it is given is not the first of the
    run, it begins with what memory holds of those before.
    """

    def __init__(self) -> None:
        self._timeline = Timeline()
        self._statistics = Statistics(names=())
        self._shots: list[Shot] = []
        self._base = 2
        self._newest: Scene | None = None
        # Gradients may be missing in the newest scene.
        self._parameters: dict[Target, dict[str, Parameter]] = {}

    def add(self, scene: Scene, earlier: Callable[[], bytes] = bytes) -> None:
        """Takes in the next scene; most cost little, as the newest is kept as it is.

        Args:
            scene: The next one.
            earlier: Asked where the first is not the first of its run: the page that the run has left, empty where
                there is none.
        """
        snapshot = scene.snapshot
        if self._newest is None:
            self._timeline = Timeline(times_before(scene))
            self._statistics, self._shots = statistics_before(scene), shots_before(scene)
            if self._timeline.times:
                self._shots = joined(self._shots, shots_of_page(earlier(), scene))
        self._newest = scene
        for target, measurements in snapshot.targets.items():
            now = {name: measurement.parameter for name, measurement in measurements.items()}
            self._parameters[target] = now | {**self._parameters.get(target, {}), **now}
        self._timeline.add(time_of(snapshot))
        found = statistics_of(snapshot)
        self._statistics.names = merged(self._statistics.names, next(iter(found.values()), ()))
        self._statistics.add(snapshot.ordinal, found)
        self._statistics.rows = self._timeline.thinned(self._statistics.rows)
        if not self._shots or keeps_frame(snapshot.ordinal, self._base):
            self._shots.append(shot_of(scene))
        # One more is the newest.
        while len(self._shots) >= MAX_FRAMES:
            self._base **= 2
            self._shots = [
                shot
                for place, shot in enumerate(self._shots)
                if place == 0 or keeps_frame(shot.time.ordinal, self._base)
            ]

    def renew(self, scene: Scene) -> None:
        """Takes in more of the newest scene: what was measured of it since."""
        self._newest = scene
        if self._shots[-1].time == time_of(scene.snapshot):
            self._shots[-1] = shot_of(scene)

    def data(self, title: str, findings: Sequence[Finding] = (), holding: Collection[Finding] = ()) -> PageData:
        """What the page shows now.

        Args:
            title: One line.
            findings: In the order in which they began.
            holding: Those that still hold; of a run with very many some may not be among `findings`.
        """
        newest = self._newest
        if newest is None:
            return PageData(title, (), (), ())
        found = tuple(dict.fromkeys([*findings, *holding]))
        shots = self._shots
        if not shots or shots[-1].time.ordinal != newest.snapshot.ordinal:
            shots = [*shots, shot_of(newest)]
        curves = self._curves()
        heads = (classes_of(head, shots) for head in newest.snapshot.heads)
        return PageData(
            title,
            moments=tuple(When(*time) for time in self._timeline.times),
            frames=tuple(When(*shot.time) for shot in shots),
            layers=tuple(_layers(self._parameters, curves, shots)),
            totals={target: curves.get(key_of(target, TOTAL), {}) for target in self._parameters},
            heads=tuple(head for head in heads if head is not None),
            findings=found,
            open=frozenset(place for place, one in enumerate(found) if one in holding),
            snapshots=newest.snapshot.ordinal + 1,
            timeless=newest.snapshot.timeless,
        )

    def _curves(self) -> Curves:
        """By key and name, of what has a value anywhere."""
        names = self._statistics.names
        return {
            key: {name: values[:, place] for place, name in enumerate(names) if np.isfinite(values[:, place]).any()}
            for key, values in self._statistics.over_time().items()
        }


def _layers(known: Mapping[Target, Mapping[str, Parameter]], curves: Curves, shots: Sequence[Shot]) -> list[Layer]:
    parameters: dict[str, Parameter] = {}
    series: dict[str, dict[Target, Series]] = {}
    for target, named in known.items():
        for name, parameter in named.items():
            parameters.setdefault(name, parameter)
            key, shape = key_of(target, name), parameter.shape
            series.setdefault(name, {})[target] = Series(
                curves.get(statistics_key(target, name), {}),
                maps_of(key, shape, shots),
                histograms_of(key, shape, shots),
                spectra_of(key, shape, shots),
            )
    return [Layer(parameter, series[name]) for name, parameter in parameters.items()]
