"""What the callbacks for Keras and for transformers share: their hooks, their state, and how a training ends."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar, cast

from lightning_weightviz.findings import Finding
from lightning_weightviz.host_arguments import HostSettings
from lightning_weightviz.page.shown import WeightPage
from lightning_weightviz.report import Report
from lightning_weightviz.run.checkpoint import read, write
from lightning_weightviz.run.ending import at_end, not_at_end
from lightning_weightviz.run.errors import Tolerance, tolerant
from lightning_weightviz.training import PASSING, Training

_Hook = TypeVar("_Hook", bound=Callable[..., None])


class Host:
    """What the callbacks have in common whose hosts do not tell of exceptions.

    What an exception or Ctrl-C leaves to be written is written when the process ends, when the next training begins,
    or by `finish`.
    """

    _settings: HostSettings
    _training: Training | None = None
    _found: tuple[Finding, ...] = ()
    _report: Report

    def _prepare(self, settings: HostSettings) -> None:
        self._settings = settings
        self._report = Report("Weights", None)
        self._tolerance = Tolerance(passing=PASSING)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What was found to be wrong with the weights, in the order in which it began; of a resumed run all."""
        return self._found if self._training is None else self._training.visualizer.findings

    @property
    def page(self) -> WeightPage:
        """The page of the run up to now: a notebook shows it, ``page.save("weights.html")`` writes it."""
        return WeightPage(self._report.html() if self._training is None else self._training.visualizer.page)

    def _begin(self, training: Training) -> Training:
        """A training has begun."""
        self._training = training
        at_end(self.finish)
        return training

    @property
    def _now(self) -> Training:
        """The training that runs, as in a `hook_in_training`."""
        assert self._training is not None
        return self._training

    def _save(self, file: Path) -> None:
        """Writes the state of the training, where its host has made the folder."""
        if file.parent.is_dir():
            with self._tolerance.of("saving the state"), self._now.schedule.blocking():
                write(file, self._now.state_dict())

    def _saved(self, file: Path) -> dict[str, Any]:
        """The state that was written to a file; empty where there is none to read."""
        with self._tolerance.of("restoring the state"):
            if file.is_file():
                return read(file)
        return {}

    def finish(self) -> None:
        """Writes what an interrupted training has left; after one that ended, and before any, there is nothing."""
        training, self._training = self._training, None
        if training is not None:
            self._found, self._report = training.visualizer.findings, training.visualizer.report
        not_at_end(self.finish)
        if training is not None:
            training.rescue()

    def __getstate__(self) -> dict[str, Any]:
        """A copy, or what another process gets, knows the arguments: a thread, models and loggers cannot be copied."""
        return {**vars(self), "_training": None, "_report": Report("Weights", None)}


def hook(function: _Hook) -> _Hook:
    """Makes a method a hook of a host: errors are reported once; one that is to end the training loses nothing."""
    careful = tolerant(function)

    @wraps(function)
    def guarded(self: Host, *arguments: Any, **named: Any) -> None:
        try:
            careful(self, *arguments, **named)
        except PASSING:
            self.finish()
            raise

    return cast(_Hook, guarded)


def hook_in_training(function: _Hook) -> _Hook:
    """The same, of what is left alone where no training is looked at, as on a rank that holds a replica."""

    @wraps(function)
    def guarded(self: Host, *arguments: Any, **named: Any) -> None:
        if self._training is not None:
            function(self, *arguments, **named)

    return hook(cast(_Hook, guarded))
