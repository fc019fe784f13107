"""Weights that are spread over processes: every rank does the same, whatever happens to one, and each ends."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

ROOT = Path(__file__).parent.parent.parent
OLD = tuple(map(int, torch.__version__.split(".")[:2])) < (2, 7)
LIMIT = 120
"""Seconds; the group's own time-out is twenty."""

pytestmark = pytest.mark.skipif(OLD, reason="PyTorch 2.6 cannot run FSDP2 on a CPU")


@dataclass(frozen=True)
class Rank:
    """What a rank saw."""

    ended: str
    failures: list[str]
    collectives: int
    received: int
    state: str


def run(case: str, folder: Path, count: int = 2, *, checked: bool = False) -> list[Rank]:
    """Runs a case on some ranks, each a process; fails where one does not end."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo", "MASTER_ADDR": "127.0.0.1"}
    shared |= {"MASTER_PORT": str(port), "WORLD_SIZE": str(count)}
    shared |= {"LIGHTNING_WEIGHTVIZ_CHECK_RANKS": "1"} if checked else {}
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.support.ranks_run", case, str(folder)],
            cwd=ROOT,
            env={**shared, "RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(count)
    ]
    try:
        told = [process.communicate(timeout=LIMIT) for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert all(process.returncode == 0 for process in processes), [error[-2000:] for _, error in told]
    return [Rank(**json.loads(printed.splitlines()[-1])) for printed, _ in told]


SPREAD = [("fine", 2), ("empty", 4), ("hsdp", 4), ("tensor parallel", 2), ("both", 4)]


@pytest.mark.parametrize(("case", "count"), SPREAD)
def test_numbers_are_of_the_whole_weights(case: str, count: int, tmp_path: Path) -> None:
    ranks = run(case, tmp_path, count)
    assert [(rank.ended, rank.failures) for rank in ranks] == [("fine", [])] * count
    assert len({(rank.collectives, rank.received) for rank in ranks}) == 1
    # A checkpoint may be written by any rank.
    assert len({rank.state for rank in ranks}) == 1
    lines = (tmp_path / "weightviz" / "scalars.jsonl").read_text().splitlines()
    last = json.loads(lines[-1])
    assert [json.loads(line)["step"] for line in lines][-1] == last["step"] == 3
    true = torch.load(tmp_path / "whole.pt")
    for name, tensor in true["weights"].items():
        values = tensor.numpy().astype(np.float64)
        if values.ndim > 1:
            found = {key: last["values"][f"weights.{key}/{name}"] for key in ("rms", "absmax", "spectral_norm")}
            assert found["rms"] == pytest.approx(np.sqrt(np.mean(values**2)), rel=1e-6)
            assert found["absmax"] == np.abs(tensor.numpy()).max()
            # Each rank measured its part of the step.
            assert last["values"][f"weights.update_ratio/{name}"] == pytest.approx(true["ratios"][name], rel=1e-4)
            assert found["spectral_norm"] == pytest.approx(np.linalg.svd(values, compute_uv=False)[0], rel=0.01)
    # Every view and target; one process wrote.
    tags = {path.name for path in (tmp_path / "weightviz").iterdir()}
    assert {"weights.heatmap", "gradients.heatmap", "updates.heatmap", "classes", "weights.evolution"} <= tags


def test_ranks_may_check_that_they_do_the_same(tmp_path: Path) -> None:
    ranks = run("fine", tmp_path / "same", checked=True)
    assert [(rank.ended, rank.failures) for rank in ranks] == [("fine", [])] * 2
    ranks = run("differ", tmp_path / "differ", checked=True)
    assert [rank.ended for rank in ranks] == ["RanksDifferError"] * 2


@pytest.mark.parametrize(
    ("case", "ended", "failing"),
    [
        ("measuring fails", {"fine"}, [False, True]),
        ("drawing fails", {"fine"}, [True, False]),
        ("alert", {"WeightAlert"}, [False, False]),
    ],
)
def test_what_happens_to_one_rank_leaves_the_others_running(
    case: str, ended: set[str], failing: list[bool], tmp_path: Path
) -> None:
    ranks = run(case, tmp_path)
    assert {rank.ended for rank in ranks} == ended
    assert [bool(rank.failures) for rank in ranks] == failing, [rank.failures for rank in ranks]


def test_what_one_rank_cannot_read_is_left_out_on_all(tmp_path: Path) -> None:
    ranks = run("reading fails", tmp_path)
    assert [(rank.ended, rank.failures) for rank in ranks] == [("fine", [])] * 2
    assert len({rank.collectives for rank in ranks}) == 1
    tags = {path.name for path in (tmp_path / "weightviz" / "weights.heatmap").iterdir()}
    assert tags == {"0.weight", "2.weight", "4.weight"}


def test_a_rank_that_stops_ends_the_others_by_the_groups_own_time_out(tmp_path: Path) -> None:
    stays, stops = run("one stops", tmp_path)
    assert stops.ended == "StoppedError" and stays.ended in ("training failed", "fine")
