"""The benchmarks run and report what they should; what the times are is not for a test."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

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


def test_work_reports_every_model(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.work", "--models", "mlp", "--repeats", "2", "--out", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    _, line = (tmp_path / "work.txt").read_text().splitlines()
    name, ours, theirs, ratio = line.split()
    assert name == "mlp" and float(ratio) == pytest.approx(float(ours) / float(theirs), abs=0.02)


def test_flatness_reports_every_stretch(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.flatness", "--model", "mlp", "--snapshots", "6", "--stretch", "3"]
    done = subprocess.run([*command, "--out", str(tmp_path)], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    lines = (tmp_path / "flatness_mlp.txt").read_text().splitlines()
    assert [line.split()[0] for line in lines[2:]] == ["0–2", "3–5"]
    assert all(float(cell) > 0 for line in lines[2:] for cell in line.split()[1:])


def test_drawing_reports_every_size(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.drawing", "--repeats", "2", "--out", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    lines = (tmp_path / "drawing.txt").read_text().splitlines()
    assert [line.split()[0] for line in lines[1:]] == ["64×64", "256×256", "4096×4096"]
    assert all(float(cell) > 0 for line in lines[1:] for cell in line.split()[1:4])


def test_findings_reports_every_run(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.findings", "--only", "infinite", "--out", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    title, first, second, count, *_ = (tmp_path / "findings.txt").read_text().splitlines()
    assert title == "# Seeds from 0 on" and count == "planted faults found in time: 2 of 2"
    for line in (first, second):
        assert line.startswith("a weight becomes infinite") and " ok " in line and "head.bias" in line


def test_rules_reports_every_model(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.rules", "--models", "784-128-64-10", "--snapshots", "8"]
    done = subprocess.run([*command, "--out", str(tmp_path)], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    [_, line] = (tmp_path / "rules.txt").read_text().splitlines()
    name, rules, whole, share = line.split()
    assert name == "784-128-64-10" and 0 < float(rules) < float(whole) and 0 < float(share) < 100


def test_what_the_readme_says_of_findings_is_what_was_measured() -> None:
    measured = (ROOT / "benchmarks" / "results" / "findings.txt").read_text()
    unseen = measured[measured.index("# Seeds from 2000 on") :]
    runs = [line for line in unseen.splitlines() if re.search(r" {2,}[0-9] {2}(ok|late|NOT FOUND)", line)]
    named = sum("NOT FOUND" not in line for line in runs)
    in_time = sum("  ok  " in line for line in runs)
    assert f"planted faults found in time: {in_time} of {len(runs)}" in unseen
    quiet = re.search(r"healthy runs without a warning: (\d+) of (\d+)", unseen)
    assert quiet is not None
    words = " ".join((ROOT / "README.md").read_text().split())
    assert f"Of {len(runs)} runs with a planted fault, {named} are named correctly, {in_time} of them" in words
    assert quiet[1] == quiet[2] and f"none of {quiet[2]} healthy runs gets a warning" in words


def test_cuda_reports_or_says_that_there_is_no_device(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.on_cuda", "--repeats", "2", "--models", "resnet50"]
    done = subprocess.run([*command, "--out", str(tmp_path)], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    if torch.cuda.is_available():
        assert len((tmp_path / "cuda.txt").read_text().splitlines()) == 3
    else:
        assert done.stdout == "no CUDA device: nothing was measured\n"
