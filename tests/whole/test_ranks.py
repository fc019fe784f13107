"""Weights that are spread over processes: every rank does the same, whatever happens to one, and each ends."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from lightning_weightviz import WeightVisualizer
from tests.support.ranks_run import ARGUMENTS, network

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


EXACT = {"min", "max", "absmax", "zero_fraction", "nan_count", "inf_count", "dead_units"}
SPREAD = [("fine", 2), ("empty", 4), ("hsdp", 4), ("tensor parallel", 2), ("both", 4)]


@pytest.mark.parametrize(("case", "count"), SPREAD)
def test_numbers_are_of_the_whole_weights(case: str, count: int, tmp_path: Path) -> None:
    ranks = run(case, tmp_path, count)
    assert [(rank.ended, rank.failures) for rank in ranks] == [("fine", [])] * count
    assert len({(rank.collectives, rank.received) for rank in ranks}) == 1
    # A checkpoint may be written by any rank.
    assert len({rank.state for rank in ranks}) == 1
    replay(case, tmp_path / "alone", torch.load(tmp_path / "record.pt"))
    mine, true = (scalars(folder / "weightviz") for folder in (tmp_path, tmp_path / "alone"))
    assert mine.keys() == true.keys()
    for key, value in true.items():
        statistic = key[1].split("/")[0].split(".")[-1]
        if statistic in EXACT:
            assert mine[key] == pytest.approx(value, rel=0, abs=0, nan_ok=True), key
        else:
            near = {"stable_rank": 0.02, "spectral_norm": 0.01}.get(statistic, 2e-6)
            # A mean near 0 is as exact as the sums that it is made of: of whole weights, in float32.
            least = 4e-6 * true[key[0], key[1].replace(".mean/", ".rms/")] if statistic == "mean" else 1e-9
            assert mine[key] == pytest.approx(value, rel=near, abs=least, nan_ok=True), key
    pictures = [
        sorted(path.relative_to(folder) for path in folder.rglob("*.png"))
        for folder in (tmp_path / "weightviz", tmp_path / "alone" / "weightviz")
    ]
    assert pictures[0] == pictures[1] and len(pictures[0]) > 40
    differing = [
        one
        for one in pictures[0]
        if (tmp_path / "weightviz" / one).read_bytes() != (tmp_path / "alone" / "weightviz" / one).read_bytes()
    ]
    assert not differing, differing


def replay(case: str, folder: Path, record: list[dict[str, dict[str, torch.Tensor]]]) -> None:
    """Shows the same weights in a model that is whole."""
    model = network(case)
    visualizer = WeightVisualizer(model, folder=folder, **ARGUMENTS)
    for step, seen in enumerate(record):
        model.load_state_dict(seen["before"])
        for name, parameter in model.named_parameters():
            parameter.grad = seen["gradients"].get(name)
        visualizer.observe_gradients()
        watched = visualizer.before_step(list(model.parameters()))
        model.load_state_dict(seen["after"])
        visualizer.after_step(watched)
        visualizer.log(step + 1, epoch=step + 1)
    visualizer.finish()


def scalars(folder: Path) -> dict[tuple[int, str], float]:
    """All that was written, by step and tag."""
    lines = [json.loads(line) for line in (folder / "scalars.jsonl").read_text().splitlines()]
    return {(line["step"], tag): value for line in lines for tag, value in line["values"].items()}


def test_ranks_may_check_that_they_do_the_same(tmp_path: Path) -> None:
    ranks = run("fine", tmp_path / "same", checked=True)
    assert [(rank.ended, rank.failures) for rank in ranks] == [("fine", [])] * 2
    ranks = run("differ", tmp_path / "differ", checked=True)
    assert [rank.ended for rank in ranks] == ["RanksDifferError"] * 2


@pytest.mark.parametrize(
    ("case", "ended", "failing"),
    [
        ("measuring fails", {"fine"}, [True, True]),  # No number would be of the whole.
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
    assert [rank.ended for rank in ranks] == ["fine"] * 2
    assert len({rank.collectives for rank in ranks}) == 1
    tags = {path.name for path in (tmp_path / "weightviz" / "weights.heatmap").iterdir()}
    assert tags == {f"{name}.weight" for name in ("embedding", "conv", "first", "second", "head")}


def test_a_rank_that_stops_ends_the_others_by_the_groups_own_time_out(tmp_path: Path) -> None:
    stays, stops = run("one stops", tmp_path)
    assert stops.ended == "StoppedError" and stays.ended in ("training failed", "fine")
