"""Weights that FSDP1 and DeepSpeed cut in order: every number and every picture is that of the whole weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.support.flat_ranks_run import network
from tests.whole.test_ranks import OLD, Rank, assert_same, replay, scalars
from tests.whole.test_ranks import run as run_ranks

pytestmark = pytest.mark.skipif(OLD, reason="FSDP1 on a CPU was not tried with PyTorch 2.6")

CASES = [
    ("root", 2),  # It wraps nothing inside.
    ("flat root", 2),
    ("layers", 3),
    ("flat", 2),
    ("grad op", 2),
    ("no shard", 2),
    ("no shard, original", 2),
    ("hybrid", 4),
    ("empty", 4),  # Some ranks hold nothing of a layer, some nothing at all.
    ("frozen", 2),
    ("tied", 2),
    ("tied, flat", 2),
    ("half", 2),
    ("half, flat", 2),
    ("recomputed", 2),
    ("pruned", 3),
    ("offloaded", 2),
    ("accumulated", 2),
    ("zero 3", 4),
    ("zero 3, tied", 2),
    ("zero 2", 2),
]


def run(case: str, folder: Path, count: int = 2, *, checked: bool = False) -> list[Rank]:
    """As of `test_ranks`."""
    return run_ranks(case, folder, count, checked=checked, module="tests.support.flat_ranks_run")


@pytest.mark.parametrize(("case", "count"), CASES)
def test_numbers_and_pictures_are_of_the_whole_weights(case: str, count: int, tmp_path: Path) -> None:
    ranks = run(case, tmp_path, count)
    assert [(rank.ended, rank.failures) for rank in ranks] == [("fine", [])] * count
    assert len({(rank.collectives, rank.received) for rank in ranks}) == 1
    assert len({rank.state for rank in ranks}) == 1
    replay(case, tmp_path / "alone", torch.load(tmp_path / "record.pt"), make=network)
    assert_same(tmp_path / "weightviz", tmp_path / "alone" / "weightviz", cells_are_cut=True)


def test_it_goes_on_over_another_number_of_ranks(tmp_path: Path) -> None:
    run("layers", tmp_path / "first", 2)
    folder = tmp_path / "then"
    folder.mkdir()
    state = torch.load(tmp_path / "first" / "state.pt")
    torch.save(state, folder / "state.pt")
    ranks = run("resumed", folder, 3)
    assert [(rank.ended, rank.failures) for rank in ranks] == [("fine", [])] * 3
    replay("resumed", folder / "alone", torch.load(folder / "record.pt"), state, make=network)
    assert_same(folder / "weightviz", folder / "alone" / "weightviz", cells_are_cut=True)


def test_a_head_that_is_too_large_to_be_gathered(tmp_path: Path) -> None:
    ranks = run("large head", tmp_path)
    assert [(rank.ended, rank.failures) for rank in ranks] == [("fine", [])] * 2
    replay("large head", tmp_path / "alone", torch.load(tmp_path / "record.pt"), make=network)
    compared = {"cosine", "cosine_spread", "simplex_distance"}
    assert_same(tmp_path / "weightviz", tmp_path / "alone" / "weightviz", but=compared, cells_are_cut=True)
    assert (tmp_path / "weightviz" / "classes" / "norms").is_dir()


def test_collectives_do_not_grow_with_the_number_of_parameters(tmp_path: Path) -> None:
    few, many = run("layers", tmp_path / "few")[0], run("deep", tmp_path / "many")[0]
    # Rows that are cut take two a step of the largest singular values; one asks which parameters have a gradient.
    assert few.taken == many.taken
    assert few.taken[0] <= 3 + 2 * 32 + 2 + 1 and few.taken[2] <= 3 + 2 * 8 + 2 + 1


def test_whole_weights_take_no_collectives(tmp_path: Path) -> None:
    assert [rank.collectives for rank in run("zero 2", tmp_path)] == [0, 0]


def test_ranks_may_check_that_they_do_the_same(tmp_path: Path) -> None:
    assert [(rank.ended, rank.failures) for rank in run("flat", tmp_path, checked=True)] == [("fine", [])] * 2


def test_what_one_rank_cannot_read_is_left_out_on_all(tmp_path: Path) -> None:
    ranks = run("reading fails", tmp_path)
    assert [rank.ended for rank in ranks] == ["fine"] * 2
    assert len({rank.collectives for rank in ranks}) == 1
    last = [tag for step, tag in scalars(tmp_path / "weightviz") if step == 3 and tag.startswith("weights.rms/")]
    assert sorted(last) == [
        *(f"weights.rms/{name}.weight" for name in ("conv", "embedding", "first", "head", "second")),
        "weights.rms/total",
    ]


def test_a_gradient_that_one_rank_has_not_is_shown_on_none(tmp_path: Path) -> None:
    ranks = run("no gradient on one", tmp_path)
    assert len({rank.collectives for rank in ranks}) == 1
    assert "has no gradient of" in ranks[1].failures[0]
