"""Blocks of a network: every row once, no more than can be named."""

from __future__ import annotations

import itertools

from lightning_weightviz.views.support.name_groups import MAX_BLOCKS, group, shared_words


def test_blocks_hold_every_row_once_in_order() -> None:
    for names in (
        [f"layer{i}.conv.weight" for i in range(40)],
        [f"net.h.{i}.{part}" for i in range(12) for part in ("ln.weight", "fc.weight", "fc.bias")]
        + ["net.head.weight"],
        [f"w{i}" for i in range(500)],
        ["alone"],
    ):
        blocks = group(names)
        assert 1 <= len(blocks) <= MAX_BLOCKS
        assert blocks[0].first == 0 and blocks[-1].end == len(names)
        assert all(a.end == b.first for a, b in itertools.pairwise(blocks))


def test_a_stack_of_layers_is_split_into_its_layers() -> None:
    names = ["model.emb.weight", *(f"model.h.{i}.{j}.weight" for i in range(6) for j in range(4)), "model.fc.weight"]
    assert [block.name for block in group(names)] == ["emb", "h.0", "h.1", "h.2", "h.3", "h.4", "h.5", "fc"]


def test_shared_words_leave_every_name_its_last_word() -> None:
    assert shared_words(["a.b.weight", "a.b.bias"]) == 2
    assert shared_words(["a.weight", "a.weight.more"]) == 1
    assert shared_words(["weight", "bias"]) == 0
    assert shared_words(["a.b.c"]) == 0
