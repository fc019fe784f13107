"""Each logger fails on its own, is reported once, and is tried again with the next batch."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from lightning.pytorch.loggers import Logger, TensorBoardLogger

from lightning_weightviz import sinks
from lightning_weightviz.artifacts import Batch
from lightning_weightviz.run.errors import Tolerance
from lightning_weightviz.sinks import register_sink
from lightning_weightviz.sinks.support.delivery import Delivery
from lightning_weightviz.sinks.support.histogram_pictures import draw_histogram
from tests.support.samples import batch, histogram, read_events

pytestmark = pytest.mark.filterwarnings("ignore:.*weight pictures and histograms are in")


def _delivery(logger: Any, folder: Path) -> Delivery:
    return Delivery([logger], folder, None, tolerance=Tolerance())


def _failures(warnings: pytest.WarningsRecorder) -> list[str]:
    return [str(warning.message) for warning in warnings if "failed with" in str(warning.message)]


def test_an_experiment_that_fails_once_is_asked_again(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    class Late(TensorBoardLogger):
        asked = 0

        @property
        def experiment(self) -> Any:
            self.asked += 1
            if self.asked == 1:
                raise TimeoutError("not yet")
            return super().experiment

    logger = Late(tmp_path, name="", version="run")
    delivery = _delivery(logger, tmp_path)
    for step in (1, 2, 3):
        delivery.write(batch(step=step))
    delivery.flush()
    [reported] = _failures(recwarn)
    assert "Late" in reported and "not yet" in reported
    events = read_events(tmp_path / "run").Images("weights.heatmap/fc1.weight")
    assert [event.step for event in events] == [2, 3]


def test_a_sink_that_cannot_be_made_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    written: list[int] = []

    class Theirs:
        made = 0

        def __init__(self, logger: Any, folder: Path) -> None:
            Theirs.made += 1
            if Theirs.made < 3:
                raise ConnectionError("the server is away")

        def write(self, batch: Batch) -> None:
            written.append(batch.step)

        def flush(self) -> None:
            pass

    monkeypatch.setattr(sinks, "_THIRD_PARTY", {})
    register_sink("TheirLogger", Theirs)
    delivery = _delivery(type("TheirLogger", (), {})(), tmp_path)
    for step in (1, 2, 3, 4):
        delivery.write(Batch(step, 0, []))
    assert written == [3, 4]
    assert len(_failures(recwarn)) == 1


@pytest.mark.parametrize("raising", [{"name"}, {"version"}, {"save_dir"}, {"name", "version", "save_dir"}])
def test_properties_that_raise_lose_no_picture(
    raising: set[str], tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    logged: list[Any] = []

    def answer(name: str, value: Any) -> Any:
        if name in raising:
            raise RuntimeError(f"{name} cannot be had")
        return value

    class Broken(Logger):
        @property
        def name(self) -> Any:
            return answer("name", "digits")

        @property
        def version(self) -> Any:
            return answer("version", 3)

        @property
        def save_dir(self) -> Any:
            return answer("save_dir", str(tmp_path / "saved"))

        def log_metrics(self, metrics: Any, step: Any = None) -> None:
            logged.append(step)

        def log_hyperparams(self, *_: Any, **__: Any) -> None:
            pass

    delivery = _delivery(Broken(), tmp_path / "given")
    delivery.write(batch(step=1))
    delivery.flush()
    assert _failures(recwarn) == [] and logged == [1]
    root = tmp_path / ("given" if "save_dir" in raising else "saved")
    assert len(list(root.rglob("step_00000001.png"))) == 4


def test_histograms_of_endless_names_are_drawn_at_once(tmp_path: Path) -> None:
    start = time.perf_counter()
    drawn = draw_histogram(histogram("weights.histogram/" + "x" * 5000, 1), 1, 1)
    assert time.perf_counter() - start < 5
    assert drawn.raster.size[0] < 1000 and drawn.tag.endswith("x" * 5000)
