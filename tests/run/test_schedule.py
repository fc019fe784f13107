"""When snapshots are due, and what happens when they cost too much."""

from __future__ import annotations

import pytest

from lightning_weightviz.run import room, schedule
from lightning_weightviz.run.schedule import Schedule
from lightning_weightviz.run.threads import Spent


class Clock:
    """Stands in for the time, so that a test of shares needs none."""

    def __init__(self) -> None:
        self.now = self.used = 0.0

    def perf_counter(self) -> float:
        return self.now

    def process_time(self) -> float:
        return self.used


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(schedule, "time", clock)
    monkeypatch.setattr(room, "time", clock)
    monkeypatch.setattr(room, "usable_cores", lambda: 2)
    return clock


def test_epochs() -> None:
    due = Schedule(3, None, None)
    assert [epochs for epochs in range(1, 10) if due.is_epoch_due(epochs)] == [3, 6, 9]
    assert not any(Schedule(None, 5, None).is_epoch_due(epochs) for epochs in range(1, 10))


def test_steps_trigger_on_crossing_a_boundary() -> None:
    due = Schedule(None, 5, None)
    two_optimizers = [(before, before + 2) for before in range(0, 20, 2)]
    assert [after for before, after in two_optimizers if due.is_step_due(before, after)] == [6, 10, 16, 20]
    assert not due.is_step_due(5, 5)  # a batch that only accumulates
    assert not Schedule(1, None, None).is_step_due(0, 1000)


def test_snapshots_are_left_out_past_the_share(clock: Clock) -> None:
    plan = Schedule(1, None, 0.01)
    plan.start()
    taken = 0
    for _ in range(1000):
        clock.now += 1.0
        if plan.affords():
            taken += 1
            with plan.blocking():
                clock.now += 0.5
    blocked = 0.5 * taken
    assert schedule.FREE_SECONDS < blocked <= schedule.FREE_SECONDS + 0.01 * clock.now + 0.5
    assert plan.left_out == 1000 - taken > 0


def test_a_short_run_shows_every_epoch(clock: Clock) -> None:
    plan = Schedule(1, None, 0.01)
    plan.start()
    for _ in range(20):
        assert plan.affords()
        with plan.blocking():
            clock.now += 0.09


def test_no_limit_leaves_nothing_out(clock: Clock) -> None:
    plan = Schedule(1, None, None)
    with plan.blocking():
        clock.now += 1000.0
    assert plan.affords()


@pytest.mark.parametrize(
    ("cores", "used", "share"),
    [
        (2, 2.0, 1.0),  # The training uses all there is: what we use it lacks.
        (2, 1.5, 0.5),
        (2, 1.0, 0.0),  # A core is idle.
        (16, 1.2, 0.0),
        (1.5, 1.0, 0.5),
        (1, 1.0, 1.0),
    ],
)
def test_what_our_threads_use_counts_where_no_core_is_idle(
    cores: float, used: float, share: float, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "usable_cores", lambda: cores)
    monkeypatch.setattr(Spent, "seconds", 0.0)
    plan = Schedule(1, None, 0.01, Spent())
    with plan.taking():
        # While the training waits, a thread of ours works.
        monkeypatch.setattr(Spent, "seconds", 1.0)
        clock.now += 1.0
        clock.used += 1.0
    # Fifty seconds of training, in which our threads have used four of the processor.
    monkeypatch.setattr(Spent, "seconds", 5.0)
    clock.now += 50.0
    clock.used += 50.0 * used + 4.0
    assert plan.lost == pytest.approx(1.0 + 4.0 * share)
    assert plan.affords() == (share < 0.3)


@pytest.mark.parametrize(
    ("used", "batch", "leaves_room"),
    [
        (1.0, 0.1, True),
        (1.4, 0.1, True),
        (1.6, 0.1, False),
        (1.0, 0.002, False),  # Python's, for the most part.
    ],
)
def test_a_training_leaves_room_by_idle_cores_and_long_batches(
    used: float, batch: float, leaves_room: bool, clock: Clock
) -> None:
    plan = Schedule(1, None, None)
    for _ in range(50):
        clock.now += batch
        clock.used += batch * used
        plan.count_batch()
    # Validation, and then a snapshot.
    clock.now += 1.0
    clock.used += used
    with plan.taking():
        clock.now += 1.0
    plan.count_batch()
    assert plan.leaves_room is leaves_room


@pytest.mark.parametrize(("weights", "leaves_room"), [(100_000, False), (10_000_000, True)])
def test_before_a_batch_is_timed_those_of_small_networks_are_taken_for_short(
    weights: int, leaves_room: bool, clock: Clock
) -> None:
    plan = Schedule(1, None, None, weights=weights)
    clock.now += 0.1
    assert plan.leaves_room is leaves_room
    clock.now += 0.1
    plan.count_batch()
    assert plan.leaves_room


def test_what_a_snapshot_takes_makes_no_batch_longer(clock: Clock) -> None:
    plan = Schedule(None, 1, None)
    for _ in range(50):
        clock.now += 0.002
        plan.count_batch()
        with plan.taking():
            clock.now += 0.05
    assert not plan.leaves_room


def test_pictures_are_left_out_before_numbers(clock: Clock) -> None:
    plan = Schedule(1, None, 0.01)
    plan.start()
    shares = []
    for _ in range(400):
        clock.now += 1.0
        if plan.affords():
            shares.append(plan.affordable_pictures())
            with plan.blocking():
                clock.now += 0.005 + 0.2 * shares[-1]
    assert shares[:5] == [1.0] * 5 and 0.0 < min(shares[50:]) < 0.1
    assert plan.undrawn == sum(share < 1.0 for share in shares) > 100 and plan.left_out == 0
    assert plan.lost <= schedule.FREE_SECONDS + 0.01 * clock.now
    expected = f"0 snapshots were skipped and {plan.undrawn} taken with fewer pictures or none"
    with pytest.warns(UserWarning, match=expected):
        plan.warn_of_left_out()


@pytest.mark.parametrize(("used_up", "share"), [(0.0, 1.0), (0.5, 1.0), (0.65, 0.5), (0.8, 0.0), (0.99, 0.0)])
def test_the_nearer_the_limit_the_fewer_pictures(used_up: float, share: float, clock: Clock) -> None:
    plan = Schedule(1, None, 0.0)
    with plan.blocking():
        clock.now += used_up * schedule.FREE_SECONDS
    assert plan.affordable_pictures() == pytest.approx(share)
    assert plan.undrawn == (share < 1.0) and plan.affords()
