"""Weights that are spread over processes: every rank does the same, whatever happens to one, and each ends."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from lightning_weightviz import WeightVisualizer
from tests.support.ranks_run import arguments_of, network

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
    taken: list[int]
    state: str


def run(
    case: str, folder: Path, count: int = 2, *, checked: bool = False, module: str = "tests.support.ranks_run"
) -> list[Rank]:
    """Runs a case of a module on some ranks, each a process; fails where one does not end."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo", "MASTER_ADDR": "127.0.0.1"}
    shared |= {"MASTER_PORT": str(port), "WORLD_SIZE": str(count)}
    shared |= {"LIGHTNING_WEIGHTVIZ_CHECK_RANKS": "1"} if checked else {}
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", module, case, str(folder)],
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
OF_WHOLE = {"effective_rank", "outlier_directions", "spectrum"}
"""Of parameters that are spread there is none: all singular values would take products of all rows."""
SPREAD = [("fine", 2), ("empty", 4), ("hsdp", 4), ("tensor parallel", 2), ("both", 4)]


@pytest.mark.parametrize(("case", "count"), SPREAD)
def test_numbers_are_of_the_whole_weights(case: str, count: int, tmp_path: Path) -> None:
    ranks = run(case, tmp_path, count)
    assert [(rank.ended, rank.failures) for rank in ranks] == [("fine", [])] * count
    assert len({(rank.collectives, rank.received) for rank in ranks}) == 1
    # A checkpoint may be written by any rank.
    assert len({rank.state for rank in ranks}) == 1
    replay(case, tmp_path / "alone", torch.load(tmp_path / "record.pt"))
    assert_same(tmp_path / "weightviz", tmp_path / "alone" / "weightviz")


def test_what_is_measured_at_milestones_is_in_the_state_of_each_rank(tmp_path: Path) -> None:
    ranks = run("milestones", tmp_path, 2)
    assert [(rank.ended, rank.failures) for rank in ranks] == [("fine", [])] * 2
    assert len({rank.state for rank in ranks}) == 1
    assert torch.load(tmp_path / "state.pt")["history"]["spectra"]["weights/head.weight"]


def test_it_goes_on_over_another_number_of_ranks(tmp_path: Path) -> None:
    run("fine", tmp_path / "first", 2)
    state = torch.load(tmp_path / "first" / "state.pt")
    for count in (1, 4):
        folder = tmp_path / str(count)
        folder.mkdir()
        torch.save(state, folder / "state.pt")
        ranks = run("resumed", folder, count)
        assert [(rank.ended, rank.failures) for rank in ranks] == [("fine", [])] * count
        replay("resumed", folder / "alone", torch.load(folder / "record.pt"), state)
        assert_same(folder / "weightviz", folder / "alone" / "weightviz")


def test_a_head_that_is_too_large_to_be_gathered(tmp_path: Path) -> None:
    ranks = run("large head", tmp_path, 2)
    assert [(rank.ended, rank.failures) for rank in ranks] == [("fine", [])] * 2
    replay("large head", tmp_path / "alone", torch.load(tmp_path / "record.pt"))
    # Its classes are not compared.
    compared = {"cosine", "cosine_spread", "simplex_distance"}
    assert_same(tmp_path / "weightviz", tmp_path / "alone" / "weightviz", but=compared)
    assert (tmp_path / "weightviz" / "classes" / "norms").is_dir()


def test_collectives_do_not_grow_with_the_number_of_parameters(tmp_path: Path) -> None:
    few, many = run("fine", tmp_path / "few", 2)[0], run("deep", tmp_path / "many", 2)[0]
    # Of the weights, the gradients and the updates together: three, and one a step of the largest singular values, of
    # which there are 32 where a target is new, and 8 later; and the head with its bias.
    assert few.taken == many.taken == [3 + 32 + 2, 3 + 32 + 2, 3 + 8 + 2]


def assert_same(mine: Path, true: Path, but: Collection[str] = (), *, cells_are_cut: bool = False) -> None:
    """Every number, and every picture byte for byte, but for those views and statistics.

    Where rows are cut anywhere, the sum of a cell may be rounded in another order, and be a step of colour away.
    """
    found, expected = (
        {key: value for key, value in scalars(folder).items() if _statistic(key) not in OF_WHOLE}
        for folder in (mine, true)
    )
    expected = {key: value for key, value in expected.items() if _statistic(key) not in but}
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        near = {"stable_rank": 0.02, "spectral_norm": 0.01}.get(_statistic(key), 2e-6)
        least = 1e-9
        if _statistic(key) in EXACT:
            near = least = 0
        elif _statistic(key) == "mean":
            # Near 0 it is as exact as the sums that it is made of: of whole weights, in float32.
            least = 4e-6 * expected[key[0], key[1].replace(".mean/", ".rms/")]
        assert found[key] == pytest.approx(value, rel=near, abs=least, nan_ok=True), key
    pictures = [one.relative_to(true) for one in sorted(true.rglob("*.png"))]
    pictures = [one for one in pictures if not set(one.parts) & set(but) and not _is_of_whole(one)]
    assert len(pictures) > 40
    own = [one.relative_to(mine) for one in sorted(mine.rglob("*.png"))]
    assert pictures == [one for one in own if not _is_of_whole(one)]
    differing = [one for one in pictures if (mine / one).read_bytes() != (true / one).read_bytes()]
    if cells_are_cut:
        differing = [one for one in differing if not _are_near(mine / one, true / one)]
    assert not differing, differing


def _is_of_whole(picture: Path) -> bool:
    return picture.parts[0].split(".")[-1] in OF_WHOLE


def _are_near(one: Path, other: Path) -> bool:
    """Whether some cells of a picture are a step of colour apart, and nothing else is."""
    pixels = [np.asarray(Image.open(path).convert("RGB"), dtype=np.int64) for path in (one, other)]
    apart = np.abs(pixels[0] - pixels[1]).max(axis=2)
    return bool(apart.max() <= 16 and (apart > 0).mean() < 1e-3)


def _statistic(key: tuple[int, str]) -> str:
    return key[1].split("/")[0].split(".")[-1]


def replay(
    case: str,
    folder: Path,
    record: list[dict[str, dict[str, torch.Tensor]]],
    state: dict[str, Any] | None = None,
    *,
    make: Callable[[str], nn.Module] = network,
) -> None:
    """Shows the same weights in a model that is whole."""
    model = make(case)
    visualizer = WeightVisualizer(model, folder=folder, **arguments_of(case))
    if state is not None:
        visualizer.load_state_dict(state)
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
    """All that was written, by step and tag, but for how long it took."""
    lines = [json.loads(line) for line in (folder / "scalars.jsonl").read_text().splitlines()]
    written = {(line["step"], tag): value for line in lines for tag, value in line["values"].items()}
    return {key: value for key, value in written.items() if key[1] != "weightviz/seconds"}


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
