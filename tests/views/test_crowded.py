"""Many large pictures at once: fewer cells each, still true, and a bounded number of bytes."""

from __future__ import annotations

import numpy as np

from lightning_weightviz.artifacts import Image
from lightning_weightviz.draw.color import paint_signed
from lightning_weightviz.draw.matrix import MatrixLayout
from lightning_weightviz.views import Scene
from lightning_weightviz.views.evolution import evolution
from lightning_weightviz.views.heatmap.view import draw_heatmap, heatmap
from tests.support.pixels import color_at, decoded, normal
from tests.support.scenes import scene


def crowd(count: int, rows: int = 300) -> Scene:
    weights = {f"layer{index}.weight": normal(rows, 700, seed=index) for index in range(count)}
    weights["layer0.weight"][rows - 50, 600] = 40.0
    return scene(weights, color_range=8.0)


def test_a_crowd_is_drawn_with_half_the_cells_and_a_spike_is_at_its_place() -> None:
    for count, cells in ((6, 256), (7, 128)):
        sight = crowd(count)
        drawn = draw_heatmap(sight, "weights", sight.snapshot.targets["weights"]["layer0.weight"])
        assert isinstance(drawn.layout, MatrixLayout)
        box = drawn.layout.cells
        assert (box.height // drawn.layout.factor[0], box.width // drawn.layout.factor[1]) == (cells, cells)
        image = next(iter(heatmap(sight)))
        assert isinstance(image, Image)
        spike = drawn.layout.cell(250 * cells // 300, 600 * cells // 700)
        # Beyond +R: the last colour of the map.
        assert color_at(decoded(image), spike) == tuple(paint_signed(np.array([8.0]), 8.0, "RdBu_r").pixels[0])


def test_axes_that_are_short_stay_as_they_are() -> None:
    sight = crowd(20, rows=128)
    drawn = draw_heatmap(sight, "weights", sight.snapshot.targets["weights"]["layer0.weight"])
    assert isinstance(drawn.layout, MatrixLayout)
    assert drawn.layout.cells.height // drawn.layout.factor[0] == 128


def test_twelve_layers_of_noise_are_below_a_megabyte() -> None:
    sight = crowd(12)
    made = [*heatmap(sight), *evolution(sight)]
    assert len(made) == 24
    assert sum(len(image.png) for image in made if isinstance(image, Image)) < 2**20
    assert np.unique([image.pixels.shape[1] for image in made if isinstance(image, Image)]).tolist() == [720]
