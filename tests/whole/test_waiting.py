"""Where a training leaves no room, it waits for its snapshots."""

from __future__ import annotations

import io
import signal
import threading
import time
from pathlib import Path

import pytest
import torch
from lightning.pytorch import seed_everything
from PIL import Image

from lightning_weightviz import WeightVisualizationCallback, WeightVisualizer
from lightning_weightviz.pictures import Pictures
from lightning_weightviz.run.schedule import Schedule
from tests.support.training import Classifier, batches, events, steps_of, trainer

PICTURE = "weights.heatmap/fc1.weight"
LAST = 14
"""The step of the last snapshot of three epochs."""


@pytest.fixture(params=[False, True], ids=["waits", "goes on"])
def room(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether a training leaves any."""
    monkeypatch.setattr(Schedule, "leaves_room", request.param)
    return bool(request.param)


def pixels(png: bytes) -> bytes:
    with Image.open(io.BytesIO(png)) as picture:
        return picture.convert("RGB").tobytes()


def test_training_and_what_is_logged_are_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    states, written = [], []
    for room in (False, True):
        monkeypatch.setattr(Schedule, "leaves_room", room)
        seed_everything(7, verbose=False)
        model, folder = Classifier(), tmp_path / str(room)
        trainer(folder, WeightVisualizationCallback(), max_epochs=3).fit(model, batches())
        states.append(model.state_dict())
        written.append(events(folder))
    assert [name for name in states[0] if not torch.equal(states[0][name], states[1][name])] == []
    waited, beside = written
    assert waited.Tags()["images"] == beside.Tags()["images"]
    for tag in waited.Tags()["images"]:
        # As they are shown: what a compressor makes of equal pixels is its own.
        first, second = ([(one.step, pixels(one.encoded_image_string)) for one in run.Images(tag)] for run in written)
        assert first == second, tag
    for tag in waited.Tags()["scalars"]:
        if tag != "weightviz/seconds":
            first, second = ([(one.step, one.value) for one in run.Scalars(tag)] for run in written)
            assert first == second, tag


def test_only_where_there_is_room_pictures_are_drawn_while_training_continues(
    tmp_path: Path, room: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[bool] = []
    gate, draw = threading.Event(), Pictures.draw

    def slow(self: Pictures, *arguments: object) -> object:
        # The training's next batch opens the gate, if it gets there.
        drawn.append(gate.wait(0.5))
        return draw(self, *arguments)  # type: ignore[arg-type]

    class Opens(Classifier):
        def training_step(self, batch: tuple[torch.Tensor, torch.Tensor], batch_idx: int) -> torch.Tensor:
            if self.global_step > 0:
                gate.set()
            return super().training_step(batch, batch_idx)

    monkeypatch.setattr(Pictures, "draw", slow)
    trainer(tmp_path, WeightVisualizationCallback(), max_epochs=1).fit(Opens(), batches())
    assert drawn[0] is room


@pytest.mark.parametrize("count", [1, 5])
def test_the_end_of_an_epoch_is_no_batch(count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else epochs of one batch would seem to have short ones."""
    counted: list[Schedule] = []
    monkeypatch.setattr(Schedule, "count_batch", lambda self: counted.append(self))
    trainer(tmp_path, WeightVisualizationCallback(), max_epochs=3).fit(Classifier(), batches(count=count))
    assert len(counted) == 3 * count


def test_a_snapshot_that_was_waited_for_is_written(tmp_path: Path) -> None:
    model = torch.nn.Linear(8, 4)
    visualizer = WeightVisualizer(model, folder=tmp_path)
    visualizer.log(0)
    torch.nn.init.normal_(model.weight)
    visualizer.log(1, wait=True)
    drawn = tmp_path / "weightviz" / "weights.heatmap" / "weight"
    assert sorted(path.name for path in drawn.glob("*.png")) == ["step_00000000.png", "step_00000001.png"]
    visualizer.finish()


def test_the_time_waited_is_not_counted_twice(tmp_path: Path) -> None:
    visualizer = WeightVisualizer(torch.nn.Linear(64, 64), folder=tmp_path)
    plan = Schedule(1, None, 0.01, visualizer.spent)
    begun = time.perf_counter()
    for step in range(3):
        with plan.blocking():
            visualizer.log(step, wait=True)
    assert 0 < plan.lost <= time.perf_counter() - begun
    visualizer.finish()


@pytest.mark.parametrize("at", [4, LAST])
def test_ctrl_c_while_a_snapshot_is_waited_for_loses_nothing(
    at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a training that leaves no room, and by the end of one that does."""
    monkeypatch.setattr(Schedule, "leaves_room", at == LAST)
    draw, main = Pictures.draw, threading.main_thread().ident

    def interrupted(self: Pictures, seen: object, *arguments: object) -> object:
        if seen.scene.snapshot.step == at:  # type: ignore[attr-defined]
            assert main is not None
            # Until training has ended, and waits.
            time.sleep(0.5 if at == LAST else 0.0)
            signal.pthread_kill(main, signal.SIGINT)
            time.sleep(0.2)
        return draw(self, seen, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Pictures, "draw", interrupted)
    # Where tests run in parallel, their processes ignore it.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        # Lightning's answer to it.
        with pytest.raises(SystemExit):
            trainer(tmp_path, WeightVisualizationCallback(), max_epochs=3).fit(Classifier(), batches())
    finally:
        signal.signal(signal.SIGINT, before)
    assert steps_of(events(tmp_path), "Images", PICTURE) == [step for step in (0, 4, 9, LAST) if step <= at]
