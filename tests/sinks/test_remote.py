"""Loggers and runs whose folder is behind a URL: all pictures arrive there, and no folder of its name appears here."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec  # type: ignore[import-untyped]
import numpy as np
import pytest
from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger

from lightning_weightviz import WeightVisualizationCallback, WeightVisualizer, sinks
from lightning_weightviz.artifacts import Batch, Image
from lightning_weightviz.run.errors import Tolerance
from lightning_weightviz.sinks import register_sink, sink_for
from lightning_weightviz.sinks.support.delivery import Delivery
from tests.support.pages import names_on
from tests.support.samples import batch, decode, read_events
from tests.support.training import Classifier, batches, trainer

pytestmark = pytest.mark.filterwarnings("ignore:.*weight pictures and histograms are in")


@pytest.fixture(autouse=True)
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An empty store; nothing may appear in the working directory."""
    found = fsspec.filesystem("memory")
    found.store.clear()
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    yield found
    assert list(work.iterdir()) == []
    found.store.clear()


def _check(memory: Any, root: str, given: list[Batch]) -> None:
    """Every picture that was given is in the store, pixel by pixel, and every line of the manifest names a file."""
    lines = [json.loads(line) for line in memory.cat_file(f"{root}/weightviz/manifest.jsonl").splitlines()]
    files = {(line["tag"], line["step"]): f"{root}/weightviz/{line['file']}" for line in lines}
    pictures = [(image, one.step) for one in given for image in one.artifacts if isinstance(image, Image)]
    assert pictures
    for image, step in pictures:
        np.testing.assert_array_equal(decode(memory.cat_file(files[image.tag, step])), image.pixels)
    assert all(memory.isfile(file) for file in files.values())


def _fit(monkeypatch: pytest.MonkeyPatch, folder: str, logger: Any) -> list[Batch]:
    """Trains in small; returns what was delivered."""
    given: list[Batch] = []
    write = Delivery.write

    def witnessed(delivery: Delivery, batch: Batch) -> None:
        given.append(batch)
        write(delivery, batch)

    monkeypatch.setattr(Delivery, "write", witnessed)
    callback = WeightVisualizationCallback(report=True, animation=True, max_overhead=None)
    trainer(Path("unused"), callback, max_epochs=2, default_root_dir=folder, logger=logger).fit(Classifier(), batches())
    return given


def test_training_without_a_logger(memory: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    given = _fit(monkeypatch, "memory://run", logger=False)
    _check(memory, "/run", given)
    scalars = [json.loads(line) for line in memory.cat_file("/run/weightviz/scalars.jsonl").splitlines()]
    assert [line["step"] for line in scalars][:3] == [0, 4, 9]
    assert "fc1.weight" in names_on(memory.cat_file("/run/weightviz/report.html"))
    assert not [name for name in memory.find("/run/weightviz") if "partial" in name]


def test_training_with_a_csv_logger(memory: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    logger = CSVLogger("memory://csv", name="digits", version=7)
    given = _fit(monkeypatch, "memory://elsewhere", logger)
    _check(memory, "/csv/digits/version_7", given)
    assert b"weights.rms/fc1.weight" in memory.cat_file("/csv/digits/version_7/metrics.csv")
    assert memory.isfile("/csv/digits/version_7/weightviz/report.html")
    assert not memory.exists("/elsewhere")


def test_training_with_tensorboard(memory: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    given = _fit(monkeypatch, "memory://elsewhere", TensorBoardLogger("memory://tb", name="", version="run"))
    memory.get("/tb/run", str(tmp_path / "tb"), recursive=True)
    read = read_events(tmp_path / "tb")
    images = [(image, one.step) for one in given for image in one.artifacts if isinstance(image, Image)]
    assert images
    for image, step in images:
        [event] = [event for event in read.Images(image.tag) if event.step == step]
        np.testing.assert_array_equal(decode(event.encoded_image_string), image.pixels)
    assert memory.isfile("/tb/run/weightviz/report.html")


class Named(Logger):
    """A third party's logger with a folder of its own."""

    def __init__(self, save_dir: str) -> None:
        super().__init__()
        self._save_dir = save_dir
        self.steps: list[int | None] = []

    @property
    def name(self) -> str:
        return "named"

    @property
    def version(self) -> str:
        return "one"

    @property
    def save_dir(self) -> str:
        return self._save_dir

    def log_metrics(self, metrics: Any, step: int | None = None) -> None:
        self.steps.append(step)

    def log_hyperparams(self, *_: Any, **__: Any) -> None:
        pass


def test_a_run_that_is_resumed_goes_on_in_the_same_files(memory: Any) -> None:
    given = [batch(step=step) for step in (1, 2, 3, 4)]
    for half in (given[:2], given[2:]):
        sink = sink_for(Named("memory://saved/"), "memory://unused")
        for one in half:
            sink.write(one)
    _check(memory, "/saved/named/one", given)
    record = memory.cat_file("/saved/named/one/weightviz/weights.histogram/fc1.weight/histogram.jsonl").splitlines()
    assert [json.loads(line)["step"] for line in record] == [1, 2, 3, 4]


@pytest.mark.parametrize(("url", "says"), [("s3://bucket/runs", "s3fs"), ("nowhere://x", "Protocol not known")])
def test_a_folder_that_cannot_be_written_to_is_reported_once_and_others_go_on(
    url: str, says: str, memory: Any, monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    bad, good = Named(url), Named("memory://good")
    delivery = Delivery([bad, good], "memory://folder", None, tolerance=Tolerance())
    given = [batch(step=step) for step in (1, 2)]
    for one in given:
        delivery.write(one)
    delivery.flush()
    reported = [str(warning.message) for warning in recwarn if "failed with" in str(warning.message)]
    assert len(reported) == 1 and url in reported[0] and says in reported[0] and "Named" in reported[0]
    # Its scalars are none of the folder's business.
    assert bad.steps == good.steps == [1, 2]
    _check(memory, "/good/named/one", given)


def test_a_page_that_cannot_be_written_is_reported_and_loggers_go_on(
    memory: Any, recwarn: pytest.WarningsRecorder
) -> None:
    visualizer = WeightVisualizer(Classifier(), Named("memory://good"), folder="nowhere://x/run", report=True)
    for step in range(3):
        visualizer.log(step)
    visualizer.finish()
    [reported] = [str(warning.message) for warning in recwarn if "failed with" in str(warning.message)]
    assert reported.startswith("writing the report failed with OSError") and "nowhere://x/run" in reported
    assert memory.isfile("/good/named/one/weightviz/manifest.jsonl")
    assert "fc1.weight" in names_on(visualizer.page)


@pytest.mark.parametrize(
    ("folder", "expected"), [("memory://run", "memory://run"), ("runs", Path("runs")), ("file:///runs", Path("/runs"))]
)
def test_a_third_partys_sink_gets_a_path_here_and_a_url_elsewhere(
    folder: str, expected: str | Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []

    class Theirs:
        def __init__(self, logger: Any, folder: Any) -> None:
            seen.append(folder)

        def write(self, batch: Batch) -> None:
            pass

        def flush(self) -> None:
            pass

    monkeypatch.setattr(sinks, "_THIRD_PARTY", {})
    register_sink("Named", Theirs)
    Delivery([Named("memory://x")], folder, None, tolerance=Tolerance()).write(batch())
    assert seen == [expected] and isinstance(seen[0], Path) == isinstance(expected, Path)
