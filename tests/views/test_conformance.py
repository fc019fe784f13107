"""What every view that discovery finds must hold, whatever it draws."""

from __future__ import annotations

import pkgutil
import re
from pathlib import Path

import numpy as np
import pytest

import lightning_weightviz.views as views
from lightning_weightviz.artifacts import Animation, Artifact, Histogram, Image, Scalar
from lightning_weightviz.measure import STATISTICS
from lightning_weightviz.registry import SUPPORT
from lightning_weightviz.settings import DEFAULT_VIEWS
from lightning_weightviz.views import VIEWS, Scene
from tests.support.pixels import decoded, normal
from tests.support.scenes import scene

TAG = re.compile(r"(weights|gradients|updates)\.\w+/.+|classes/\w+|classes\.\w+/.+|overview/\w+")


def mlp(**options: object) -> Scene:
    weights = {"fc1.weight": normal(12, 16), "fc1.bias": normal(12), "fc2.weight": normal(5, 12), "fc2.bias": normal(5)}
    return scene(weights, epochs=3, head="fc2.weight", statistics=tuple(STATISTICS), **options)  # type: ignore[arg-type]


def broken() -> Scene:
    weights = {"a": np.full((4, 4), np.nan), "b": np.zeros((3, 3)), "c": np.array([[np.inf, 1.0]]), "d": np.zeros(1)}
    return scene(weights, epochs=1)


SCENES = {
    "mlp": mlp,
    "last": lambda: mlp(last=True, animation=True),
    "gradients": lambda: scene({"w": normal(3, 4), "b": normal(3)}, epochs=2, target="gradients"),
    "first": lambda: scene({"w": normal(3, 4)}),
    "broken": broken,
}


def made(name: str, of: str) -> list[Artifact]:
    return list(VIEWS[name].draw(SCENES[of]()))


def test_every_file_is_a_view_of_its_name_and_all_are_known_to_users() -> None:
    folder = Path(views.__file__).parent
    files = {module.name for module in pkgutil.iter_modules([str(folder)])} - {SUPPORT}
    assert files == set(VIEWS)
    assert set(DEFAULT_VIEWS) <= set(VIEWS)


@pytest.mark.parametrize("of", SCENES)
@pytest.mark.parametrize("name", VIEWS)
def test_artifacts_are_as_sinks_expect_them(name: str, of: str) -> None:
    artifacts = made(name, of)
    tags = [artifact.tag for artifact in artifacts]
    assert len(tags) == len(set(tags))
    for artifact in artifacts:
        assert TAG.fullmatch(artifact.tag)
        match artifact:
            case Image():
                assert artifact.pixels.dtype == np.uint8 and artifact.pixels.shape[1:] == (720, 3)
                assert (decoded(artifact) == artifact.pixels).all()
                assert artifact.caption and "\n" not in artifact.caption
            case Animation():
                assert len({frame.shape for frame in artifact.frames}) == 1
            case Histogram():
                assert len(artifact.edges) == len(artifact.counts) + 1
                assert (np.diff(artifact.edges) > 0).all()
                assert artifact.counts.dtype == np.int64 and artifact.counts.sum() > 0
            case Scalar():
                assert np.isfinite(artifact.value)


@pytest.mark.parametrize("name", VIEWS)
def test_the_same_scene_gives_the_same_artifacts(name: str) -> None:
    first, second = made(name, "mlp"), made(name, "mlp")
    assert first
    for one, other in zip(first, second, strict=True):
        if isinstance(one, Image) and isinstance(other, Image):
            assert one.png == other.png
        else:
            assert one.tag == other.tag


def test_no_tag_is_shared_by_two_kinds_of_data() -> None:
    kinds: dict[str, set[type]] = {}
    for name in VIEWS:
        for artifact in made(name, "last"):
            kinds.setdefault(artifact.tag, set()).add(type(artifact))
    assert all(len(found) == 1 for found in kinds.values())
