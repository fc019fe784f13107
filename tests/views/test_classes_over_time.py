"""Norms and biases of classes over time, and the mark of the start at their bars."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lightning_weightviz.draw.page import INK, LINE
from lightning_weightviz.memory import RECENT, History
from lightning_weightviz.views import VIEWS, Scene
from lightning_weightviz.views.classes.norms import MAX_BARS, draw_norms
from lightning_weightviz.views.classes.over_time import Over, draw_over_time, over_time
from tests.findings.runs import Made, matrix
from tests.support.pixels import normal
from tests.support.scenes import scene
from tests.support.written import listening

HEAD = "fc.weight"


def moments(count: int, classes: int = 4, *, bias: bool = True) -> list[dict[str, np.ndarray]]:
    found = []
    for time in range(count):
        weights = {HEAD: (1 + time) * normal(classes, 6)}
        found.append({**weights, "fc.bias": (time - 1.0) * np.arange(1.0, classes + 1)} if bias else weights)
    return found


def known(count: int, classes: int = 4, *, bias: bool = True) -> tuple[Scene, Over | None]:
    *before, now = moments(count, classes, bias=bias)
    sight = scene(now, before=before, head=HEAD)
    return sight, over_time(sight.memory, sight.snapshot.heads[0])


def test_the_start_and_the_newest_snapshots_are_known() -> None:
    _, over = known(RECENT + 6)
    assert over is not None and over.biases is not None
    kept = [0, *range(6, RECENT + 6)]
    assert over.axis[0] == "epoch" and over.axis[1].tolist() == kept
    rows = normal(4, 6)
    norms = np.linalg.norm(rows - rows.mean(axis=0), axis=1)
    np.testing.assert_allclose(over.norms, np.outer(np.array(kept) + 1, norms), rtol=1e-6)
    np.testing.assert_allclose(over.biases, np.outer(np.array(kept) - 1.0, [1, 2, 3, 4]))


def test_a_head_that_is_known_late_keeps_its_start_in_a_long_run(monkeypatch: pytest.MonkeyPatch) -> None:
    run, history = Made([matrix(HEAD, (4, 6))], snapshots=100), History()
    for ordinal in range(100):
        (head,) = scene(moments(ordinal + 1)[-1], head=HEAD).snapshot.heads
        memory = history.remember(replace(run.snapshot(ordinal), heads=(head,) if ordinal else ()))
    over = over_time(memory, head)
    assert over is not None and over.axis[1].tolist() == [1, *range(100 - RECENT, 100)]
    rows = normal(4, 6)
    np.testing.assert_allclose(over.norms[0], 2 * np.linalg.norm(rows - rows.mean(axis=0), axis=1), rtol=1e-6)
    lines = listening(monkeypatch)
    draw_norms(head, "now", "RdBu_r", over)
    draw_over_time(head, "now", over)
    assert "at epoch 1" in lines and f"epoch 1 and the newest {RECENT} snapshots" in lines


def test_where_snapshots_are_missing_no_line_is_drawn() -> None:
    for count, inked in ((RECENT + 1, True), (RECENT + 8, False)):
        sight, over = known(count)
        assert over is not None and over.is_cut is not inked
        pixels = draw_over_time(sight.snapshot.heads[0], "now", over).pixels
        # The chart of norms, a quarter of the way from the start to the newest twelve.
        grey = pixels.min(axis=2) == pixels.max(axis=2)
        coloured = (~grey[110:300, 60:330]).any(axis=0)
        assert coloured[30:50].all() == coloured[30:50].any() == inked and coloured[200:260].all()


def test_one_moment_or_another_head_of_the_name_is_nothing_over_time() -> None:
    assert known(1)[1] is None
    sight, _ = known(3)
    (head,) = sight.snapshot.heads
    assert over_time(sight.memory, replace(head, norms=head.norms[:2])) is None
    assert over_time(sight.memory, replace(head, name="other")) is None


def test_the_start_is_marked_at_each_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    sight, over = known(3)
    (head,) = sight.snapshot.heads
    lines = listening(monkeypatch)
    drawn = draw_norms(head, "now", "RdBu_r", over)
    assert "at the start" in lines
    assert over is not None
    for bar, norm in zip(drawn.bars, over.norms[0], strict=True):
        row = drawn.raster.pixels[(bar.top + bar.bottom) // 2, bar.left + 1 : bar.right + 1]
        marks = np.flatnonzero((row == INK).all(axis=1)) + 1
        assert marks.mean() == pytest.approx(norm / drawn.top * bar.width, abs=1.5)
    lines.clear()
    draw_norms(head, "now", "RdBu_r")
    assert "at the start" not in lines


@pytest.mark.parametrize("classes", [1, 2, 10, 11, MAX_BARS, MAX_BARS + 1, 300])
@pytest.mark.parametrize("bias", [True, False])
def test_any_number_of_classes_stays_within_the_page(classes: int, bias: bool) -> None:
    sight, over = known(4, classes, bias=bias)
    (head,) = sight.snapshot.heads
    assert over is not None
    for raster in (draw_norms(head, "now", "RdBu_r", over).raster, draw_over_time(head, "now", over)):
        assert (raster.pixels[:, :8] == 255).all() and (raster.pixels[:, 714:] == 255).all()
        assert raster.pixels.shape[0] < 1200


def test_lines_over_time_are_drawn_at_milestones_and_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = listening(monkeypatch)
    for count, last, drawn in (
        (2, False, True),
        (4, False, False),
        (4, True, True),
        (5, False, True),
        (1, True, False),
    ):
        *before, now = moments(count)
        sight = scene(now, before=before, head=HEAD, last=last)
        lines.clear()
        tags = [one.tag for one in VIEWS["classes"].draw(sight)]
        assert ("classes/over_time" in tags) == drawn
        assert ({"norm over time", "bias over time"} <= set(lines)) == drawn
    *before, now = moments(2, MAX_BARS + 1)
    assert "classes/over_time" not in [one.tag for one in VIEWS["classes"].draw(scene(now, before=before, head=HEAD))]


def test_of_many_classes_the_start_is_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    sight, over = known(3, MAX_BARS + 10)
    lines = listening(monkeypatch)
    head = sight.snapshot.heads[0]
    pixels = draw_norms(head, "now", "RdBu_r", over).raster.pixels
    assert "at the start" in lines
    # The norms' chart, within its frame: the highest norms of now are three times those of the start.
    plain = draw_norms(head, "now", "RdBu_r").raster.pixels
    rows, columns = np.nonzero((pixels[:250, 110:690] != plain[:250, 110:690]).any(axis=2))
    assert len(np.unique(columns)) == 580
    highest = rows[columns < 2].mean()
    axis = np.flatnonzero((plain[:290, 400] == LINE).all(axis=1))
    assert (axis.max() - highest) / (axis.max() - axis.min()) == pytest.approx(1 / 3 / 1.05, abs=0.03)


def test_a_class_that_was_broken_at_the_start_has_no_mark() -> None:
    *before, now = moments(3)
    before[0][HEAD] = before[0][HEAD] * np.where(np.arange(4) == 1, np.nan, 1.0)[:, None]
    with np.errstate(invalid="ignore"):
        sight = scene(now, before=before, head=HEAD)
    raster = draw_norms(
        sight.snapshot.heads[0], "now", "RdBu_r", over_time(sight.memory, sight.snapshot.heads[0])
    ).raster
    assert raster.pixels.shape[1] == 720
