"""Runs of trackers as transformers' callbacks hold them get what Lightning's loggers of the same tracker get."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from torch.utils.tensorboard import SummaryWriter

from lightning_weightviz.sinks import sink_for
from lightning_weightviz.sinks.support.histogram_pictures import draw_histogram
from lightning_weightviz.sinks.support.hosts import as_loggers, loggers_of_transformers
from tests.sinks.loggers.book import check
from tests.sinks.loggers.kinds import DRAWN, KINDS, Wandb
from tests.support.samples import batch

Make = Callable[[Any, Path], dict[str, Any]]


def _wandb(logger: Any, folder: Path) -> dict[str, Any]:
    import wandb

    assert logger.experiment is wandb.run
    return {"_wandb": wandb}


def _mlflow(logger: Any, folder: Path) -> dict[str, Any]:
    import mlflow

    mlflow.set_tracking_uri(f"sqlite:///{folder / 'mlflow.db'}")
    mlflow.start_run(run_id=logger.run_id)
    return {"_ml_flow": mlflow}


def _swanlab(logger: Any, folder: Path) -> dict[str, Any]:
    import swanlab

    assert logger.experiment is not None
    return {"_swanlab": swanlab}


def _trackio(logger: Any, folder: Path) -> dict[str, Any]:
    import trackio

    assert logger.experiment is trackio.context_vars.current_run.get()
    return {"_trackio": trackio}


# The class of transformers' callback, the logger of Lightning's by which its run is made, and what the callback holds.
HELD: dict[str, tuple[str, Make]] = {
    "WandbCallback": ("WandbLogger", _wandb),
    "MLflowCallback": ("MLFlowLogger", _mlflow),
    "CometCallback": ("CometLogger", lambda logger, folder: {"_experiment": logger.experiment}),
    "DVCLiveCallback": ("DVCLiveLogger", lambda logger, folder: {"live": logger.experiment}),
    "SwanLabCallback": ("SwanLabLogger", _swanlab),
    "TrackioCallback": ("TrackioLogger", _trackio),
}


@pytest.fixture
def ended_runs() -> Iterator[None]:
    """MLflow's active run is the process's."""
    yield
    try:
        import mlflow
    except ImportError:
        return
    mlflow.end_run()
    mlflow.set_tracking_uri("")


@pytest.mark.parametrize("callback", HELD)
def test_what_a_callback_holds_gets_all(
    callback: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ended_runs: None
) -> None:
    monkeypatch.chdir(tmp_path)
    name, held = HELD[callback]
    kind = KINDS[name]
    theirs = kind.make(tmp_path)
    [logger] = loggers_of_transformers([object(), type(callback, (), held(theirs, tmp_path))()])
    sink = sink_for(logger, tmp_path / "unused")
    written = [batch(step=0, epoch=0), batch(step=44, epoch=1)]
    if isinstance(kind, Wandb):
        # Under the key of transformers, which the reader of Lightning's rows does not look for.
        monkeypatch.setattr(logger, "_step_key", "trainer/global_step")
    for one in written:
        sink.write(one)
    sink.flush()
    kind.finish(theirs)
    drawn = (lambda histogram, at: draw_histogram(histogram, at.step, at.epoch)) if name in DRAWN else None
    check(kind, kind.read(theirs, tmp_path), written, drawn=drawn)


@pytest.mark.parametrize("of", ["transformers", "user"])
def test_rows_of_wandb_have_the_hosts_step(of: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    kind = Wandb()
    theirs = kind.make(tmp_path)
    run = theirs.experiment
    callback = type("WandbCallback", (), {"_wandb": type("package", (), {"run": run})})()
    key, [logger] = {
        "transformers": ("train/global_step", loggers_of_transformers([callback])),
        "user": ("epoch/epoch", as_loggers(run, "epoch/epoch")),
    }[of]
    for step in (-1, 0):
        sink_for(logger, tmp_path).write(replace(batch(step=0), step=step))
    kind.finish(theirs)
    assert [row[key] for row in kind.rows(tmp_path) if key in row] == [-1, 0]


def test_what_is_no_run_of_wandb_stays_as_it_is(tmp_path: Path) -> None:
    """An Aim's run has a class of that name, too."""
    run = type("Run", (), {})()
    writer = SummaryWriter(tmp_path)
    assert as_loggers([run, writer], "step") == [run, writer]
    assert as_loggers(writer, "step") == [writer] and as_loggers(None, "step") == []
    held = type("TensorBoardCallback", (), {"tb_writer": writer})()
    assert loggers_of_transformers([held, type("Mine", (type(held),), {"tb_writer": None})()]) == [writer]
    off: list[Any] = [
        type("WandbCallback", (), {"_wandb": type("package", (), {"run": None})})(),
        type("MLflowCallback", (), {"_ml_flow": None})(),
    ]
    assert loggers_of_transformers(off) == []
    writer.close()
