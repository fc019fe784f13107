"""The Lightning callback: arguments, hooks, schedule and ranks. All else is `WeightVisualizer`'s."""

from __future__ import annotations

import importlib.util
import math
import warnings
import weakref
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from torch import Tensor, nn

from lightning_weightviz.findings import Finding
from lightning_weightviz.model import flat_shards, sharding
from lightning_weightviz.model.class_names import class_names_of
from lightning_weightviz.model.optimizer_step import StepForecast, WatchedStep, loss_scale, parameters_of
from lightning_weightviz.page.shown import WeightPage
from lightning_weightviz.report import Report
from lightning_weightviz.run.errors import Tolerance, tolerant
from lightning_weightviz.run.state_key import StateKey
from lightning_weightviz.settings import DEFAULT_STATISTICS, DEFAULT_VIEWS, OnAlert, Settings
from lightning_weightviz.sinks.dummy import NoSink
from lightning_weightviz.training import PASSING, Training
from lightning_weightviz.visualizer import AskedTraining, WeightVisualizer

if TYPE_CHECKING:
    from lightning.pytorch import Callback, LightningModule, Trainer
else:
    # Trainers of the two namespaces each ask for their own class, though it is the same code twice.
    _NAMESPACES = [name for name in ("lightning", "pytorch_lightning") if importlib.util.find_spec(name)]
    _MODULES = ["lightning.pytorch" if name == "lightning" else name for name in _NAMESPACES]
    Callback = type("Callback", tuple(importlib.import_module(name).Callback for name in _MODULES), {})


class WeightVisualizationCallback(Callback):
    """Shows how a network's weights evolve during training, in the Trainer's loggers.

    Before the first step and at the end of each epoch it measures the weights on their device, draws in the
    background, and logs pictures, histograms and scalars, under the tags listed in ``docs/arguments.md``. Training is
    bit-identical with and without it; errors while logging are reported once and never stop training.

    Args:
        layers: Globs over parameter names (``"encoder.*.weight"``), or names of modules. None: all parameters.
        exclude: Globs of parameters to exclude.
        every_n_epochs: Take a snapshot every N epochs. None switches epochs off.
        every_n_train_steps: Take a snapshot every N optimizer steps (``trainer.global_step``), in addition to the
            epochs.
        log_initial: Whether to take a snapshot before the first step; never on resume.
        targets: ``"weights"``, ``"gradients"`` (of the last step before the snapshot, unscaled, before clipping) and
            ``"updates"`` (change since the last snapshot; keeps a copy of the weights).
        views: Which pictures and numbers to log, of ``"heatmap"``, ``"histogram"``, ``"statistics"``,
            ``"distribution"``, ``"evolution"``, ``"classes"``, ``"overview"``, ``"drift"`` and ``"spectrum"``.
        statistics: Names of the scalars. They are logged for parameters of two or more dimensions (where there are
            more than 24, for those with pictures) and for the whole model; for all that match where `layers` is given.
        max_layers: How many parameters get pictures; histograms and the overview cover all selected.
        image_size: Maximum number of cells per axis of a picture; larger matrices are pooled.
        bins: Number of bins per histogram.
        colormap: Any matplotlib name; its middle is 0.
        color_range: What the ends of the colours stand for: ``"run"``, a range that never shrinks; ``"init"``, that of
            the first snapshot; ``"epoch"``, a new one each time; or a positive number, for weights alone: norms and
            sums of kernels and root mean squares then have a range that never shrinks.
        input_shape: (channels, height, width) or (height, width) of the input, for the units of a first Linear and for
            templates of the classes. None: 28×28 for 784 inputs, 32×32 for 1024, 3×32×32 for 3072.
        class_names: One name per class, in the order of the head's rows. None: taken from the data module or dataset,
            otherwise indices.
        head: Name of the weight whose rows are the classes. None: the layers that feed the
            training's loss as classes, read from its graph.
        animation: Whether to log a GIF of each film strip at the end of fit.
        on_alert: What to do with findings: ``"warn"`` of each once, ``"raise"`` at those that ruin the run (severity
            ``"error"``), or ``"ignore"``. `findings` lists them and ``alerts/<rule>`` counts them in any case.
        background: Whether to measure and draw on threads while training continues, where it leaves a core idle.
        max_overhead: Fraction of training time that snapshots may take: the time for which it waits, and the processor
            time of the threads that draw as far as no core is idle. Near it snapshots have fewer and fewer pictures,
            beyond it they are skipped; two seconds are free, and the last one is always drawn. None: no limit.
        alerts: Which findings are wanted: a rule's name with None leaves it out, with a dict changes its thresholds
            (``{"growth": {"factor": 50}, "not_moving": None}``). ``docs/findings.md`` has all.
        report: Whether to write the page of the run, one HTML file that shows all layers over time without a server:
            ``weightviz/report.html`` in the logger's folder, and to loggers that take files at the end of fit.
        fused: Whether to measure by Triton kernels of our own on CUDA devices: few launches, and large models read few
            times. New, so off by default; where no kernel can be built it has no effect, with a warning.
        prefix: Put in front of every tag.
        sinks: Objects with ``write(batch)`` and ``flush()`` to use instead of those found for the loggers.

    Raises:
        TypeError: An argument has the wrong type; the message names it, its value and what is allowed.
        ValueError: An argument has a value that is not allowed; the message says the same. At the start of fit, if the
            number of `class_names` does not match the number of classes, or `head` is not a parameter of the model.
        WeightAlert: With ``on_alert="raise"``, during fit.

    Example:
        >>> from lightning.pytorch import Trainer
        >>> callback = WeightVisualizationCallback(layers="fc*", every_n_epochs=5)
        >>> trainer = Trainer(max_epochs=20, callbacks=[callback], logger=False)
    """

    def __init__(
        self,
        layers: str | Sequence[str] | None = None,
        *,
        exclude: str | Sequence[str] = (),
        every_n_epochs: int | None = 1,
        every_n_train_steps: int | None = None,
        log_initial: bool = True,
        targets: Sequence[Literal["weights", "gradients", "updates"]] = ("weights",),
        views: Sequence[str] = DEFAULT_VIEWS,
        statistics: Sequence[str] = DEFAULT_STATISTICS,
        max_layers: int = 12,
        image_size: int = 256,
        bins: int = 64,
        colormap: str = "RdBu_r",
        color_range: Literal["run", "init", "epoch"] | float = "run",
        input_shape: Sequence[int] | None = None,
        class_names: Sequence[str] | None = None,
        head: str | None = None,
        animation: bool = False,
        on_alert: OnAlert = "warn",
        background: bool = True,
        max_overhead: float | None = 0.01,
        alerts: Mapping[str, Mapping[str, float] | None] | None = None,
        report: bool = False,
        fused: bool = False,
        prefix: str = "",
        sinks: Sequence[Any] | None = None,
    ) -> None:
        super().__init__()
        self._settings = Settings(
            layers=layers,
            exclude=exclude,
            every_n_epochs=every_n_epochs,
            every_n_train_steps=every_n_train_steps,
            log_initial=log_initial,
            targets=targets,
            views=views,
            statistics=statistics,
            max_layers=max_layers,
            image_size=image_size,
            bins=bins,
            colormap=colormap,
            color_range=color_range,
            input_shape=input_shape,
            class_names=class_names,
            head=head,
            animation=animation,
            on_alert=on_alert,
            background=background,
            max_overhead=max_overhead,
            alerts=alerts,
            report=report,
            fused=fused,
            prefix=prefix,
            sinks=sinks,
        )
        self._tolerance = Tolerance(passing=PASSING)
        self._training: Training | None = None
        self._state: Mapping[str, Any] | None = None
        self._takes_state = True
        self._forecast = StepForecast()
        self._watched: dict[int, WatchedStep] = {}
        self._owners: tuple[weakref.ref[Any], weakref.ref[Any]] | None = None
        self._key = StateKey(self._generate_state_key, self._settings, Settings())

    @property
    def _visualizer(self) -> WeightVisualizer | None:
        return None if self._training is None else self._training.visualizer

    @property
    def state_key(self) -> str:
        """Differs between instances: by their arguments, then by their order among the Trainer's callbacks."""
        return str(self._key)

    @property
    def _key_of_0_1(self) -> str:
        names = ("layers", "exclude", "targets", "views", "every_n_epochs", "every_n_train_steps", "prefix")
        return self._generate_state_key(**{name: getattr(self._settings, name) for name in names})

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What was found to be wrong with the weights, in the order in which it began; of a resumed run all."""
        return () if self._visualizer is None else self._visualizer.findings

    @property
    def page(self) -> WeightPage:
        """The page of the run up to now: a notebook shows it, ``page.save("weights.html")`` writes it.

        With ``report=True`` it has up to twelve snapshots in full; else the newest one, and small maps of those before.
        """
        return WeightPage(Report("Weights", None).html() if self._visualizer is None else self._visualizer.page)

    @tolerant
    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Learns which of the Trainer's callbacks of these arguments this is, for `state_key`."""
        callbacks = trainer.callbacks  # type: ignore[attr-defined]
        self._key.place_among(one._key for one in callbacks if isinstance(one, WeightVisualizationCallback))

    @tolerant
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Selects the parameters, and sees to the snapshot before the first step."""
        # Asking for the folder is a broadcast: all ranks or none.
        folder = str(trainer.log_dir or trainer.default_root_dir)
        # A further fit of the same Trainer goes on; a new Trainer starts anew, unless a checkpoint was loaded.
        same = self._owners is not None and (self._owners[0]() is trainer and self._owners[1]() is pl_module)
        self._owners = weakref.ref(trainer), weakref.ref(pl_module)
        report = None
        if same and self._state is None and trainer.global_step > 0:
            self._state = self.state_dict() or None
            report = None if self._visualizer is None else self._visualizer.report
        fresh = trainer.global_step == 0 and self._state is None
        self._unwatch()
        self._forecast = StepForecast(trainer.global_step)
        self._training = None
        visualizer = self._new_visualizer(trainer, pl_module, folder)
        last_step = None if self._state is None else self._state.get("last_step")
        self._state = None
        if visualizer is None:
            return
        if report is not None:
            visualizer.report.continue_from(report)
        self._training = Training(visualizer, initial=fresh and self._settings.log_initial, last_step=last_step)
        # What is measured must be the same on every rank, and graphs need not be.
        waits = not visualizer.observer.needs_every_rank
        if waits:
            visualizer.observer.await_trace()
        # The first loss tells which layer gives the classes, and by then lazy layers have their shape. Only
        # Lightning's own optimization tells of a loss before the weights are changed.
        if not (waits and pl_module.automatic_optimization):
            self._take_initial(trainer)
        self._training.schedule.start()

    def _new_visualizer(self, trainer: Trainer, pl_module: LightningModule, folder: str) -> WeightVisualizer | None:
        if trainer.barebones:
            warnings.warn("Trainer(barebones=True) logs nothing, so no weights are shown", stacklevel=2)
            return None
        # Replicas are equal: one rank looks. What is spread over ranks takes them all, and one of them writes.
        model = _holding_all(trainer, pl_module)
        if not trainer.is_global_zero and not sharding.needs_every_rank(model):
            return None
        settings = self._settings
        if trainer.fast_dev_run:  # type: ignore[attr-defined]
            # It leaves nothing, also where files would be written for want of a logger.
            settings = replace(settings, report=False, sinks=settings.sinks or (NoSink(None, folder),))
        visualizer = WeightVisualizer(
            model, trainer.loggers, folder=folder, settings=settings, writes=trainer.is_global_zero
        )
        if visualizer.observer.wants_class_names:
            with suppress(Exception):  # names are a help; a data set that has none yet may say so in any way
                datamodule = getattr(trainer, "datamodule", None)
                visualizer.observer.suggest_class_names(class_names_of(datamodule, trainer.train_dataloader))
        if self._state is not None:
            visualizer.load_state_dict(self._state.get("visualizer", {}))
        visualizer.ask_training = partial(_training_of, weakref.ref(trainer))
        return visualizer

    @tolerant
    def on_before_backward(self, trainer: Trainer, pl_module: LightningModule, loss: Tensor) -> None:
        """At the first loss: reads from its graph which layers give the classes, and takes the first snapshot."""
        if self._training is None:
            return
        observer = self._training.visualizer.observer
        with self._tolerance.of("looking for the layer of the classes"), self._training.schedule.blocking():
            if observer.awaits_trace:
                observer.learn(loss)
                if pl_module.automatic_optimization:
                    observer.stop_waiting()
        # Steps count also where a batch gave no loss, and changed nothing.
        self._take_initial(trainer, valid=trainer.global_step == 0 or pl_module.automatic_optimization)

    @tolerant
    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Any) -> None:
        """Before the last step that comes before a snapshot: measures gradients, and what the step will change."""
        training = self._training
        asked = "gradients" in self._settings.targets or "update_ratio" in self._settings.statistics
        if training is None or not asked or not self._is_last_step(trainer, training):
            return
        visualizer = training.visualizer
        watched = self._watched.get(id(optimizer))
        # An optimizer with a closure (LBFGS) comes here several times in one step; it begins with the first.
        if watched is not None and not watched.is_over:
            return
        with training.schedule.blocking():
            parameters = parameters_of(optimizer)
            if "gradients" in self._settings.targets:
                scale = loss_scale(getattr(trainer.precision_plugin, "scaler", None), optimizer)
                visualizer.observe_gradients(parameters, scale=scale)
            if watched is not None:
                watched.remove()
            # What is in no optimizer is not changed by any: its ratio is 0, measured with the first one's step.
            known = {id(one) for other in trainer.optimizers for one in parameters_of(other)}
            which = visualizer.before_step(parameters, known if not self._watched else None)
            self._watched[id(optimizer)] = WatchedStep(optimizer, partial(visualizer.after_step, which))

    def _is_last_step(self, trainer: Trainer, training: Training) -> bool:
        """Whether a snapshot will be due when this batch has ended, as far as one can know before."""
        after = self._forecast.after_this_batch(trainer.global_step)
        ends_epoch = trainer.is_last_batch or (trainer.max_steps != -1 and after >= trainer.max_steps)
        by_steps = training.schedule.is_step_due(self._forecast.global_step, after)
        return by_steps or (ends_epoch and training.schedule.is_epoch_due(trainer.current_epoch + 1))

    def _unwatch(self) -> None:
        while self._watched:
            self._watched.popitem()[1].remove()

    @tolerant
    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Takes a snapshot where one is due by steps; writes what has been drawn meanwhile."""
        if self._training is None:
            return
        with self._training.schedule.blocking():
            for watched in self._watched.values():
                watched.end()
        self._unwatch()
        self._training.schedule.count_batch()
        before = self._forecast.advance(trainer.global_step)
        # Else the first loss says it, and the first batches may have none.
        if not pl_module.automatic_optimization:
            with self._tolerance.of("looking for the layer of the classes"):
                self._training.visualizer.observer.stop_waiting()
        if self._training.schedule.is_step_due(before, trainer.global_step):
            self._take(trainer, step=_logger_step(trainer), epoch=trainer.current_epoch)
        else:
            self._training.collect()

    @tolerant
    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Takes a snapshot if one is due by epochs."""
        epochs, every = trainer.current_epoch + 1, self._settings.every_n_epochs
        if every is None or epochs % every:
            return
        if trainer.world_size > 1:
            # Lightning reduces metrics over the ranks when they are asked for: all ask, whoever takes the snapshot.
            _ = trainer.callback_metrics
        if self._training is not None:
            self._take(trainer, step=max(0, _logger_step(trainer) - 1), epoch=epochs)

    def _take_initial(self, trainer: Trainer, *, valid: bool | None = None) -> None:
        """Takes the snapshot before the first step, if it is still to be taken; not `valid`: weights have changed."""
        if self._training is not None:
            self._training.visualizer.loggers = trainer.loggers
            self._training.take_initial(valid=trainer.global_step == 0 if valid is None else valid)

    def _take(self, trainer: Trainer, *, step: int, epoch: int) -> None:
        """Takes a snapshot, unless this step has one or the price is too high."""
        self._take_initial(trainer)
        if self._training is not None:
            self._training.take(step, epoch)

    @tolerant
    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Waits for what is not drawn yet, draws the views over time up to the last snapshot, and writes everything."""
        if self._training is not None:
            self._take_initial(trainer)
            self._training.end(max(0, _logger_step(trainer) - 1), trainer.current_epoch)
        # Of a checkpoint that was loaded in between, as after a search for a learning rate.
        self._state = None

    @tolerant
    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Writes what was measured."""
        self._unwatch()
        self._state = None
        if self._training is not None:
            with suppress(*PASSING):
                if not self._training.visualizer.observer.needs_every_rank:
                    self._take_initial(trainer)
            self._training.rescue()

    def __getstate__(self) -> dict[str, Any]:
        """A copy, or what another process gets, knows the arguments: a thread and loggers cannot be copied."""
        return {**vars(self), "_training": None, "_watched": {}, "_owners": None}

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run needs: tensors and primitives, so that it loads with ``weights_only=True``."""
        if self._training is None:
            return dict(self._state or {})
        # A checkpoint waits for what is being measured.
        with self._tolerance.of("saving the state"), self._training.schedule.blocking():
            return self._training.state_dict()
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes in the state; it is used when training starts, as the model may not be there yet."""
        with self._tolerance.of("restoring the state"):
            if not self._takes_state or (isinstance(state_dict, Mapping) and not state_dict):
                return
            last_step = state_dict["last_step"]
            if not isinstance(state_dict["visualizer"], Mapping) or not isinstance(last_step, int | None):
                raise TypeError("it was not written by WeightVisualizationCallback")
            self._state = state_dict

    @tolerant
    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """A checkpoint that is validated or tested is no training to continue; finds the state of version 0.1, too."""
        self._takes_state = trainer.state.fn == "fit"
        states = checkpoint.get("callbacks", {})
        if self.state_key not in states and self._key_of_0_1 in states:
            self.load_state_dict(states[self._key_of_0_1])


def _holding_all(trainer: Trainer, pl_module: LightningModule) -> nn.Module:
    """The module; where FSDP1 has taken parameters from it, the wrapper around it, which keeps them."""
    wrapper = trainer.model
    return wrapper if isinstance(wrapper, nn.Module) and flat_shards.is_wrapper(wrapper) else pl_module


def _training_of(trainer: weakref.ref[Trainer]) -> AskedTraining:
    """The optimizers, the metrics, and how many epochs there are to be, steps in each, and the last step."""
    now = trainer()
    if now is None:
        return (), {}, None, None, None
    epochs = now.max_epochs if now.max_epochs is not None and now.max_epochs > 0 else None
    batches = now.num_training_batches
    steps = math.ceil(batches / now.accumulate_grad_batches) if math.isfinite(batches) and batches > 0 else None
    ends = [_most_steps(now), None if epochs is None or steps is None else epochs * steps]
    last = min((one for one in ends if one is not None), default=None)
    by_epochs = ends[0] is None or steps is None or last != ends[0]
    # The loggers' axis begins at 0.
    return now.optimizers, now.callback_metrics, epochs if by_epochs else None, steps, last and last - 1


def _most_steps(trainer: Trainer) -> int | None:
    """`max_steps` as loggers count, nearly: it counts those of each optimizer. None where there is no limit."""
    most, taken, batches = trainer.max_steps, trainer.global_step, _logger_step(trainer)
    # Within the hooks of a batch its step is taken and the batch not counted.
    single = taken <= batches + 1
    return None if most < 0 else most if single else math.ceil(most * batches / taken)


def _logger_step(trainer: Trainer) -> int:
    """The step that Lightning gives to what is logged in a batch; at the end of an epoch it is one less."""
    loop = trainer.fit_loop.epoch_loop
    return int(getattr(loop, "_batches_that_stepped", trainer.global_step))
