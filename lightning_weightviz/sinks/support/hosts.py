"""Runs of trackers as other hosts than Lightning hold them, made like Lightning's loggers of the same names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any


class WandbLogger:
    """A run of W&B.

    Args:
        run: A ``wandb.Run``.
        step_key: Under which the host logs its steps, as W&B's own step is the number of the call.
    """

    def __init__(self, run: Any, step_key: str) -> None:
        self.experiment = run
        self._step_key = step_key

    def log_metrics(self, metrics: Mapping[str, Any], step: int) -> None:
        """Logs all in one call."""
        self.experiment.log({**metrics, self._step_key: step})


class MLFlowLogger:
    """The run of MLflow that is active, also when it has ended.

    Args:
        mlflow: The package.
    """

    def __init__(self, mlflow: Any) -> None:
        self.experiment = mlflow.MlflowClient()
        self.run_id: str = mlflow.active_run().info.run_id
        self._mlflow = mlflow

    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        """Logs at most a thousand in one call."""
        self._mlflow.log_metrics(dict(metrics), step=step, run_id=self.run_id)


class CometLogger:
    """An experiment of Comet."""

    def __init__(self, experiment: Any) -> None:
        self.experiment = experiment

    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        """Logs all in one call."""
        self.experiment.log_metrics(dict(metrics), step=step)


class DVCLiveLogger:
    """A ``Live`` of DVCLive."""

    def __init__(self, live: Any) -> None:
        self.experiment = live


class SwanLabLogger:
    """The run of SwanLab that is active.

    Args:
        swanlab: The package.
    """

    def __init__(self, swanlab: Any) -> None:
        self.experiment = swanlab

    def log_metrics(self, metrics: Mapping[str, Any], step: int) -> None:
        """Logs all in one call."""
        self.experiment.log(dict(metrics), step=step)


class TrackioLogger:
    """The run of Trackio that is active.

    Args:
        trackio: The package.
    """

    def __init__(self, trackio: Any) -> None:
        self.experiment = trackio.context_vars.current_run.get()

    def log_metrics(self, metrics: Mapping[str, Any], step: int) -> None:
        """Logs all in one call."""
        self.experiment.log(dict(metrics), step=step)


def as_loggers(given: Any, step_key: str) -> list[Any]:
    """What a user gave as loggers, as a list, with a run of W&B made like a logger.

    Args:
        given: One or several; None: none.
        step_key: As of `WandbLogger`.
    """
    found = [] if given is None else list(given) if isinstance(given, (list, tuple)) else [given]
    return [WandbLogger(one, step_key) if _is_wandb_run(one) else one for one in found]


def _is_wandb_run(thing: Any) -> bool:
    # By name, as an Aim's run is a ``Run`` too.
    return any((one.__module__.partition(".")[0], one.__name__) == ("wandb", "Run") for one in type(thing).__mro__)


_TRANSFORMERS: Mapping[str, Callable[[Any], Any]] = {
    "TensorBoardCallback": lambda callback: callback.tb_writer,
    "WandbCallback": lambda callback: WandbLogger(callback._wandb.run, "train/global_step"),
    "MLflowCallback": lambda callback: MLFlowLogger(callback._ml_flow),
    "CometCallback": lambda callback: CometLogger(callback._experiment),
    "DVCLiveCallback": lambda callback: DVCLiveLogger(callback.live),
    "SwanLabCallback": lambda callback: SwanLabLogger(callback._swanlab),
    "TrackioCallback": lambda callback: TrackioLogger(callback._trackio),
}
"""What the callbacks of ``report_to`` write to, by the names of their classes."""


def loggers_of_transformers(callbacks: Iterable[Any]) -> list[Any]:
    """What the Trainer's callbacks write to, of those that are known here.

    Args:
        callbacks: Those of a ``transformers.Trainer``, whose training has begun.
    """
    found = []
    for callback in callbacks:
        names = [base.__name__ for base in type(callback).__mro__]
        make = next((_TRANSFORMERS[name] for name in names if name in _TRANSFORMERS), None)
        if make is None:
            continue
        # Who switched a tracker off in its own way has a callback that holds nothing.
        with suppress(AttributeError):
            logger = make(callback)
            if getattr(logger, "experiment", logger) is not None:
                found.append(logger)
    return found
