"""What a training leaves of the cores: read from real clocks."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from lightning_weightviz.run import room
from lightning_weightviz.run.room import Room, usable_cores
from lightning_weightviz.run.threads import Spent


def work(seconds: float) -> None:
    """Uses the processor for so long by the clock."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


def test_at_least_one_core_may_be_used() -> None:
    assert 0 < usable_cores() <= (os.cpu_count() or 1)


@pytest.mark.parametrize(
    ("quota", "cores"), [("150000 100000", 1.5), ("max 100000", None), ("900000 100000", None), ("", None)]
)
def test_a_container_may_be_allowed_less(
    quota: str, cores: float | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(4)), raising=False)
    (tmp_path / "cpu.max").write_text(quota + "\n")
    monkeypatch.setattr(room, "QUOTA", tmp_path / "cpu.max")
    assert usable_cores() == (4 if cores is None else cores)


def test_a_training_that_works_leaves_one_core_less() -> None:
    measured = Room(Spent())
    work(0.2)
    # Others may have had a part of this core.
    assert usable_cores() - 1.1 <= measured.idle_cores <= usable_cores() - 0.1


def test_what_is_used_while_the_training_waits_is_not_its_own() -> None:
    spent = Spent()
    measured = Room(spent)
    time.sleep(0.1)
    measured.close()
    with spent.counting():
        work(0.3)
    measured.reopen()
    assert measured.spent == 0
    assert measured.idle_cores > usable_cores() - 0.7
    with spent.counting():
        work(0.1)
    # Ours is not the training's.
    assert 0 < measured.spent <= 0.11
    assert measured.idle_cores > usable_cores() - 0.7
