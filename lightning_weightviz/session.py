"""One training under a visualizer, whoever runs it: which snapshots it takes, and that none of them is lost."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from typing import Any, TypeVar, cast

from lightning_weightviz.alerts import WeightAlert
from lightning_weightviz.model import sharding
from lightning_weightviz.run.ending import at_end, not_at_end
from lightning_weightviz.run.errors import ArgumentError, Tolerance, tolerant
from lightning_weightviz.run.schedule import Schedule
from lightning_weightviz.settings import HostSettings
from lightning_weightviz.visualizer import WeightVisualizer

PASSING = (WeightAlert, ArgumentError)
"""Errors that are meant to end a training."""

_Hook = TypeVar("_Hook", bound=Callable[..., None])


class Session:
    """Takes the snapshots that are due and affordable, each step once.

    Args:
        visualizer: Measures, draws and writes them.
        initial: Whether one is due before the first step.
        last_step: That of the last snapshot, where the training was resumed.
        refresh: Called before each, where the model that is measured is a copy.

    Attributes:
        schedule: Of this training.
        last_step: That of the last snapshot.
    """

    def __init__(
        self,
        visualizer: WeightVisualizer,
        *,
        initial: bool,
        last_step: int | None = None,
        refresh: Callable[[], None] | None = None,
    ) -> None:
        settings = visualizer.settings
        self.visualizer = visualizer
        self.schedule = Schedule(settings.every_n_epochs, settings.every_n_train_steps, settings.max_overhead)
        self.last_step = last_step
        self._refresh = refresh
        self._initial_due = initial
        self._left_out = self._ended = False

    def take_initial(self, step: int = 0, *, valid: bool = True) -> None:
        """Takes the snapshot before the first step, if it is still to be taken; not `valid`: it is too late for it."""
        if self._initial_due:
            self._initial_due = False
            if valid:
                # It may share its step with the end of an epoch of one batch, which is another moment.
                self._log(step, epoch=0, initial=True)

    def take(self, step: int, epoch: int, *, always: bool = False) -> None:
        """Takes a snapshot, unless this step has one or the price is too high.

        Args:
            step: On the loggers' axis.
            epoch: Epochs finished.
            always: Whatever the price.
        """
        if step == self.last_step:
            return
        self._left_out = not (always or self._affords())
        if self._left_out:
            self.visualizer.observer.forget_gradients()
            return
        self.last_step = step
        self._log(step, epoch=epoch)

    def collect(self) -> None:
        """Writes what has been drawn meanwhile."""
        with self.schedule.blocking():
            self.visualizer.collect()

    def end(self, step: int, epoch: int) -> None:
        """Takes the last snapshot if it was left out, waits for what is not drawn yet and writes everything, once."""
        if self._ended:
            return
        self._ended = True
        if self._left_out:
            self.take(step, epoch, always=True)
        self.visualizer.finish()
        self.schedule.warn_of_left_out()

    def state_dict(self) -> dict[str, Any]:
        """What a resumed training needs, as tensors and primitives; waits for what is being measured."""
        return {"last_step": self.last_step, "visualizer": self.visualizer.state_dict()}

    def rescue(self) -> None:
        """Writes what was measured, where an exception has ended the training; a further one would hide it."""
        with suppress(*PASSING):
            self.visualizer.finish()

    def _affords(self) -> bool:
        affords = self.schedule.affords()
        limited = self.visualizer.settings.max_overhead is not None
        # Ranks that differ would wait for each other for ever.
        return sharding.agreed(affords) if limited and self.visualizer.observer.needs_every_rank else affords

    def _log(self, step: int, epoch: int, *, initial: bool = False) -> None:
        with self.schedule.blocking():
            if self._refresh is not None:
                self._refresh()
            self.visualizer.log(step, epoch=epoch, initial=initial)


class Host:
    """What the callbacks have in common whose hosts do not tell of exceptions.

    What an exception or Ctrl-C leaves to be written is written when the process ends, when the next training begins,
    or by `finish`.
    """

    _settings: HostSettings
    _session: Session | None = None

    def _prepare(self, settings: HostSettings) -> None:
        self._settings = settings
        self._tolerance = Tolerance(passing=PASSING)

    def _begin(self, session: Session) -> Session:
        """A training has begun."""
        self._session = session
        at_end(self.finish)
        return session

    def finish(self) -> None:
        """Writes what an interrupted training has left; after one that ended, and before any, there is nothing."""
        session, self._session = self._session, None
        not_at_end(self.finish)
        if session is not None:
            session.rescue()

    def _end(self, step: int, epoch: int) -> None:
        """The training has ended."""
        if self._session is not None:
            self._session.end(step, epoch)
        self.finish()

    def __getstate__(self) -> dict[str, Any]:
        """A copy, or what another process gets, knows the arguments: a thread, models and loggers cannot be copied."""
        return {**vars(self), "_session": None}


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
