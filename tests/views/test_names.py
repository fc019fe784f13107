"""Names that users and their data bring: whatever is in them, no view fails and nothing leaves the page."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from lightning_weightviz.artifacts import Animation, Image
from lightning_weightviz.views import VIEWS, Scene
from tests.support.pixels import assert_margins, decoded, normal
from tests.support.scenes import scene

NAMES: Mapping[str, str] = {
    "arabic": "مرحبا بالعالم",
    "hebrew": "שלום עולם",
    "thai": "ภาษาไทย",
    "combining": "e\u0301" * 3 + "a" + "\u0301" * 40,
    "control": "a\x00b\x07\x1b[31m",
    "bidirectional": "a\u202eb\u2066c\u200d",
    "surrogates": "caf\udce9\ud83d",
    "emoji": "👩‍👩‍👧‍👦🏳️‍🌈 cat",
    "newlines": "two\nlines\r\n\tand a tab",
    "long": "x" * 5000,
    "long with dots": "a." * 2500 + "w",
    "long with spaces": "word " * 1000,
    "empty": "",
    "blank": "  ",
}


@pytest.fixture(scope="module", params=NAMES)
def sight(request: pytest.FixtureRequest) -> Scene:
    name = NAMES[request.param]
    weights = {f"{name}.weight": normal(4, 12), f"{name}.bias": normal(4), f"{name}2": normal(5, 9)}
    return scene(
        weights,
        epochs=2,
        head=f"{name}.weight",
        class_names=[name, f"{name}1", "plain", name + name],
        templates=normal(4, 1, 3, 4),
        last=True,
        animation=True,
        statistics=("rms",),
    )


@pytest.mark.parametrize("view", VIEWS)
def test_every_name_is_drawn_within_the_margins(view: str, sight: Scene) -> None:
    artifacts = list(VIEWS[view].draw(sight))
    assert artifacts
    for artifact in artifacts:
        if isinstance(artifact, Image):
            assert_margins(decoded(artifact))
            assert artifact.pixels.shape[0] < 1500
            # A bell or a line break in a caption would reach a terminal or break a list of captions.
            assert artifact.caption == "" or artifact.caption.isprintable()
        elif isinstance(artifact, Animation):
            assert np.all([frame.shape[1] == 720 for frame in artifact.frames])


def test_marks_that_steer_text_change_no_pixel() -> None:
    """An order of letters that is overridden would show another name than the one that is logged."""
    plain, steered = (scene({name: normal(3, 4)}) for name in ("a.bc", "a\u200b.b\u202ec"))
    pixels = [next(a.pixels for a in VIEWS["heatmap"].draw(s) if isinstance(a, Image)) for s in (plain, steered)]
    assert np.array_equal(pixels[0], pixels[1])
