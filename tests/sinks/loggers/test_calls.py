"""How often loggers are called, and with how much."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
from lightning.pytorch.loggers import Logger

from lightning_weightviz import WeightVisualizationCallback
from lightning_weightviz.artifacts import Batch, Histogram, Image, Scalar, Text
from lightning_weightviz.sinks import sink_for
from lightning_weightviz.sinks.support.histogram_pictures import MOST_PICTURES, drawn_histograms
from lightning_weightviz.sinks.wandb import _at_most
from tests.sinks.loggers.book import check
from tests.sinks.loggers.kinds import KINDS, MLFlow, Trackio, Wandb
from tests.support.samples import PARAMETERS, batch, histogram, with_page
from tests.support.training import Classifier, batches, trainer


def test_wandb_snapshot_is_one_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    kind = Wandb()
    logger = kind.make(tmp_path)
    sink = sink_for(logger, tmp_path)
    for step in (0, 44, 89):
        logger.log_metrics({"loss": 1.0}, step=step)
        sink.write(batch(step=step))
    sink.write(Batch(90, 2, []))
    kind.finish(logger)
    rows = kind.rows(tmp_path)
    assert [row["trainer/global_step"] for row in rows] == [0, 0, 44, 44, 89, 89]
    assert {f"weights.heatmap/{name}" for name in PARAMETERS} <= rows[1].keys()
    # A later row with a lower step, as an animation's, is not dropped: W&B's own step was never given.
    assert [row["_step"] for row in rows] == [0, 1, 2, 3, 4, 5]


def test_wandb_is_alerted_of_what_is_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    kind = Wandb()
    logger = kind.make(tmp_path)
    for news in ("fc1.weight: 3 values are NaN", ""):
        sink_for(logger, tmp_path).write(Batch(4, 1, [Text("findings/weights", "all", news)]))
    kind.finish(logger)
    alerts = [one.alert for one in kind.records(tmp_path) if one.WhichOneof("record_type") == "alert"]
    assert [(one.text, one.level) for one in alerts] == [("fc1.weight: 3 values are NaN", "WARN")]
    assert kind.read(logger, tmp_path).text == "all"


def test_trackio_is_alerted_of_what_is_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    kind = Trackio()
    logger = kind.make(tmp_path)
    for step, news in ((4, "fc1.weight: 3 values are NaN"), (5, "")):
        sink_for(logger, tmp_path).write(Batch(step, 1, [Text("findings/weights", "all", news)]))
    kind.finish(logger)
    assert kind.alerts(tmp_path) == [("weights", "fc1.weight: 3 values are NaN", "warn", 4)]
    assert kind.read(logger, tmp_path).text == "all"


def test_a_trackio_logger_without_a_run_of_its_own_gets_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    kind = Trackio()
    theirs = kind.make(tmp_path)

    class TrackioLogger:
        """Begins a run with the first metric."""

        def log_metrics(self, metrics: dict[str, float], step: int) -> None:
            theirs.experiment.log(metrics, step=step)

    given = [batch(step=0, epoch=0), with_page(batch(step=9, epoch=1))]
    for one in given:
        sink_for(TrackioLogger(), tmp_path).write(one)
    kind.finish(theirs)
    check(kind, kind.read(theirs, tmp_path), given, drawn=None)


def test_wandb_histograms_of_too_many_bins_are_merged() -> None:
    fine = histogram("weights.histogram/fc1.weight", 1)
    counts, edges = _at_most(30, fine)
    assert len(counts) == len(edges) - 1 == 22
    assert counts == [int(fine.counts[start : start + 3].sum()) for start in range(0, 64, 3)]
    assert edges == [*fine.edges[:-1:3].tolist(), 8.0]
    assert _at_most(512, fine) == (fine.counts.tolist(), fine.edges.tolist())


def test_mlflow_takes_more_than_a_thousand_metrics(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    kind = MLFlow()
    logger = kind.make(tmp_path)
    scalars = [Scalar(f"weights.rms/layer{number}.weight", float(number)) for number in range(2345)]
    sink_for(logger, tmp_path).write(Batch(7, 1, scalars))
    kind.finish(logger)
    from mlflow import MlflowClient

    run = MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}").get_run(logger.run_id)
    assert run.data.metrics == {scalar.tag: scalar.value for scalar in scalars}


def test_only_the_largest_histograms_are_drawn() -> None:
    found: list[Histogram] = []
    for number in range(MOST_PICTURES + 6):
        one = histogram(f"weights.histogram/{number}", number)
        found.append(Histogram(one.tag, one.edges, one.counts * (number % 3 + 1), -1.0, 1.0, 0.0, 1.0))
    drawn = list(
        drawn_histograms(Batch(0, 0, [*found, Image("weights.heatmap/0", next(drawn_histograms(batch())).raster)]))
    )
    assert len(drawn) == MOST_PICTURES
    kept = [int(picture.tag.rpartition("/")[2]) for picture in drawn]
    assert kept == sorted(kept) and {number for number in range(30) if number % 3} <= set(kept)


@pytest.mark.parametrize("name", KINDS)
def test_learning_rate_finder_leaves_no_trace(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It puts a dummy in the logger's place for its own steps, and the logger back for the training."""
    from lightning.pytorch.tuner.tuning import Tuner

    class Tuned(Classifier):
        lr = 0.05

    monkeypatch.chdir(tmp_path)
    kind = KINDS[name]
    logger: Logger = kind.make(tmp_path)
    lightning = trainer(
        tmp_path,
        WeightVisualizationCallback(max_overhead=None),
        logger=logger,
        max_epochs=1,
        enable_checkpointing=False,
    )
    model = Tuned()
    # Newer versions of Lightning warn that there are few points.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        Tuner(lightning).lr_find(model, batches(), num_training=8, min_lr=1e-5, max_lr=1e-3)
    lightning.fit(model, batches())
    kind.finish(logger)
    book = kind.read(logger, tmp_path)
    steps = {step for key, step in book.images if "heatmap" in key}
    assert steps == {0, 4}
