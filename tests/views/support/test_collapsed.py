"""Weights that have collapsed are said to be so: no picture shows their rounding."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from lightning_weightviz.artifacts import Image, Scalar
from lightning_weightviz.draw.page import Page
from lightning_weightviz.views import VIEWS, Scene
from lightning_weightviz.views.drift import changes
from tests.support.pixels import decoded, normal
from tests.support.scenes import scene


def drawn(view: str, sight: Scene, monkeypatch: pytest.MonkeyPatch) -> tuple[dict[str, Any], list[str]]:
    """Images by tag, and all paragraphs."""
    written: list[str] = []
    paragraph = Page.paragraph

    def listen(page: Page, text: str, **options: Any) -> None:
        written.append(text)
        paragraph(page, text, **options)

    monkeypatch.setattr(Page, "paragraph", listen)
    return {one.tag: decoded(one) for one in VIEWS[view].draw(sight) if isinstance(one, Image)}, written


def shrunk(factor: float, **options: Any) -> Scene:
    start = {"fc.weight": normal(5, 8), "fc.bias": normal(5)}
    now = {"fc.weight": factor * normal(5, 8, seed=1), "fc.bias": start["fc.bias"]}
    return scene(now, before=[start, now, now], **options)


@pytest.mark.parametrize(("factor", "is_gone"), [(1e-12, True), (1e-5, False), (0.0, False)])
def test_a_matrix_that_is_next_to_nothing_of_its_start_is_not_drawn(
    factor: float, is_gone: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures, written = drawn("heatmap", shrunk(factor, color_range="epoch"), monkeypatch)
    assert set(pictures) == {"weights.heatmap/fc.weight", "weights.heatmap/fc.bias"}
    assert any(text.startswith("collapsed: rms ") for text in written) == is_gone
    colors = len(np.unique(pictures["weights.heatmap/fc.weight"].reshape(-1, 3), axis=0))
    assert (colors < 24) == is_gone or factor == 0


def test_growth_from_0_and_gradients_are_no_collapse(monkeypatch: pytest.MonkeyPatch) -> None:
    tiny = {"w": 1e-12 * normal(4, 4)}
    for sight in (
        scene(tiny, before=[{"w": np.zeros((4, 4))}]),
        scene(tiny, before=[{"w": normal(4, 4)}], target="gradients"),
        scene(tiny),
    ):
        assert not any("collapsed" in text for text in drawn("heatmap", sight, monkeypatch)[1])


def test_the_change_since_the_snapshot_before_is_left_out() -> None:
    gone, there = (shrunk(factor) for factor in (1e-12, 1.0))
    assert [c.since for c in changes(gone, "weights", gone.snapshot.targets["weights"]["fc.weight"])] == ["the start"]
    assert len(changes(there, "weights", there.snapshot.targets["weights"]["fc.weight"])) == 2


@pytest.mark.parametrize("kind", ["equal", "small"])
def test_classes_that_are_the_same_are_said_to_be(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    start = {"fc.weight": normal(5, 8)}
    row = normal(1, 8, seed=2) if kind == "equal" else 0.0
    now = {"fc.weight": row + 1e-9 * normal(5, 8, seed=3)}
    options: dict[str, Any] = {"head": "fc.weight", "templates": normal(5, 1, 2, 4)}
    pictures, written = drawn("classes", scene(now, before=[start], **options), monkeypatch)
    assert set(pictures) == {f"classes/{one}" for one in ("weights", "cosine", "norms", "templates", "over_time")}
    assert sum(text.startswith("collapsed: ") for text in written) == 4
    tags = {one.tag for one in VIEWS["classes"].draw(scene(now, before=[start], **options)) if isinstance(one, Scalar)}
    assert "classes.norm/0" in tags and "classes.cosine_spread/head" not in tags
    _, written = drawn("classes", scene(start, before=[start], **options), monkeypatch)
    assert not any("collapsed" in text for text in written)


def test_answers_by_themselves_may_be_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    sight = scene({"fc.weight": np.repeat(normal(1, 8), 5, axis=0)}, head="fc.weight")
    (head,) = sight.snapshot.heads
    norms = np.linalg.norm(np.repeat(normal(1, 8), 5, axis=0), axis=1)
    several = replace(sight, snapshot=replace(sight.snapshot, heads=(replace(head, multi_label=True, norms=norms),)))
    assert not any("collapsed" in text for text in drawn("classes", several, monkeypatch)[1])
