"""One training under a visualizer, whoever runs it: which snapshots it takes, and that none of them is lost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from torch import nn

from lightning_weightviz.findings import WeightAlert
from lightning_weightviz.model import sharding
from lightning_weightviz.model.evidence import loss_of
from lightning_weightviz.model.first_output import FirstOutput
from lightning_weightviz.run.errors import ArgumentError
from lightning_weightviz.run.schedule import Schedule
from lightning_weightviz.visualizer import WeightVisualizer

PASSING = (WeightAlert, ArgumentError)
"""Errors that are meant to end a training."""


class Training:
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
        self.schedule = Schedule(
            settings.every_n_epochs,
            settings.every_n_train_steps,
            settings.max_overhead,
            visualizer.spent,
            sum(site.parameter.size for site in visualizer.observer.sites),
        )
        self.last_step = last_step
        self._refresh = refresh
        self._initial_due = initial
        self._left_out = self._ended = False
        self._watched: list[int] = []
        self._first_output: FirstOutput | None = None

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
            self.visualizer.observer.forget_step()
            return
        self.last_step = step
        # The last snapshot is always drawn.
        self._log(step, epoch=epoch, pictures=1.0 if always else self.schedule.affordable_pictures())

    def reach(self, before: int, steps: int, *, step: int, epoch: int, ends_epoch: bool = False) -> None:
        """At the end of a batch or an epoch: takes a snapshot where one is due; writes what has been drawn meanwhile.

        Args:
            before: Optimizer steps when this was last asked.
            steps: Optimizer steps now.
            step: Now, on the loggers' axis.
            epoch: Epochs finished.
            ends_epoch: Whether one has just ended.
        """
        if not ends_epoch:
            self.schedule.count_batch()
        self.take_initial(valid=False)
        if self.schedule.is_step_due(before, steps) or (ends_epoch and self.schedule.is_epoch_due(epoch)):
            self.take(step, epoch)
        else:
            self.collect()

    def await_output(self, model: nn.Module, see: Callable[[Any], None]) -> None:
        """Has `see` called with the first output of a model, unless the training ends before there is one."""
        self._first_output = FirstOutput(model, see)

    def learn(self, output: Any) -> None:
        """Reads from the graph of the loss in an output which layers give the classes; without one they are guessed."""
        if (loss := loss_of(output)) is not None:
            observer = self.visualizer.observer
            with self.schedule.blocking():
                observer.await_trace()
                observer.learn(loss)
                observer.stop_waiting()

    def before_step(self, steps: int, epoch: int | None, parameters: Sequence[Any], scale: float) -> None:
        """Just before an optimizer step: if a snapshot comes next, measures gradients and what the step will change.

        Args:
            steps: Optimizer steps so far.
            epoch: Epochs finished after this step; None where it ends none.
            parameters: Those of the optimizer.
            scale: By what their gradients are still multiplied.
        """
        settings, self._watched = self.visualizer.settings, []
        ends_epoch = epoch is not None and self.schedule.is_epoch_due(epoch)
        if not (ends_epoch or self.schedule.is_step_due(steps, steps + 1)):
            return
        with self.schedule.blocking():
            if "gradients" in settings.targets:
                self.visualizer.observe_gradients(parameters, scale=scale)
            if "update_ratio" in settings.statistics:
                self._watched = self.visualizer.before_step(parameters, {id(one) for one in parameters})

    def after_step(self, *, skipped: bool) -> None:
        """Just after it; `skipped`, as by a gradient scaler, it has changed nothing."""
        watched, self._watched = self._watched, []
        if watched and not skipped:
            with self.schedule.blocking():
                self.visualizer.after_step(watched)

    def collect(self) -> None:
        """Writes what has been drawn meanwhile."""
        with self.schedule.blocking():
            self.visualizer.collect()

    def end(self, step: int, epoch: int) -> None:
        """Takes the last snapshot if it was left out, writes everything, and prints what was found; once."""
        if self._ended:
            return
        self._ended = True
        if self._left_out:
            self.take(step, epoch, always=True)
        with self.schedule.taking():
            self.visualizer.finish()
        if self.visualizer.writes:
            self.schedule.warn_of_left_out()
            if self.visualizer.settings.on_alert != "ignore":
                print(self.visualizer.summary)

    def state_dict(self) -> dict[str, Any]:
        """What a resumed training needs, as tensors and primitives; waits for what is being measured."""
        return {"last_step": self.last_step, "visualizer": self.visualizer.state_dict()}

    def rescue(self) -> None:
        """Writes what was measured, where an exception has ended the training; a further one would hide it."""
        if self._first_output is not None:
            self._first_output.remove()
        with suppress(*PASSING):
            self.visualizer.finish()

    def _affords(self) -> bool:
        # Ranks that differ would wait for each other for ever.
        return self.schedule.affords(sharding.agreed if self.visualizer.observer.needs_every_rank else bool)

    def _log(self, step: int, epoch: int, *, initial: bool = False, pictures: float = 1.0) -> None:
        wait = not self.schedule.leaves_room
        with self.schedule.taking():
            if self._refresh is not None:
                self._refresh()
            self.visualizer.log(step, epoch=epoch, initial=initial, pictures=pictures, wait=wait)
