"""How the callback for Hugging Face's Trainer begins to look at a model, and goes on from a checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import nn

from lightning_weightviz.host_arguments import HostSettings
from lightning_weightviz.model import sharding
from lightning_weightviz.model.class_names import names_of_config
from lightning_weightviz.sinks.support.hosts import as_loggers, loggers_of_transformers
from lightning_weightviz.training import Training
from lightning_weightviz.visualizer import WeightVisualizer


def takes_part(state: Any, model: nn.Module) -> bool:
    """Whether this rank looks: of replicas one does, of what is spread over ranks all do."""
    return state.is_world_process_zero or sharding.needs_every_rank(model)


def new_training(
    settings: HostSettings,
    args: Any,
    state: Any,
    model: nn.Module,
    callbacks: Sequence[Any],
    past: Mapping[str, Any],
) -> Training:
    """A training that begins, or goes on.

    Args:
        settings: The user's.
        args: The Trainer's.
        state: The Trainer's.
        model: The one it trains.
        callbacks: The Trainer's, which know its loggers.
        past: What `Training.state_dict` gave at the checkpoint; empty: nothing.
    """
    writes = state.is_world_process_zero
    visualizer = WeightVisualizer(
        model,
        as_loggers(settings.loggers, "train/global_step") or (loggers_of_transformers(callbacks) if writes else []),
        folder=settings.folder or getattr(args, "logging_dir", None) or args.output_dir,
        settings=settings,
        writes=writes,
    )
    visualizer.observer.suggest_class_names(names_of_config(getattr(model, "config", None)))
    if past:
        visualizer.load_state_dict(past["visualizer"])
    initial = settings.log_initial and state.global_step == 0
    return Training(visualizer, initial=initial, last_step=past.get("last_step"))


def see_to_first_snapshot(training: Training, args: Any, model: nn.Module, see: Callable[[Any], None]) -> None:
    """Takes it now, or has `see` called with the first output, whose loss tells which layer gives the classes.

    What is measured must be the same on every rank, and graphs need not be; of a compiled network there is none.
    """
    if sharding.needs_every_rank(model) or args.n_gpu > 1 or args.torch_compile:
        training.take_initial()
    else:
        training.await_output(model, see)
