"""The background renderer: in order, without loss, errors included."""

from __future__ import annotations

import pickle
import threading

import pytest

from lightning_weightviz.artifacts import Batch, Scalar
from lightning_weightviz.run import worker
from lightning_weightviz.run.worker import Worker
from lightning_weightviz.views.support.render import Rendered


def rendered(step: int) -> Rendered:
    return Rendered(Batch(step, 0, [Scalar("weights.rms/fc", float(step))]), {})


def test_drain_gives_everything_in_order() -> None:
    background = Worker[Rendered]()
    for step in range(20):
        background.submit(lambda step=step: rendered(step), 0)  # type: ignore[misc]
    assert [future.result().batch.step for future in background.drain()] == list(range(20))


def test_nothing_overtakes_what_is_not_finished() -> None:
    background, gate = Worker[Rendered](), threading.Event()

    def wait() -> Rendered:
        gate.wait(10)
        return rendered(0)

    background.submit(wait, 0)
    background.submit(lambda: rendered(1), 0)
    assert list(background.finished()) == []
    gate.set()
    assert [future.result().batch.step for future in background.drain()] == [0, 1]


def test_an_error_stays_with_its_own_work() -> None:
    def fail() -> Rendered:
        raise RuntimeError("no ink")

    for background in (Worker[Rendered](background=True), Worker[Rendered](background=False)):
        background.submit(fail, 0)
        background.submit(lambda: rendered(1), 0)
        first, second = background.drain()
        with pytest.raises(RuntimeError, match="no ink"):
            first.result()
        assert second.result().batch.step == 1


def test_without_a_background_the_work_is_done_at_once_on_the_same_thread() -> None:
    seen: list[str] = []
    foreground = Worker[Rendered](background=False)
    foreground.submit(lambda: seen.append(threading.current_thread().name) or rendered(0), 0)  # type: ignore[func-returns-value]
    assert seen == [threading.current_thread().name]
    assert len(list(foreground.finished())) == 1


@pytest.mark.parametrize(("bound", "size"), [("MAX_WAITING", 0), ("MAX_WAITING_BYTES", 1)])
def test_handing_in_waits_while_too_much_is_waiting(monkeypatch: pytest.MonkeyPatch, bound: str, size: int) -> None:
    monkeypatch.setattr(worker, bound, 2)
    background, gate = Worker[Rendered](), threading.Event()

    def wait() -> Rendered:
        gate.wait(10)
        return rendered(0)

    for _ in range(2 + size):
        background.submit(wait, size)
    handed_in = threading.Thread(target=background.submit, args=(lambda: rendered(1), size))
    handed_in.start()
    handed_in.join(0.2)
    assert handed_in.is_alive()
    gate.set()
    handed_in.join(10)
    assert not handed_in.is_alive()
    assert [future.result().batch.step for future in background.drain()][-1] == 1


def test_it_pickles_before_it_starts() -> None:
    assert list(pickle.loads(pickle.dumps(Worker[Rendered]())).drain()) == []
