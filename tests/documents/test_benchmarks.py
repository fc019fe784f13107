"""The benchmarks run and report what they should; what the times are is not for a test."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def test_snapshot_reports_every_contestant(tmp_path: Path) -> None:
    command = [sys.executable, "benchmarks/snapshot.py", "--models", "mlp", "--repeats", "2", "--slow-repeats", "1"]
    done = subprocess.run([*command, "--out", str(tmp_path)], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "snapshot.json").read_text())["results"]["mlp"]
    assert {"floor", "blocked", "all", "add_histogram", "imshow", "callback"} <= set(result["seconds"])
    assert all(seconds > 0 for seconds in result["seconds"].values())
    assert 10_000 < result["event_bytes"] < 1_500_000
    assert (tmp_path / "snapshot.txt").read_text() in done.stdout


def test_flatness_reports_every_stretch(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.flatness", "--model", "mlp", "--snapshots", "6", "--stretch", "3"]
    done = subprocess.run([*command, "--out", str(tmp_path)], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    lines = (tmp_path / "flatness.txt").read_text().splitlines()
    assert [line.split()[0] for line in lines[2:]] == ["0–2", "3–5"]
    assert all(float(cell) > 0 for line in lines[2:] for cell in line.split()[1:])


def test_drawing_reports_every_size(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.drawing", "--repeats", "2", "--out", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    lines = (tmp_path / "drawing.txt").read_text().splitlines()
    assert [line.split()[0] for line in lines[1:]] == ["64×64", "256×256", "4096×4096"]
    assert all(float(cell) > 0 for line in lines[1:] for cell in line.split()[1:4])
