"""The callback for Hugging Face's ``transformers.Trainer``: what `WeightVisualizer` does, inside its ``train()``."""

from __future__ import annotations

from typing import Any

from torch import nn
from transformers import TrainerCallback

from lightning_weightviz.host import Host, HostSettings, hook, with_arguments_of
from lightning_weightviz.model import sharding
from lightning_weightviz.model.class_names import names_of_config
from lightning_weightviz.model.evidence import loss_of
from lightning_weightviz.model.optimizer_step import parameters_of
from lightning_weightviz.run import trainer
from lightning_weightviz.run.checkpoint import read, write
from lightning_weightviz.sinks.support.hosts import as_loggers, loggers_of_transformers
from lightning_weightviz.training import Training
from lightning_weightviz.visualizer import WeightVisualizer


class WeightVisualizationCallback(Host, TrainerCallback):  # type: ignore[misc]  # not there where types are checked
    """Shows how a network's weights evolve during ``Trainer(callbacks=[…]).train()``.

    It logs what the callback for Lightning logs, under the same tags, to what ``report_to`` names. Its steps are those
    of the Trainer's own scalars, ``state.global_step``. Its state is saved beside each checkpoint, as ``weightviz.pt``.

    Args:
        layers: As of `lightning_weightviz.WeightVisualizationCallback`.
        loggers: To use instead of what ``report_to`` names: a ``SummaryWriter``, a ``wandb.Run``, or a list of such.
        folder: For what no logger takes, in ``weightviz/``: a path or a URL. None: the Trainer's ``output_dir``.
        **arguments: The others of `lightning_weightviz.WeightVisualizationCallback`. Gradients are as the optimizer
            gets them, after clipping. `class_names` are by default those of ``model.config.id2label``.

    Raises:
        TypeError: An argument has the wrong type.
        ValueError: An argument has a value that is not allowed; in training, if `class_names` or `head` do not fit the
            model.
        WeightAlert: With ``on_alert="raise"``, in training.

    Example:
        >>> callback = WeightVisualizationCallback(layers="*.attention.*", every_n_train_steps=500)
    """

    @with_arguments_of(HostSettings)
    def __init__(self, layers: Any = None, **arguments: Any) -> None:
        self._prepare(HostSettings(layers, **arguments))
        self._steps = 0
        self._first_output: Any = None
        self._watched: list[int] | None = None

    @hook
    def on_train_begin(self, args: Any, state: Any, control: Any, *, model: nn.Module, **kwargs: Any) -> None:
        """Selects the parameters, and sees to the snapshot before the first step."""
        self.finish()
        self._steps = state.global_step
        spread, writes = sharding.needs_every_rank(model), state.is_world_process_zero
        # Replicas are equal: one rank looks. What is spread over ranks takes them all, and one of them writes.
        if not (writes or spread):
            return
        settings, callbacks = self._settings, trainer.callbacks_with(self)
        visualizer = WeightVisualizer(
            model,
            as_loggers(settings.loggers, "train/global_step") or (loggers_of_transformers(callbacks) if writes else []),
            folder=settings.folder or getattr(args, "logging_dir", None) or args.output_dir,
            settings=settings,
            writes=writes,
        )
        if visualizer.observer.wants_class_names:
            visualizer.observer.suggest_class_names(names_of_config(getattr(model, "config", None)))
        order = [one for one in callbacks if isinstance(one, WeightVisualizationCallback)].index(self)
        self._file = f"weightviz-{order}.pt" if order else "weightviz.pt"
        past = self._past(args, state)
        if past:
            visualizer.load_state_dict(past["visualizer"])
        initial = settings.log_initial and state.global_step == 0
        training = self._begin(Training(visualizer, initial=initial, last_step=past.get("last_step")))
        # The first loss tells which layer gives the classes. What is measured must be the same on every rank, and
        # graphs need not be; of a compiled network there is none.
        if spread or args.n_gpu > 1 or args.torch_compile:
            training.take_initial()
        else:
            self._first_output = model.register_forward_hook(self._see_output)

    @hook
    def _see_output(self, module: nn.Module, inputs: Any, output: Any) -> None:
        """Reads from the graph of the first loss which layers give the classes, and takes the first snapshot."""
        if self._training is None or not module.training:
            return
        self._first_output.remove()
        observer, loss = self._training.visualizer.observer, loss_of(output)
        if loss is not None:
            with self._tolerance.of("looking for the layer of the classes"), self._training.schedule.blocking():
                observer.await_trace()
                observer.learn(loss)
                observer.stop_waiting()
        self._training.take_initial()

    @hook
    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Before the last step that comes before a snapshot: measures gradients, and what the step will change."""
        asked = "gradients" in self._settings.targets or "update_ratio" in self._settings.statistics
        if self._training is None or not asked:
            return
        schedule, epochs = self._training.schedule, trainer.epochs_after_step(args, state, kwargs["train_dataloader"])
        by_steps = schedule.is_step_due(state.global_step, state.global_step + 1)
        if not by_steps and (epochs is None or not schedule.is_epoch_due(epochs)):
            return
        with schedule.blocking():
            parameters, visualizer = parameters_of(kwargs["optimizer"]), self._training.visualizer
            if "gradients" in self._settings.targets:
                # Who clips has unscaled them.
                scaler = None if args.max_grad_norm else getattr(kwargs["optimizer"], "scaler", None)
                visualizer.observe_gradients(parameters, scale=1.0 if scaler is None else float(scaler.get_scale()))
            self._watched = visualizer.before_step(parameters, {id(one) for one in parameters})

    @hook
    def on_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Just after it."""
        watched, self._watched = self._watched, None
        # The gradient scaler skips a step whose gradients are not finite.
        if self._training is not None and watched and not getattr(kwargs["optimizer"], "step_was_skipped", False):
            with self._training.schedule.blocking():
                self._training.visualizer.after_step(watched)

    @hook
    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Takes a snapshot where one is due by steps; writes what has been drawn meanwhile."""
        before, self._steps = self._steps, state.global_step
        if self._training is None:
            return
        self._training.take_initial(valid=False)
        if self._training.schedule.is_step_due(before, state.global_step):
            self._training.take(state.global_step, trainer.whole_epochs(state))
        else:
            self._training.collect()

    @hook
    def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Takes a snapshot if one is due by epochs; after the last, all is written while the loggers are open."""
        if self._training is None:
            return
        epochs = trainer.begun_epochs(state)
        if self._training.schedule.is_epoch_due(epochs):
            self._training.take(state.global_step, epochs)
        if control.should_training_stop:
            self._training.end(state.global_step, epochs)

    @hook
    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Saves the state beside the checkpoint."""
        folder = trainer.checkpoint(args, state)
        if self._training is not None and state.is_world_process_zero and folder.is_dir():
            with self._tolerance.of("saving the state"), self._training.schedule.blocking():
                write(folder / self._file, self._training.state_dict())

    @hook
    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Writes what is not written yet; the weights may be those of the best checkpoint by now."""
        if self._training is not None and not args.load_best_model_at_end:
            self._training.end(state.global_step, trainer.begun_epochs(state))
        self.finish()

    def finish(self) -> None:
        """As of `Host`."""
        if self._first_output is not None:
            self._first_output.remove()
        super().finish()

    def _past(self, args: Any, state: Any) -> dict[str, Any]:
        """The state beside the checkpoint that the training goes on from; empty where there is none."""
        file = (trainer.resumed_checkpoint() or trainer.checkpoint(args, state)) / self._file
        with self._tolerance.of("restoring the state"):
            if state.global_step > 0 and file.is_file():
                return read(file)
        return {}

    def __getstate__(self) -> dict[str, Any]:
        """A copy has no hook on a model."""
        return {**super().__getstate__(), "_first_output": None}
