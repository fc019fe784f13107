"""What a training leaves of the cores: read from real clocks, real processes and real files of Linux."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lightning_weightviz.run import room
from lightning_weightviz.run.room import Room, idle_seconds, usable_cores
from lightning_weightviz.run.threads import Spent

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux says what each core does")


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
    monkeypatch.setattr(room, "_allowed", lambda: set(range(4)))
    (tmp_path / "cpu.max").write_text(quota + "\n")
    monkeypatch.setattr(room, "QUOTA", tmp_path / "cpu.max")
    assert usable_cores() == (4 if cores is None else cores)


@LINUX
def test_idle_time_is_that_of_the_cores_that_may_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_allowed", lambda: {0, 12})
    lines = ["cpu  9 9 9 9 9 9 9 9 9 9"]
    lines += [f"cpu{core} 1 2 3 {1000 * (core + 1)} 50 6 7 8 9 10" for core in (0, 1, 2, 12)]
    (tmp_path / "stat").write_text("\n".join([*lines, "intr 5", ""]))
    monkeypatch.setattr(room, "CORES", tmp_path / "stat")
    assert idle_seconds() == pytest.approx((1000 + 13000 + 2 * 50) / os.sysconf("SC_CLK_TCK"))


@pytest.mark.parametrize("text", ["", "cpu0 0 0 0 0 0 0 0\n", "cpu0 a b c d e f\n", None])
def test_where_nothing_is_said_of_cores_this_process_counts_alone(
    text: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "CORES", tmp_path / "stat")
    if text is not None:
        (tmp_path / "stat").write_text(text)
    assert math.isnan(idle_seconds())
    measured = Room(Spent())
    work(0.1)
    # Others may have had a part of this core.
    assert usable_cores() - 1.1 <= measured.idle_cores <= usable_cores() - 0.1


@LINUX
def test_what_other_processes_use_is_not_left() -> None:
    """As many as there are cores, at work: none is idle, though this process does nothing."""
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(len(os.sched_getaffinity(0)))]
    try:
        time.sleep(0.5)
        measured = Room(Spent())
        time.sleep(1.0)
        assert measured.idle_cores < 0.3
        assert usable_cores() >= 1
    finally:
        for process in busy:
            process.kill()
            process.wait()


def test_what_is_used_while_the_training_waits_is_not_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "idle_seconds", lambda: math.nan)
    spent = Spent()
    measured = Room(spent)
    time.sleep(0.1)
    measured.close()
    before, begun = measured.seconds, time.perf_counter()
    with spent.counting():
        work(0.3)
    waited = time.perf_counter() - begun
    measured.reopen()
    assert measured.spent == 0 and 0.1 <= before <= measured.seconds < before + waited
    assert measured.idle_cores > usable_cores() - 0.7
    with spent.counting():
        work(0.1)
    # Ours is not the training's.
    assert 0 < measured.spent <= 0.11
    assert measured.idle_cores > usable_cores() - 0.7
