"""WeightVisualizer: select, measure, remember, draw and write, without a Trainer."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from lightning_weightviz import alerts
from lightning_weightviz.artifacts import Animation
from lightning_weightviz.measure import Measured
from lightning_weightviz.memory import History
from lightning_weightviz.model import sharding
from lightning_weightviz.model.selection import Selection, select
from lightning_weightviz.model.targets import MOST_COPIED, Meters, on_host
from lightning_weightviz.model.values import head_source, readable
from lightning_weightviz.run.checkpoint import to_arrays, to_tensors
from lightning_weightviz.run.errors import Tolerance
from lightning_weightviz.run.worker import Worker
from lightning_weightviz.settings import Settings
from lightning_weightviz.sinks.support.delivery import Output
from lightning_weightviz.snapshot import Snapshot, Target
from lightning_weightviz.views import VIEWS, Scene
from lightning_weightviz.views.support.render import Rendered, render


@dataclass(frozen=True)
class _Seen:
    """A snapshot that has left the device, remembered and judged.

    Attributes:
        scene: What views draw.
        found: What is wrong with it.
        errors: What each statistic that failed raised, by its name.
    """

    scene: Scene
    found: alerts.Checked
    errors: dict[str, Exception]


class WeightVisualizer:
    """Shows the weights of a module in any number of loggers, from any training loop.

    `WeightVisualizationCallback` does the same inside a Lightning Trainer; its docstring explains the arguments, and
    the README lists the tags that are logged.

    Args:
        model: The module to look at.
        loggers: A logger, a ``SummaryWriter``, or a list of them. None or empty: files under `folder`.
        folder: Where pictures go that a logger cannot take, in ``weightviz/``.
        settings: Checked arguments, instead of `arguments`.
        **arguments: Those of `WeightVisualizationCallback`. The ones that set its schedule (``every_n_epochs``,
            ``every_n_train_steps``, ``log_initial``, ``max_overhead``) have no effect here: `log` is the schedule.

    Raises:
        TypeError: An argument has the wrong type.
        ValueError: An argument has a value that is not allowed, or `class_names` are not as many as classes.

    Example:
        >>> import tempfile
        >>> from torch import nn
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     visualizer = WeightVisualizer(nn.Linear(4, 3), folder=folder)
        ...     visualizer.log(step=0)
        ...     visualizer.finish()
        ...     sorted(path.name for path in Path(folder, "weightviz").iterdir())[:2]
        ['classes', 'manifest.jsonl']
    """

    def __init__(
        self,
        model: nn.Module,
        loggers: Any = None,
        *,
        folder: str | Path = ".",
        settings: Settings | None = None,
        **arguments: Any,
    ) -> None:
        self.settings = settings or Settings(**arguments)
        self._model = model
        self._selection = self._select()
        self._class_names = self._check_class_names()
        self._meters = self._new_meters()
        self._history = History(self.settings.color_range, keep_start=self.settings.needs_start)
        # Two threads, as a checkpoint waits for what is measured, but not for what is drawn.
        self._measuring = Worker[_Seen](background=self.settings.background)
        self._drawing = Worker[Rendered | None](background=self.settings.background)
        self._tolerance = Tolerance()
        self._output = Output(
            _as_list(loggers),
            Path(folder),
            self.settings.sinks,
            report=self.settings.report,
            tolerance=self._tolerance,
        )
        self._next_ordinal = 0
        self._last: Scene | None = None
        self._alerted: set[tuple[str, str]] = set()

    @property
    def loggers(self) -> Sequence[Any]:
        """Those to write to; may be set at any time."""
        return self._output.loggers

    @loggers.setter
    def loggers(self, loggers: Sequence[Any]) -> None:
        self._output.loggers = loggers

    @property
    def needs_every_rank(self) -> bool:
        """Whether `log` takes collectives, so that every rank must call it."""
        return sharding.needs_every_rank(self._model)

    @property
    def tensors(self) -> list[nn.Parameter]:
        """The parameters shown, as they are now."""
        return [site.tensor for site in self._selection.sites]

    def log(self, step: int, *, epoch: int = 0, initial: bool = False) -> None:
        """Takes a snapshot, and writes what earlier ones have become since.

        What goes wrong is warned of once and stops nothing.

        Args:
            step: On the loggers' axis, rising from call to call.
            epoch: Epochs finished, for the captions.
            initial: Whether no step was taken yet.

        Raises:
            WeightAlert: With ``on_alert="raise"``, where a rule found something; all was written before.
        """
        with self._tolerance.of("measuring the weights"):
            self._take(step, epoch, initial)
        self.collect()

    def collect(self, *, wait: bool = False) -> None:
        """Writes what has been drawn since, without waiting for the rest; with `wait` for all of it.

        Raises:
            WeightAlert: As `log`.
        """
        # Who wants training to stop wants it here, not some steps on.
        raising = self.settings.on_alert == "raise"
        found = self._judge(self._measuring.drain() if wait or raising else self._measuring.finished())
        raising = raising and bool(found)
        self._write(self._drawing.drain() if wait or raising else self._drawing.finished())
        if raising:
            raise alerts.WeightAlert("; ".join(alert.message for alert in found))

    def finish(self) -> None:
        """Draws the views over time up to the last snapshot, waits for all and writes it; may be called again."""
        try:
            self.collect(wait=True)
        finally:
            if self._last is not None:
                self._draw_last(self._last)
                self._last = None
            self._write(self._drawing.drain())
            self._output.flush()
            self._meters.rest()

    def observe_gradients(self, parameters: Sequence[Tensor] | None = None, *, scale: float = 1.0) -> None:
        """Keeps a copy of gradients as they are now, for the next `log` to show. For ``targets=("gradients",)``.

        Args:
            parameters: Those whose gradients are right now, as with several optimizers not all are; None: all.
            scale: What the loss was multiplied by and the gradients are not yet divided by.
        """
        with self._tolerance.of("copying the gradients"):
            self._meters.observe_gradients(self.tensors if parameters is None else parameters, scale)

    def forget_gradients(self) -> None:
        """Lets the copies go: the weights have moved on without a snapshot."""
        self._meters.forget_gradients()

    def before_step(self, parameters: Sequence[Tensor]) -> list[int]:
        """Remembers some weights just before an optimizer step; returns what to give to `after_step`."""
        with self._tolerance.of("measuring the optimizer's step"):
            self._follow()
            if not self.needs_every_rank:
                stepped = {id(parameter) for parameter in parameters}
                tensors = self.tensors
                which = [index for index, tensor in enumerate(tensors) if id(tensor) in stepped]
                self._meters.before_step(readable([tensors[index] for index in which]), which)
                return which
        return []

    def after_step(self, which: list[int]) -> None:
        """Compares with `before_step`: ``update_ratio`` at the next `log`."""
        if which:
            with self._tolerance.of("measuring the optimizer's step"):
                tensors = self.tensors
                self._meters.after_step(readable([tensors[index] for index in which]), which)

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run needs, as primitives and tensors: colour ranges, film strip, curves, the start.

        Waits until all snapshots are measured, not until they are drawn.
        """
        self._measuring.wait()
        return {"history": to_tensors(self._history.state_dict()), "meters": self._meters.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on where `state_dict` was taken; what does not fit any more starts anew, with a warning."""
        with self._tolerance.of("restoring the state"):
            self._history.load_state_dict(to_arrays(state["history"]))
            self._next_ordinal = self._history.snapshots
            self._meters.load_state_dict(state["meters"])

    @property
    def wants_class_names(self) -> bool:
        """Whether there are classes that the user has not named."""
        return self._selection.head is not None and self._class_names is None

    def suggest_class_names(self, names: Sequence[str]) -> None:
        """Names the classes where the user did not; names that are not as many as classes are left out."""
        head = self._selection.head
        if head is not None and self._class_names is None and len(names) == head.classes:
            self._class_names = tuple(names)

    def _select(self) -> Selection:
        settings = self.settings
        selection = select(
            self._model,
            layers=settings.layers,
            exclude=settings.exclude,
            max_layers=settings.max_layers,
            head=settings.head,
            input_shape=settings.input_shape,
        )
        if selection.skipped:
            reasons = "; ".join(f"{name}: {reason}" for name, reason in selection.skipped.items())
            warnings.warn(f"weights that are not shown: {reasons}", stacklevel=4)
        if "classes" not in settings.views:
            return replace(selection, head=None)
        return selection

    def _new_meters(self) -> Meters:
        return Meters([site.parameter for site in self._selection.sites], self.settings)

    def _follow(self) -> None:
        """Looks anew for the parameters where the model has others than before: pruned, parametrized, replaced."""
        if all(site.is_in(self._model) for site in self._selection.sites):
            return
        before = {site.parameter.name for site in self._selection.sites}
        self._selection = self._select()
        after = {site.parameter.name for site in self._selection.sites}
        if before != after:
            gone, new = (", ".join(sorted(names)) or "none" for names in (before - after, after - before))
            warnings.warn(f"the model has changed; parameters that are gone: {gone}; new: {new}", stacklevel=2)
        self._measuring.wait()
        state = self._meters.state_dict()
        self._meters = self._new_meters()
        self._meters.load_state_dict(state)

    def _check_class_names(self) -> tuple[str, ...] | None:
        names, head = self.settings.class_names, self._selection.head
        if names is None or head is None:
            return None
        # One output decides between two classes; its row is the second one's.
        if head.classes == 1 and len(names) == 2:
            return (names[1],)
        if len(names) != head.classes:
            raise ValueError(
                f"class_names must hold one name for each of the {head.classes} rows of {head.name!r}, "
                f"got {len(names)} names: {names!r}"
            )
        return tuple(names)

    def _take(self, step: int, epoch: int, initial: bool) -> None:
        """Measures the weights, or on the host copies them, and hands in the rest."""
        sharding.settle(self._model)
        self._follow()
        parameters = self.tensors
        tensors = readable(parameters)
        head = self._selection.head
        source = None if head is None else head_source(head, self._class_names)
        if on_host(tensors):
            # The one before is measured by another thread, from the copies that are to be overwritten.
            self._measuring.wait()
        later = self.settings.background and on_host(tensors) and sum(one.nbytes for one in tensors) <= MOST_COPIED
        measure = self._meters.measure(parameters, tensors, source, later=later)
        if measure is None:
            return
        seen = self._measuring.submit(partial(self._see, measure, step, epoch, initial, self._next_ordinal))
        self._next_ordinal += 1
        self._drawing.submit(partial(self._draw, seen), self._bytes_of_pictures())

    def _see(
        self, measure: Callable[[], dict[Target, Measured]], step: int, epoch: int, initial: bool, ordinal: int
    ) -> _Seen:
        """Remembers a snapshot and looks for what is wrong; on the thread that measures."""
        measured = measure()
        weights = measured.get("weights")
        snapshot = Snapshot(
            step=step,
            epoch=epoch,
            ordinal=ordinal,
            initial=initial,
            targets={target: result.measurements for target, result in measured.items()},
            totals={target: result.totals for target, result in measured.items()},
            head=None if weights is None else weights.rows,
        )
        memory = self._history.remember(snapshot)
        scene = Scene(snapshot, memory, self.settings.style, pairs=None if weights is None else weights.pairs)
        errors = {name: error for result in measured.values() for name, error in result.errors.items()}
        return _Seen(scene, alerts.check(snapshot), errors)

    def _draw(self, future: Future[_Seen]) -> Rendered | None:
        """Draws a snapshot, on the thread that draws; None where it could not be measured, which is told elsewhere."""
        if future.exception() is not None:
            return None
        seen = future.result()
        all_views = _is_milestone(seen.scene.snapshot)
        views = [name for name in self.settings.views if all_views or not VIEWS[name].over_time]
        extra = list(alerts.scalars(seen.found.alerts))
        return render(seen.scene, views, prefix=self.settings.prefix, extra=extra)

    def _judge(self, futures: Iterator[Future[_Seen]]) -> list[alerts.Alert]:
        """Tells of what is wrong with snapshots that are measured, and returns it."""
        all_found: list[alerts.Alert] = []
        for future in futures:
            with self._tolerance.of("measuring the weights"):
                seen = future.result()
                self._last = seen.scene
                all_found += seen.found.alerts
                for name, error in seen.errors.items():
                    self._tolerance.tell(f"the statistic {name!r}", error)
                for rule, error in seen.found.errors.items():
                    self._tolerance.tell(f"the rule {rule!r}", error)
        for alert in all_found:
            if self.settings.on_alert == "warn" and (alert.rule, alert.parameter) not in self._alerted:
                warnings.warn(alert.message, stacklevel=2)
            self._alerted.add((alert.rule, alert.parameter))
        return all_found

    def _draw_last(self, scene: Scene) -> None:
        """Views over time as of the last snapshot; where they are drawn already, what moves alone."""
        views = [name for name in self.settings.views if VIEWS[name].over_time]
        drawn = _is_milestone(scene.snapshot)
        job = partial(
            render,
            replace(scene, last=True),
            views,
            prefix=self.settings.prefix,
            keep=lambda artifact: not drawn or isinstance(artifact, Animation),
        )
        if not drawn or self.settings.animation:
            self._drawing.submit(job, 0)

    def _write(self, futures: Iterator[Future[Rendered | None]]) -> None:
        for future in futures:
            with self._tolerance.of("drawing"):
                rendered = future.result()
                if rendered is None:
                    continue
                for view, error in rendered.errors.items():
                    self._tolerance.tell(f"the view {view!r}", error)
                self._output.write(rendered.batch)

    def _bytes_of_pictures(self) -> int:
        """What a snapshot that waits to be drawn keeps in memory: two arrays of float32 a picture."""
        limit = self.settings.image_size
        shapes = (site.parameter.matrix_shape for site in self._selection.sites if site.parameter.pictured)
        return 8 * len(self.settings.targets) * sum(min(rows, limit) * min(cols, limit) for rows, cols in shapes)


def _as_list(loggers: Any) -> list[Any]:
    if loggers is None:
        return []
    return list(loggers) if isinstance(loggers, (list, tuple)) else [loggers]


def _is_milestone(snapshot: Snapshot) -> bool:
    """Whether views over time are drawn: at 0, 1, 2, 4, 8, …, as each picture replaces the one before."""
    return snapshot.ordinal & (snapshot.ordinal - 1) == 0
