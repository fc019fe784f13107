from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from lightning_weightviz.artifacts import Image
from lightning_weightviz.draw.color import NAN
from lightning_weightviz.draw.dead import DEAD
from lightning_weightviz.snapshot import Parameter
from lightning_weightviz.views import VIEWS, Scene
from lightning_weightviz.views.overview.layout import MAX_MIDDLE
from lightning_weightviz.views.support.words import axis_words, describe, unused_words
from tests.support.pixels import MAGENTA, normal, picture_of
from tests.support.scenes import scene

LINEAR = Parameter("w", "linear", "Linear", (30, 20), "float32", "matrix")


def test_frozen_is_said() -> None:
    assert describe(LINEAR) == "Linear 30×20"
    assert describe(replace(LINEAR, trainable=False)) == "Linear 30×20 · frozen"


def test_stacked_matrices_are_counted() -> None:
    experts = Parameter("w", "other", "Experts", (3, 64, 32), "float32", "matrix", stacked=3)
    assert describe(experts) == "Experts 3 × 64×32"
    assert axis_words(experts)[0].startswith("row of 3 matrices 0…")


@pytest.mark.parametrize(("kind", "words"), [("linear", "unit"), ("conv", "channel")])
def test_outputs_are_where_the_units_are(kind: Any, words: str) -> None:
    parameter = replace(LINEAR, kind=kind)
    assert axis_words(parameter) == (f"output {words} 0…29", f"input {words} 0…19")
    assert axis_words(replace(parameter, units_axis=1)) == (f"input {words} 0…29", f"output {words} 0…19")
    assert unused_words(parameter, "weights") == ("zero rows", "unused inputs")
    assert unused_words(replace(parameter, units_axis=1), "weights") == ("unused inputs", "zero columns")
    assert unused_words(parameter, "gradients") == ("zero rows", "zero columns")


def overview(sight: Scene, frozen: bool) -> np.ndarray[Any, Any]:
    """The overview of a scene where the first parameter is frozen, or none."""
    measurements = dict(sight.snapshot.targets["weights"])
    name, first = next(iter(measurements.items()))
    measurements[name] = replace(first, parameter=replace(first.parameter, trainable=not frozen))
    snapshot = replace(sight.snapshot, targets={"weights": measurements})
    (image,) = VIEWS["overview"].draw(replace(sight, snapshot=snapshot))
    assert isinstance(image, Image)
    return image.pixels


@pytest.mark.parametrize("count", [3, 20, MAX_MIDDLE + 5])
def test_the_overview_says_frozen(count: int) -> None:
    sight = scene({f"layer{index}.weight": normal(4, 5) for index in range(count)}, unpictured=["*"])
    assert not np.array_equal(overview(sight, True), overview(sight, False))


def test_a_row_without_a_norm_has_the_colour_of_nan_and_a_dead_one_its_own() -> None:
    values = normal(30, 20)
    values[3] = 0
    sight = scene({"w": values})
    picture = sight.snapshot.targets["weights"]["w"].picture
    assert picture is not None
    picture.row_norms[9] = np.nan
    pixels, layout = picture_of(sight)
    assert layout.row_strip is not None and MAGENTA == NAN
    strip = layout.row_strip
    for row, color in ((3, DEAD), (9, NAN)):
        middle = layout.cell(row, 0).top + layout.factor[0] // 2
        assert (pixels[middle, strip.left : strip.right] == color).all()
    assert (pixels[strip.top : strip.bottom, strip.left] == DEAD).all(axis=1).sum() == layout.factor[0]
