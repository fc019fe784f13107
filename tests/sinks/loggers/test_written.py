"""Every logger holds what it was given: pixels, counts, numbers and steps, under names that are safe."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from lightning.pytorch.utilities import rank_zero_only

from lightning_weightviz.artifacts import Animation
from lightning_weightviz.sinks import sink_for
from lightning_weightviz.sinks.support.histogram_pictures import draw_histogram
from tests.sinks.loggers.book import check
from tests.sinks.loggers.kinds import DRAWN, KINDS
from tests.support.samples import ODD_NAMES, PARAMETERS, batch, with_page

pytestmark = pytest.mark.filterwarnings("ignore:.*weight pictures and histograms are in")


@pytest.mark.parametrize("name", KINDS)
def test_holds_what_it_was_given(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kind, folder = KINDS[name], tmp_path / "runs"
    folder.mkdir()
    monkeypatch.chdir(folder)
    logger = kind.make(folder)
    sink = sink_for(logger, tmp_path / "unused")
    batches = [batch(step=0, epoch=0), with_page(batch(step=44, epoch=1, names=(*PARAMETERS, *ODD_NAMES[:8])))]
    for written in batches:
        sink.write(written)
    sink.flush()
    kind.finish(logger)
    drawn = (lambda histogram, at: draw_histogram(histogram, at.step, at.epoch)) if name in DRAWN else None
    check(kind, kind.read(logger, folder), batches, drawn=drawn)
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]


def test_dvclive_names_a_second_snapshot_at_a_step_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    kind = KINDS["DVCLiveLogger"]
    logger = kind.make(tmp_path)
    sink = sink_for(logger, tmp_path)
    for repeat in (0, 1):
        sink.write(replace(batch(step=0, epoch=repeat), repeat=repeat))
    kind.finish(logger)
    images = Path(logger.experiment.plots_dir, "images", "weights.heatmap", "fc1.weight")
    films = Path(logger.experiment.plots_dir, "images", "weights.animation", "fc1.weight")
    assert sorted(path.name for path in images.iterdir()) == ["0.png", "0_2.png"]
    assert sorted(path.name for path in films.iterdir()) == ["0.gif", "0_2.gif"]


def test_what_dvclive_cannot_take_takes_nothing_else_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    kind, good = KINDS["DVCLiveLogger"], batch()
    logger = kind.make(tmp_path)
    with pytest.raises(IndexError):
        sink_for(logger, tmp_path).write(replace(good, artifacts=[Animation("mine/film", ()), *good.artifacts]))
    kind.finish(logger)
    drawn = (lambda histogram, at: draw_histogram(histogram, at.step, at.epoch)) if kind.name in DRAWN else None
    check(kind, kind.read(logger, tmp_path), [good], drawn=drawn)


@pytest.mark.parametrize("name", sorted(KINDS.keys() - {"CSVLogger"}))
def test_ranks_above_zero_write_nothing(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    kind = KINDS[name]
    logger = kind.make(tmp_path)
    before = {path for path in tmp_path.rglob("*") if path.is_file()}
    with monkeypatch.context() as patch:
        patch.setattr(rank_zero_only, "rank", 1)
        sink = sink_for(logger, tmp_path)
        sink.write(batch())
        sink.flush()
    # MLflow makes its tables when the client is made, and may go on with them.
    assert {path for path in tmp_path.rglob("*") if path.is_file() and "mlflow.db" not in path.name} <= before
    kind.finish(logger)
