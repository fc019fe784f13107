"""The callback for Hugging Face's ``transformers.Trainer``: what `WeightVisualizer` does, inside its ``train()``."""

from __future__ import annotations

from functools import partial
from typing import Any

from transformers import TrainerCallback

from lightning_weightviz.host import Host, hook, hook_in_training
from lightning_weightviz.host_arguments import HostSettings, with_arguments_of
from lightning_weightviz.model.optimizer_step import parameters_of
from lightning_weightviz.run import trainer
from lightning_weightviz.trainer_training import new_training, see_to_first_snapshot, takes_part


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

    @hook
    def on_train_begin(self, args: Any, state: Any, control: Any, *, model: Any, **kwargs: Any) -> None:
        """Selects the parameters, and sees to the snapshot before the first step."""
        self.finish()
        if not takes_part(state, model):
            return
        callbacks, folder = trainer.callbacks_with(self), trainer.last_checkpoint(args, state)
        self._file = trainer.state_file(self, callbacks, WeightVisualizationCallback)
        past = self._saved(folder / self._file) if folder is not None else {}
        self._begin(new_training(self._settings, args, state, model, callbacks, past))
        optimizer = kwargs.get("optimizer")
        self._now.visualizer.ask_training = partial(
            trainer.facts, [] if optimizer is None else [optimizer], args, state
        )
        see_to_first_snapshot(self._now, args, model, self._see_output)

    @hook_in_training
    def _see_output(self, output: Any) -> None:
        """The first loss is there: it tells which layers give the classes, and no step is taken yet."""
        with self._tolerance.of("looking for the layer of the classes"):
            self._now.learn(output)
        self._now.take_initial()

    @hook_in_training
    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Before the last step that comes before a snapshot: measures gradients, and what the step will change."""
        optimizer, epoch = kwargs["optimizer"], trainer.epochs_after_step(args, state, kwargs["train_dataloader"])
        scale = trainer.gradient_scale(args, optimizer)
        self._now.before_step(state.global_step, epoch, parameters_of(optimizer), scale)

    @hook_in_training
    def on_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Just after it."""
        self._now.after_step(skipped=getattr(kwargs["optimizer"], "step_was_skipped", False))

    @hook_in_training
    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Takes a snapshot where one is due by steps; writes what has been drawn meanwhile."""
        step = state.global_step
        self._now.reach(step - 1, step, step=step, epoch=trainer.whole_epochs(state))

    @hook_in_training
    def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Takes a snapshot if one is due by epochs; after the last, all is written while the loggers are open."""
        step, epoch = state.global_step, trainer.begun_epochs(state)
        self._now.reach(step, step, step=step, epoch=epoch, ends_epoch=True)
        if control.should_training_stop:
            self._now.end(step, epoch)

    @hook_in_training
    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Saves the state beside the checkpoint."""
        if state.is_world_process_zero:
            self._save(trainer.checkpoint(args, state) / self._file)

    @hook_in_training
    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Writes what is left."""
        # The weights may be those of the best model by now.
        if not args.load_best_model_at_end:
            self._now.end(state.global_step, trainer.begun_epochs(state))
        self.finish()
