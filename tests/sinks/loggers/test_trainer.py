"""Real trainings: what is in each logger is what was given to all, at steps that the logger's own scalars have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from lightning.pytorch.loggers.logger import DummyLogger

from lightning_weightviz import WeightVisualizationCallback, sinks
from lightning_weightviz.artifacts import Batch
from lightning_weightviz.sinks import register_sink, sink_for
from lightning_weightviz.sinks.support.histogram_pictures import draw_histogram
from tests.sinks.loggers.book import Book, Kind, check
from tests.sinks.loggers.kinds import DRAWN, KINDS
from tests.support.samples import batch
from tests.support.training import Classifier, batches, trainer

pytestmark = pytest.mark.filterwarnings("ignore:.*weight pictures and histograms are in")


class Witness(DummyLogger):
    """A logger that is given what the others are."""


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> list[Batch]:
    """All batches of a training that has a `Witness` among its loggers."""
    seen: list[Batch] = []

    class Sink:
        def __init__(self, logger: Any, folder: Path) -> None:
            pass

        def write(self, batch: Batch) -> None:
            seen.append(batch)

        def flush(self) -> None:
            pass

    monkeypatch.setattr(sinks, "_THIRD_PARTY", {})
    register_sink("Witness", Sink)
    return seen


def _check(kind: Kind, book: Book, given: list[Batch]) -> None:
    drawn = (lambda histogram, at: draw_histogram(histogram, at.step, at.epoch)) if kind.name in DRAWN else None
    check(kind, book, given, drawn=drawn)
    own = {step for key, step in book.scalars if key.replace("/", "_").endswith("loss_step")}
    steps = {step for _, step in book.images}
    assert steps, "no picture"
    # DVCLive takes step 0 for none given, and counts on.
    assert steps - {0} <= own, (steps, own)


def _train(folder: Path, loggers: list[Any], **arguments: Any) -> None:
    callback = WeightVisualizationCallback(animation=True, max_overhead=None)
    trainer(folder, callback, logger=loggers, **arguments).fit(Classifier(), batches())


@pytest.mark.parametrize("name", KINDS)
def test_alone(name: str, given: list[Batch], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    kind = KINDS[name]
    logger = kind.make(tmp_path)
    _train(tmp_path, [logger, Witness()])
    kind.finish(logger)
    assert len(given) >= 4
    _check(kind, kind.read(logger, tmp_path), given)


def test_all_at_once(given: list[Batch], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In two fits of one Trainer, the second without LitLogger, which sends no metrics after its first fit."""
    monkeypatch.chdir(tmp_path)
    loggers = {name: kind.make(tmp_path) for name, kind in KINDS.items()}
    callback = WeightVisualizationCallback(animation=True, max_overhead=None)
    model = Classifier()
    lightning = trainer(tmp_path, callback, logger=[*loggers.values(), Witness()], max_epochs=2)
    lightning.fit(model, batches())
    first = len(given)
    lightning.fit_loop.max_epochs = 4
    lightning.loggers = [logger for name, logger in {**loggers, "Witness": Witness()}.items() if name != "LitLogger"]
    lightning.fit(model, batches())
    assert len(given) > first
    for name, kind in KINDS.items():
        kind.finish(loggers[name])
    for name, kind in KINDS.items():
        _check(kind, kind.read(loggers[name], tmp_path), given[:first] if name == "LitLogger" else given)


@pytest.mark.parametrize("name", sorted(KINDS.keys() - {"AimLogger", "SwanLabLogger", "TrackioLogger"}))
def test_prefix_is_that_of_the_loggers_own_metrics(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    kind = KINDS[name]
    logger = kind.make(tmp_path, "student")
    logger.log_metrics({"loss": 1.0}, step=3)
    sink = sink_for(logger, tmp_path)
    sink.write(batch(step=3, names=["fc1.weight"]))
    sink.flush()
    kind.finish(logger)
    book = kind.read(logger, tmp_path)
    [own] = [key for key, _ in book.scalars if key.endswith("loss")]
    prefix = own.removesuffix("loss")
    assert prefix.startswith("student") and len(prefix) == len("student") + 1
    # Files beside a CSVLogger are in its folder alone.
    pictures = "" if name == "CSVLogger" else prefix
    assert (f"{pictures}weights.heatmap/fc1.weight", 3) in book.images
    assert (f"{prefix}weights.rms/fc1.weight", 3) in book.scalars


@pytest.mark.parametrize("name", KINDS)
def test_one_that_raises_stops_neither_training_nor_the_others(
    name: str, given: list[Batch], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    monkeypatch.chdir(tmp_path)
    kind = KINDS[name]
    logger = kind.make(tmp_path)

    def fail(*_: Any, **__: Any) -> None:
        raise ConnectionError("the server is away")

    # Whatever the sink asks the logger for, but what Lightning itself asks for stays.
    monkeypatch.setattr(f"lightning_weightviz.sinks.{ASKED.get(name, 'support.tracker.experiment_of')}", fail)
    _train(tmp_path, [logger, Witness()], max_epochs=2)
    kind.finish(logger)
    assert len(given) >= 3
    reported = [str(warning.message) for warning in recwarn if "the server is away" in str(warning.message)]
    assert len(reported) == 1 and name in reported[0] and "ConnectionError" in reported[0]


ASKED = {"CSVLogger": "files.open_folder"}
