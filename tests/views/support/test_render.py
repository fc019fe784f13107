"""What happens beside the drawing: classes are compared, pictures encoded, and what fails takes no other with it."""

from __future__ import annotations

import threading
from dataclasses import replace

from lightning_weightviz.artifacts import Image
from lightning_weightviz.run.deferred import Deferred
from lightning_weightviz.snapshot import ClassPairs
from lightning_weightviz.views.support.render import render
from tests.support.pixels import normal
from tests.support.scenes import scene

VIEWS = ("heatmap", "statistics", "classes")
SIGHT = scene({"fc1.weight": normal(12, 16), "fc2.weight": normal(5, 12)}, head="fc2.weight", statistics=("rms",))


def test_a_comparison_that_fails_takes_the_classes_alone() -> None:
    def compare() -> ClassPairs | None:
        raise MemoryError("too many classes")

    rendered = render(replace(SIGHT, pairs=(Deferred(compare),)), VIEWS)
    assert {name: str(error) for name, error in rendered.errors.items()} == {"classes": "too many classes"}
    tags = {artifact.tag for artifact in rendered.batch.artifacts}
    assert {"weights.heatmap/fc1.weight", "weights.heatmap/fc2.weight", "weights.rms/fc1.weight"} <= tags
    assert not any(tag.startswith("classes") for tag in tags)


def test_classes_are_those_of_the_comparison_made_on_another_thread() -> None:
    threads: list[int] = []

    def compare() -> ClassPairs | None:
        threads.append(threading.get_ident())
        return None

    tags = [artifact.tag for artifact in render(replace(SIGHT, pairs=(Deferred(compare),)), VIEWS).batch.artifacts]
    assert "classes/weights" in tags and len(threads) == 1 and threads[0] != threading.get_ident()


def test_pictures_arrive_encoded() -> None:
    pictures = [one for one in render(SIGHT, VIEWS).batch.artifacts if isinstance(one, Image)]
    assert len(pictures) >= 4
    assert all("png" in vars(picture.raster) for picture in pictures)
