"""WeightVisualizer: observe, remember, judge, draw and write, without a Trainer."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from torch import Tensor, nn

from lightning_weightviz.artifacts import Scalar
from lightning_weightviz.findings import Finding, WeightAlert
from lightning_weightviz.findings.support.engine import Engine
from lightning_weightviz.findings.support.telling import summary, tell
from lightning_weightviz.measure import Measured
from lightning_weightviz.memory import History
from lightning_weightviz.model.evidence import Trace
from lightning_weightviz.model.names import title_of
from lightning_weightviz.model.observer import Observer
from lightning_weightviz.model.sharding import is_first
from lightning_weightviz.model.training_facts import metrics_on_device, training_facts, with_metrics
from lightning_weightviz.pictures import Pictures
from lightning_weightviz.report import Report, Seen
from lightning_weightviz.run.checkpoint import to_arrays, to_tensors
from lightning_weightviz.run.deferred import Deferred
from lightning_weightviz.run.errors import ArgumentError, Tolerance
from lightning_weightviz.run.threads import Spent
from lightning_weightviz.run.worker import Worker
from lightning_weightviz.settings import Settings
from lightning_weightviz.sinks.support.delivery import Delivery
from lightning_weightviz.sinks.support.folder import place_of
from lightning_weightviz.snapshot import ClassPairs, Snapshot, Target, TrainingFacts, is_milestone
from lightning_weightviz.views import Scene
from lightning_weightviz.views.statistics import MOST_MATRICES, leaves_out
from lightning_weightviz.views.support.render import Rendered
from lightning_weightviz.views.support.scene import with_spectra

AskedTraining = tuple[Sequence[Any], Mapping[str, Any], int | None, int | None, int | None]
"""Optimizers, metrics by name, and how many epochs there are to be, steps in each and the last step."""
FEW_CLASSES = 128
"""Up to so many classes are compared at each snapshot; of more, where a view asks for it."""
SECONDS = "weightviz/seconds"
"""What snapshots have taken so far: for how long training waited, and the processor time of the threads that draw."""


@dataclass(frozen=True)
class Moment:
    """When a snapshot is taken; the fields are those of `Snapshot`."""

    step: int
    epoch: int
    ordinal: int = 0
    initial: bool = False
    timeless: bool = False
    training: TrainingFacts = field(default_factory=TrainingFacts)
    repeat: int = 0


class WeightVisualizer:
    """Shows the weights of a module in any number of loggers, from any training loop.

    `WeightVisualizationCallback` does the same inside a Lightning Trainer; its docstring explains the arguments, and
    ``docs/arguments.md`` lists the tags that are logged.

    Args:
        model: The module to look at.
        loggers: A logger, a ``SummaryWriter``, or a list of them. None or empty: files under `folder`.
        folder: Where pictures go that a logger cannot take, in ``weightviz/``: a path, or a URL such as
            ``s3://bucket/run`` where fsspec's package for it is installed.
        settings: Checked arguments, instead of `arguments`.
        optimizers: That of the training, or a list: findings are explained by their settings, and what is in none of
            them is found. None: not known.
        writes: False on a rank that only takes part in measuring what is spread over ranks; an attribute too. None:
            rank 0 of PyTorch's process group writes alone, or the one process that there is.
        trace: Which layers give the classes, where the model's framework tells; None: the modules are asked.
        **arguments: Those of `WeightVisualizationCallback`. The ones that set its schedule (``every_n_epochs``,
            ``every_n_train_steps``, ``log_initial``, ``max_overhead``) have no effect here: `log` is the schedule.

    Raises:
        TypeError: An argument has the wrong type.
        ValueError: An argument has a value that is not allowed, or `class_names` are not as many as classes.

    Attributes:
        settings: The user's.
        report: The run's page.
        ask_training: Asked at each snapshot for the optimizers, the metrics, and, as of `TrainingFacts`, how many
            epochs there are to be, of how many steps, and the last step.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from torch import nn
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     visualizer = WeightVisualizer(nn.Linear(4, 3), folder=folder)
        ...     visualizer.log(step=0)
        ...     visualizer.finish()
        ...     sorted(path.name for path in Path(folder, "weightviz").iterdir())[:2]
        ['classes', 'findings.md']
    """

    def __init__(
        self,
        model: nn.Module,
        loggers: Any = None,
        *,
        folder: str | os.PathLike[str] = ".",
        settings: Settings | None = None,
        optimizers: Any = None,
        writes: bool | None = None,
        trace: Trace | None = None,
        **arguments: Any,
    ) -> None:
        self.settings = settings or Settings(**arguments)
        self.writes = is_first() if writes is None else writes
        self._tolerance = Tolerance(passing=(WeightAlert, ArgumentError))
        self._observer = Observer(
            model,
            self.settings.choice,
            self.settings.measuring,
            classes="classes" in self.settings.views,
            trace=trace,
        )
        self._history = self._new_history()
        # Two threads, as a checkpoint waits for what is measured, but not for what is drawn.
        self.spent, self._blocked = Spent(), 0.0
        self._measuring = Worker[Seen](background=self.settings.background, spent=self.spent)
        self._drawing = Worker[Rendered | None](background=self.settings.background, spent=self.spent)
        self._delivery = Delivery(
            _as_list(loggers),
            folder,
            self.settings.sinks,
            tolerance=self._tolerance,
        )
        kept = place_of(folder) if self.settings.report else None
        self.report = Report(title_of(model), kept, self.settings.prefix)
        self._pictures = Pictures(self.settings, self.report, self.spent)
        self._next_ordinal = 0
        self._last_step: int | None = None
        self._repeat = 0
        self._last: Seen | None = None
        self._engine = Engine(self.settings.alerts)
        self.ask_training: Callable[[], AskedTraining] = partial(_known, _as_list(optimizers))
        if self.writes:
            self._say_what_has_no_scalars()

    def _say_what_has_no_scalars(self) -> None:
        asked = "statistics" in self.settings.views and self.settings.layers is None
        parameters = [site.parameter for site in self._observer.sites]
        if asked and leaves_out(parameters):
            warnings.warn(
                f"the model has more than {MOST_MATRICES} matrices: scalars are logged for those with pictures and for "
                "the whole model; name layers= to log all that match. The overview and the histograms hold every layer",
                stacklevel=3,
            )

    @property
    def loggers(self) -> Sequence[Any]:
        """Those to write to; may be set at any time."""
        return self._delivery.loggers

    @loggers.setter
    def loggers(self, loggers: Sequence[Any]) -> None:
        self._delivery.loggers = loggers

    @property
    def observer(self) -> Observer:
        """What looks at the model."""
        return self._observer

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What was found to be wrong so far, in the order in which it began; of a resumed run all."""
        return self._engine.found

    @property
    def page(self) -> bytes:
        """The page of the run up to its newest snapshot, as HTML; waits until that is measured and drawn.

        With ``report=True`` it has up to twelve snapshots in full; else the newest one, and small maps of those before.
        """
        self._measuring.wait()
        self._drawing.wait()
        return self.report.html()

    @property
    def summary(self) -> str:
        """What was found so far, in at most twelve lines."""
        return summary(self._engine.found, self._engine.snapshots)

    def log(
        self, step: int, *, epoch: int = 0, initial: bool = False, pictures: float = 1.0, wait: bool = False
    ) -> None:
        """Takes a snapshot, and writes what earlier ones have become since.

        Errors are reported once and stop nothing.

        Args:
            step: On the loggers' axis, rising from call to call.
            epoch: Epochs finished, for the captions.
            initial: Whether no step was taken yet.
            pictures: Which share of its pictures may be drawn, from 0 to 1: the overview, and those that changed most
                since they were last drawn. Numbers and histograms are logged in any case, and what does not look other
                than before is not drawn again. Of the last snapshot `finish` draws what was left out.
            wait: Whether to come back when it is written: a training that uses all cores loses less by that.

        Raises:
            WeightAlert: With ``on_alert="raise"``, where a rule found something; all was written before.
        """
        begun = time.perf_counter()
        with self._tolerance.of("measuring the weights"):
            # On every rank the same, whatever it writes and can afford: it goes into the state.
            spectra = self.settings.needs_spectra and is_milestone(self._next_ordinal)
            measured = self._observer.take(spectra=spectra)
            if measured is not None:
                facts, waiting = self._training_facts()
                self._repeat = self._repeat + 1 if step == self._last_step else 0
                self._last_step = step
                moment = Moment(step, epoch, self._next_ordinal, initial, training=facts, repeat=self._repeat)
                seen = self._measuring.submit(partial(self._see, measured, moment, waiting), stands_back=not wait)
                self._next_ordinal += 1
                if self.writes:
                    size = self._bytes_of_pictures()
                    self._drawing.submit(partial(self._draw, seen, pictures), size, stands_back=not wait)
                if wait:
                    self._measuring.wait()
                    self._drawing.wait()
        self._blocked += time.perf_counter() - begun
        self.collect()

    def _training_facts(self) -> tuple[TrainingFacts, Mapping[str, Tensor]]:
        """What is known, and metrics that are still on a device."""
        with self._tolerance.of("reading the optimizers"):
            optimizers, metrics, *lengths = self.ask_training()
            return training_facts(self._observer.sites, optimizers, metrics, *lengths), metrics_on_device(metrics)
        return TrainingFacts(), {}

    def collect(self, *, wait: bool = False) -> None:
        """Writes what has been drawn since, without waiting for the rest; with `wait` for all of it.

        Raises:
            WeightAlert: As `log`.
        """
        # Who wants training to stop wants it here, not some steps on.
        raises = self.settings.on_alert == "raise"
        found = self._judge(self._measuring.drain() if wait or raises else self._measuring.finished())
        stops = raises and bool(found)
        self._write(self._drawing.drain() if wait or stops else self._drawing.finished())
        if stops:
            raise WeightAlert("; ".join(one.sentence for one in found))

    def finish(self) -> None:
        """Draws the views over time up to the last snapshot, waits for all and writes it; may be called again."""
        try:
            self.collect(wait=True)
        finally:
            if self._last is not None and self.writes:
                rest = partial(self._pictures.draw_rest, self._with_spectra(self._last))
                self._drawing.submit(rest, stands_back=False)
            self._last = None
            self._write(self._drawing.drain())
            if self.writes:
                self._delivery.flush()
            self._observer.rest()

    def _with_spectra(self, seen: Seen) -> Seen:
        """With the singular values of the last snapshot, where a view shows them and it was no milestone."""
        known = any(one.spectrum is not None for one in seen.scene.snapshot.targets.get("weights", {}).values())
        if not self.settings.needs_spectra or known:
            return seen
        with self._tolerance.of("measuring the weights"):
            return replace(seen, scene=with_spectra(seen.scene, self._observer.spectra_of_last()))
        return seen

    def observe_gradients(self, parameters: Sequence[Tensor] | None = None, *, scale: float = 1.0) -> None:
        """Keeps a copy of gradients as they are now, for the next `log` to show. For ``targets=("gradients",)``.

        Args:
            parameters: Those whose gradients are right now, as with several optimizers not all are; None: all.
            scale: What the loss was multiplied by and the gradients are not yet divided by.
        """
        with self._tolerance.of("copying the gradients"):
            self._observer.observe_gradients(parameters, scale)

    def before_step(self, parameters: Sequence[Tensor], others: Collection[int] | None = None) -> list[int]:
        """Remembers some weights just before an optimizer step; as of `Observer`."""
        with self._tolerance.of("measuring the optimizer's step"):
            return self._observer.before_step(parameters, others)
        return []

    def after_step(self, which: list[int]) -> None:
        """Compares with `before_step`: ``update_ratio`` at the next `log`."""
        with self._tolerance.of("measuring the optimizer's step"):
            self._observer.after_step(which)

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run needs, as primitives and tensors: colour ranges, film strip, curves, the start.

        Waits until all snapshots are measured, not until they are drawn.
        """
        self._measuring.wait()
        return {
            "history": to_tensors(self._history.state_dict()),
            "meters": self._observer.state_dict(),
            "findings": self._engine.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on where `state_dict` was taken; what cannot be read or does not fit starts anew, with a warning."""
        with self._tolerance.of("restoring the state"):
            history = self._new_history()
            history.load_state_dict(to_arrays(state["history"]))
            self._observer.load_state_dict(state["meters"])
            if "findings" in state:
                self._engine.load_state_dict(state["findings"])
            self._history = history
            self._next_ordinal = history.snapshots

    def _new_history(self) -> History:
        return History(self.settings.color_range, keep_start=self.settings.needs_start)

    def _see(self, measured: Deferred[dict[Target, Measured]], moment: Moment, waiting: Mapping[str, Tensor]) -> Seen:
        """Remembers a snapshot and looks for what is wrong; on the thread that measures."""
        results = measured.result()
        if waiting:
            moment = replace(moment, training=with_metrics(moment.training, waiting))
        scene = scene_of(results, moment, self._history, self.settings)
        errors = {name: error for result in results.values() for name, error in result.errors.items()}
        judged = self._engine.judge(scene.snapshot, scene.memory.past, _compared(scene))
        scene = replace(scene, findings=tuple(one.headline for one in judged.open if one.severity != "note"))
        seen = Seen(scene, judged, self._engine.found, errors)
        self.report.note(seen)
        return seen

    def _draw(self, future: Future[Seen], share: float) -> Rendered | None:
        """Draws a snapshot, on the thread that draws; None where it could not be measured, reported elsewhere."""
        if future.exception() is not None:
            return None
        return self._pictures.draw(future.result(), share, Scalar(SECONDS, self._blocked + self.spent.seconds))

    def _judge(self, futures: Iterator[Future[Seen]]) -> list[Finding]:
        """Tells what begins and ends at snapshots that are measured; returns the errors among what holds now."""
        errors: list[Finding] = []
        for future in futures:
            with self._tolerance.of("measuring the weights"):
                seen = future.result()
                self._last = seen
                for name, error in seen.errors.items():
                    self._tolerance.report(f"the statistic {name!r}", error)
                for name, error in seen.judged.errors.items():
                    self._tolerance.report(f"the rule {name!r}", error)
                errors += [one for one in seen.judged.open if one.severity == "error"]
                if self.writes and self.settings.on_alert == "warn":
                    tell(seen.judged)
        return errors

    def _write(self, futures: Iterator[Future[Rendered | None]]) -> None:
        for future in futures:
            with self._tolerance.of("drawing"):
                rendered = future.result()
                if rendered is None:
                    continue
                for view, error in rendered.errors.items():
                    self._tolerance.report(f"the view {view!r}", error)
                self._delivery.write(rendered.batch)
        self.report.tolerance.report_to(self._tolerance)

    def _bytes_of_pictures(self) -> int:
        """What a snapshot that waits to be drawn keeps in memory: two arrays of float32 per picture."""
        limit = self.settings.image_size
        shapes = (site.parameter.matrix_shape for site in self._observer.sites if site.parameter.pictured)
        return 8 * len(self.settings.targets) * sum(min(rows, limit) * min(cols, limit) for rows, cols in shapes)


def scene_of(results: Mapping[Target, Measured], moment: Moment, history: History, settings: Settings) -> Scene:
    """A snapshot of what was measured, taken in by the history.

    Args:
        results: By target.
        moment: When.
        history: Of the snapshots before; it remembers this one.
        settings: The user's.
    """
    weights = results.get("weights")
    snapshot = Snapshot(
        step=moment.step,
        epoch=moment.epoch,
        ordinal=moment.ordinal,
        initial=moment.initial,
        targets={target: result.measurements for target, result in results.items()},
        totals={target: result.totals for target, result in results.items()},
        heads=() if weights is None else weights.heads,
        timeless=moment.timeless,
        training=moment.training,
        repeat=moment.repeat,
    )
    pairs = () if weights is None else weights.pairs
    return Scene(snapshot, history.remember(snapshot), settings.style, pairs=pairs)


def _compared(scene: Scene) -> tuple[ClassPairs | None, ...]:
    """The classes of each head compared, where they are few."""
    few = (len(head.class_names) <= FEW_CLASSES for head in scene.snapshot.heads)
    return tuple(pairs.result() if small else None for pairs, small in zip(scene.pairs, few, strict=False))


def _as_list(given: Any) -> list[Any]:
    if given is None:
        return []
    return list(given) if isinstance(given, (list, tuple)) else [given]


def _known(optimizers: Sequence[Any]) -> AskedTraining:
    return optimizers, {}, None, None, None
