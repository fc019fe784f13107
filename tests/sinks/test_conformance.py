"""What every sink must do, whichever are found: one more sink is one more entry in `LOGGERS`."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from lightning.pytorch.loggers.logger import DummyLogger
from torch.utils.tensorboard import SummaryWriter

from lightning_weightviz.artifacts import Batch, Image, Raster, Scalar
from lightning_weightviz.run.errors import Tolerance
from lightning_weightviz.sinks import FALLBACK, SINKS, sink_for
from lightning_weightviz.sinks.support.delivery import Delivery
from tests.sinks.loggers.kinds import KINDS
from tests.support.samples import ODD_NAMES, PARAMETERS, batch, picture, with_page

OPTIONAL = KINDS.keys() - {"CSVLogger", "TensorBoardLogger"}

LOGGERS: dict[str, Callable[[Path], Any]] = {
    FALLBACK: lambda folder: CSVLogger(folder),
    "DummyLogger": lambda folder: DummyLogger(),
    "SummaryWriter": lambda folder: SummaryWriter(folder),
    "TensorBoardLogger": lambda folder: TensorBoardLogger(folder),
    # Skipped where the logger's package is missing.
    **{name: KINDS[name].make for name in sorted(OPTIONAL)},
}

pytestmark = [
    pytest.mark.parametrize("name", sorted(SINKS)),
    pytest.mark.filterwarnings("ignore:.*weight pictures and histograms are in"),
]


def _bytes_below(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def test_takes_every_kind_of_artifact_and_odd_tags(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert name in LOGGERS, f"a sink for {name} was found, say here how to make such a logger"
    folder = tmp_path / "runs"
    folder.mkdir()
    # Some write to the working directory too.
    monkeypatch.chdir(folder)
    logger = LOGGERS[name](folder)
    sink = sink_for(logger, folder)
    assert isinstance(sink, SINKS[name])  # type: ignore[arg-type]
    sink.write(batch(step=0, epoch=0))
    sink.write(batch(step=44, epoch=1, names=(*PARAMETERS, *ODD_NAMES)))
    sink.write(Batch(89, 2, []))
    sink.write(with_page(Batch(90, 2, [])))
    sink.flush()
    sink.flush()
    if name in OPTIONAL:
        KINDS[name].finish(logger)
    if name not in ("DummyLogger", "LitLogger"):  # which leave nothing on the disk
        pictures = sum(len(artifact.png) for artifact in batch(step=44).artifacts if hasattr(artifact, "png"))
        # Some encode pictures anew, in fewer bytes.
        assert _bytes_below(folder) > pictures / 2
    assert {path.name for path in tmp_path.iterdir()} <= {"runs"}


def test_can_be_flushed_before_anything_was_written(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    logger = LOGGERS[name](tmp_path)
    sink_for(logger, tmp_path).flush()
    if name in OPTIONAL:
        KINDS[name].finish(logger)


def test_bears_numbers_that_are_not_finite(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    logger = LOGGERS[name](tmp_path)
    sink = sink_for(logger, tmp_path)
    bad = [Scalar(f"weights.rms/{value}", value) for value in (math.nan, math.inf, -math.inf)]
    image = Image("weights.heatmap/fc1.weight", Raster(picture(1)))
    for step in (0, 1):
        sink.write(Batch(step, 0, [*bad, image, Scalar("weights.rms/fine", 1.5)]))
    sink.flush()
    if name in OPTIONAL:
        KINDS[name].finish(logger)
        kind = KINDS[name]
        book = kind.read(logger, tmp_path)
        assert [book.scalars[kind.key("weights.rms/fine"), step] for step in (0, 1)] == [1.5, 1.5]
        assert {step for _, step in book.images} == {0, 1}


def test_goes_on_after_the_logger_failed_once(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    if name in ("DummyLogger", "SummaryWriter", FALLBACK):
        pytest.skip("has no experiment")
    monkeypatch.chdir(tmp_path)
    logger = LOGGERS[name](tmp_path)
    delivery = Delivery([logger], tmp_path, None, tolerance=Tolerance())

    def fail(_: Any) -> Any:
        raise ConnectionError("the server is away")

    with monkeypatch.context() as patch:
        patch.setattr("lightning_weightviz.sinks.support.tracker.experiment_of", fail)
        delivery.write(batch(step=1))
    delivery.write(batch(step=2))
    delivery.flush()
    assert len([warning for warning in recwarn if "the server is away" in str(warning.message)]) == 1
    kind = KINDS[name]
    kind.finish(logger)
    book = kind.read(logger, tmp_path if name != "TensorBoardLogger" else _run_of(logger))
    assert {step for _, step in book.images} == {2}


def _run_of(logger: Any) -> Path:
    """Where `Kind.read` looks for TensorBoard's run."""
    run = Path(logger.log_dir)
    return run.rename(run.with_name("tensorboard")).parent
