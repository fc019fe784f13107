"""Units that stand still have an edge of their own in tiles, and are counted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lightning_weightviz.draw.dead import DEAD
from lightning_weightviz.draw.tiles import EDGE_COLOR, UNMOVED, TileLayout
from lightning_weightviz.views import Scene
from lightning_weightviz.views.heatmap.view import Heatmap, draw_heatmap
from tests.support.pixels import normal
from tests.support.scenes import scene
from tests.support.written import listening


def drawn(sight: Scene, target: str = "weights") -> Heatmap:
    return draw_heatmap(sight, target, sight.snapshot.targets[target]["conv.weight"])  # type: ignore[arg-type, index]


def edges(result: Heatmap, count: int) -> list[tuple[int, ...]]:
    assert isinstance(result.layout, TileLayout)
    corners = [result.layout.cell(index, 0, 0) for index in range(count)]
    return [tuple(result.raster.pixels[cell.top - 1, cell.left + 2].tolist()) for cell in corners]


def moments(channels: int, *, epochs: int = 4) -> list[dict[str, np.ndarray]]:
    """Filter 1 stands still, 2 shrinks alone, 3 becomes 0, 4 stood still before and moves now; the others move."""
    found = []
    for epoch in range(epochs + 1):
        filters = normal(8, channels, 3, 3, seed=epoch)
        first = normal(8, channels, 3, 3)
        filters[1], filters[2], filters[3] = first[1], first[2] * 0.9**epoch, 0.0 if epoch else first[3]
        filters[4] = filters[4] if epoch == epochs else first[4]
        found.append({"conv.weight": filters})
    return found


@pytest.mark.parametrize("channels", [1, 3])
def test_those_that_have_not_turned_have_their_edge(channels: int, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = listening(monkeypatch)
    *before, now = moments(channels)
    found = edges(drawn(scene(now, before=before)), 8)
    assert found == [EDGE_COLOR, UNMOVED, UNMOVED, DEAD, *[EDGE_COLOR] * 4]
    assert "turned by less than 5° since the start: 2" in lines and "zero filters: 1" in lines


def test_one_snapshot_tells_nothing_and_two_tell_since_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = listening(monkeypatch)
    first, second, *_ = moments(1)
    assert UNMOVED not in edges(drawn(scene(first)), 8) and not any("turned" in line for line in lines)
    assert edges(drawn(scene(second, before=[first])), 8)[1] == UNMOVED
    assert "turned by less than 5° since the start: 3" in lines


def test_where_none_moves_no_edge_is_of_another_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = listening(monkeypatch)
    still = {"conv.weight": normal(8, 1, 3, 3)}
    assert set(edges(drawn(scene(still, before=[still] * 4)), 8)) == {EDGE_COLOR}
    assert "no filter has turned since the start" in lines


def test_one_that_has_moved_before_is_not_among_them() -> None:
    first, then, *_ = moments(1)
    assert edges(drawn(scene(then, before=[first, then, then, then])), 8).count(UNMOVED) == 3


@pytest.mark.parametrize(("turn", "is_still"), [(0.3, True), (9.0, False)])
def test_a_little_is_still_only_beside_what_others_turn_by(turn: float, is_still: bool) -> None:
    first = normal(8, 1, 3, 3)
    across = normal(8, 1, 3, 3, seed=1)
    across -= first * ((across * first).sum((1, 2, 3)) / (first**2).sum((1, 2, 3)))[:, None, None, None]
    across *= np.sqrt((first**2).sum((1, 2, 3)) / (across**2).sum((1, 2, 3)))[:, None, None, None]

    def turned(degrees: np.ndarray) -> dict[str, np.ndarray]:
        return {"conv.weight": first + np.tan(np.radians(degrees))[:, None, None, None] * across}

    far, near = np.full(8, 30.0), np.full(8, 1.0)
    far[5] = near[5] = turn
    start = {"conv.weight": first}
    assert (edges(drawn(scene(turned(far), before=[start])), 8)[5] == UNMOVED) == is_still
    assert UNMOVED not in edges(drawn(scene(turned(near), before=[start])), 8)


def test_what_is_remembered_of_another_moment_or_target_tells_nothing() -> None:
    *before, now = moments(1)
    sight = scene(now, before=before)
    later = replace(sight, snapshot=replace(sight.snapshot, ordinal=9))
    assert UNMOVED not in edges(drawn(later), 8)
    assert UNMOVED not in edges(drawn(scene(now, before=before, target="gradients"), "gradients"), 8)
