"""Parts of a network, inferred from the names of its parameters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

MAX_BLOCKS = 16


@dataclass(frozen=True)
class Block:
    """Neighbouring rows of one part of the network.

    Attributes:
        name: The words that their names share, without those that all rows share.
        first: Index of the first row.
        end: Index behind the last row.
    """

    name: str
    first: int
    end: int


def shared_words(names: Sequence[str]) -> int:
    """How many words, between dots, all names begin with, the last word of each left out; 0 of a single name.

    >>> shared_words(["net.fc.weight", "net.fc.bias"]), shared_words(["fc.weight"])
    (2, 0)
    """
    if len(names) < 2:
        return 0
    words = [name.split(".")[:-1] for name in names]
    return next((i for i, level in enumerate(zip(*words, strict=False)) if len(set(level)) > 1), min(map(len, words)))


def group(names: Sequence[str]) -> list[Block]:
    """Blocks of a network, at most `MAX_BLOCKS`, by the words between the dots of its parameters' names.

    Starts with the first word that not all names share; a block of more than half of all rows is split by its next
    word; of too many blocks neighbours are joined.

    >>> [block.name for block in group(["net.conv.weight", "net.conv.bias", "net.fc.weight", "net.fc.bias"])]
    ['conv', 'fc']
    """
    words = [name.split(".") for name in names]
    shared = shared_words(names)
    depth = shared + 1
    blocks = _runs(words, 0, len(words), shared, depth)
    deepest = max(map(len, words))
    while depth < deepest and max(block.end - block.first for block in blocks) > len(words) / 2:
        depth += 1
        blocks = [
            finer
            for block in blocks
            for finer in (
                _runs(words, block.first, block.end, shared, depth)
                if block.end - block.first > len(words) / 2
                else [block]
            )
        ]
    joined = -(-len(blocks) // MAX_BLOCKS)
    parts = [blocks[index : index + joined] for index in range(0, len(blocks), joined)]
    return [Block(p[0].name + (" …" if len(p) > 1 else ""), p[0].first, p[-1].end) for p in parts]


def _runs(words: Sequence[Sequence[str]], first: int, end: int, shared: int, depth: int) -> list[Block]:
    """Stretches of rows whose names agree up to `depth` words."""
    keys = [words[row][shared:depth] for row in range(first, end)]
    begins = [first + i for i in range(len(keys)) if i == 0 or keys[i] != keys[i - 1]]
    return [
        Block(".".join(words[begin][shared:depth]), begin, following)
        for begin, following in zip(begins, [*begins[1:], end], strict=True)
    ]
