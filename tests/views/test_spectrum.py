"""The spectrum: bars at the places of the singular values, in the colour of their side of the edge, and their way."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from lightning_weightviz.artifacts import Image
from lightning_weightviz.snapshot import Spectrum
from lightning_weightviz.views import VIEWS, Scene
from lightning_weightviz.views.spectrum import (
    BEYOND,
    NOISE,
    WITHIN,
    SpectrumPage,
    draw_spectrum,
    noise_below,
    sentences,
    spectrum,
)
from lightning_weightviz.views.support.edge_scale import EdgeScale
from tests.support.pixels import Pixels, decoded, normal
from tests.support.scenes import scene

Array = npt.NDArray[np.float64]


def planted(rows: int, columns: int, *strengths: float) -> Array:
    """Noise and directions of these multiples of its edge."""
    count, edge = len(strengths), math.sqrt(rows) + math.sqrt(columns)
    left, right = (np.linalg.qr(normal(length, count, seed=1))[0] for length in (rows, columns))
    return np.asarray(normal(rows, columns) + edge * left @ np.diag(strengths) @ right.T, np.float64)


def page_of(sight: Scene, name: str = "w") -> tuple[Pixels, SpectrumPage]:
    image = next(one for one in spectrum(sight) if one.tag.endswith(f"/{name}"))
    assert isinstance(image, Image)
    ((target, measurements),) = sight.snapshot.targets.items()
    found = measurements[name].spectrum
    assert found is not None
    drawn = draw_spectrum(sight, target, measurements[name], found)
    return decoded(image), drawn


def relative(values: Array) -> Array:
    edge = values.std() * (math.sqrt(values.shape[0]) + math.sqrt(values.shape[1]))
    return np.asarray(np.linalg.svd(values, compute_uv=False) / edge)


def test_every_pictured_matrix_has_one() -> None:
    weights = {
        "fc1.weight": normal(20, 30),
        "fc1.bias": normal(20),
        "hidden": normal(20, 20),
        "conv": normal(9, 8, 3, 3),
    }
    tags = [image.tag for image in spectrum(scene(weights, unpictured=["hidden"]))]
    assert tags == ["weights.spectrum/fc1.weight", "weights.spectrum/conv"]
    assert [one.tag for one in spectrum(scene({"w": normal(4, 4)}, target="updates"))] == ["updates.spectrum/w"]
    assert VIEWS["spectrum"].over_time and VIEWS["spectrum"].needs_spectra


def test_what_was_not_measured_is_not_drawn() -> None:
    sight = scene({"w": normal(20, 30)})
    measurement = replace(sight.snapshot.targets["weights"]["w"], spectrum=None)
    assert (
        list(spectrum(replace(sight, snapshot=replace(sight.snapshot, targets={"weights": {"w": measurement}})))) == []
    )


def test_bars_stand_where_the_values_are() -> None:
    values = planted(60, 90, 6.0, 4.0, 2.5)
    pixels, drawn = page_of(scene({"w": values}))
    assert drawn.now is not None
    box = drawn.now.box
    bottom = pixels[box.bottom - 6, box.left : box.right]
    expected = relative(values)
    places = [round(drawn.now.x.at(drawn.scale.place(value))) - box.left for value in expected]
    beyond = np.flatnonzero((bottom == BEYOND).all(1))
    outliers = [place for place, value in zip(places, expected, strict=True) if value > 1]
    assert len(outliers) == 3
    for place in outliers:
        assert np.abs(beyond - place).min() <= 8
    runs = 1 + int((np.diff(beyond) > 1).sum())
    assert runs == 3
    edge = round(drawn.now.x.at(1.0)) - box.left
    within = np.flatnonzero((bottom == WITHIN).all(1))
    assert beyond.min() >= edge - 1 and within.max() <= edge
    for place in (place for place, value in zip(places, expected, strict=True) if value <= 1):
        assert np.abs(within - place).min() <= 8


def test_the_noise_is_grey_up_to_its_edge_in_both_charts() -> None:
    pixels, drawn = page_of(scene({"w": planted(60, 90, 6.0)}, epochs=4))
    assert drawn.now is not None and drawn.over_time is not None
    row = pixels[drawn.now.box.top + 3, drawn.now.box.left : drawn.now.box.right]
    edge = round(drawn.now.x.at(1.0)) - drawn.now.box.left
    assert (row[2 : edge - 2] == NOISE).all() and (row[edge + 2 :] == 255).all()
    column = pixels[:, drawn.over_time.box.left + 2]
    top, bottom = drawn.over_time.box.top, drawn.over_time.box.bottom
    level = round(drawn.over_time.y.at(1.0))
    assert (column[top + 2 : level - 30] != NOISE).any(1).all()
    assert (column[bottom - 8 : bottom - 2] == NOISE).all()


def test_lines_go_through_the_largest_values_of_each_milestone() -> None:
    moments = [planted(40, 50, strength) for strength in (0.1, 2.0, 3.0, 4.0, 5.0)]
    pixels, drawn = page_of(scene({"w": moments[-1]}, before=[{"w": one} for one in moments[:-1]]))
    assert drawn.over_time is not None
    # Of ordinals 0 to 4, all but 3 are milestones.
    for place, ordinal in enumerate((0, 1, 2, 4)):
        x = min(round(drawn.over_time.x.at(place)), drawn.over_time.box.right - 2)
        rows = np.flatnonzero((pixels[:, x] == BEYOND).all(1))
        rows = rows[(rows >= drawn.over_time.box.top) & (rows < drawn.over_time.box.bottom)]
        y = drawn.over_time.y.at(drawn.scale.place(float(relative(moments[ordinal])[0])))
        assert np.abs(rows - y).min() <= 3, ordinal


def test_memory_grows_with_the_logarithm_of_the_snapshots() -> None:
    points = scene({"w": normal(20, 20)}, epochs=37).memory.spectra["weights/w"]
    assert [point.ordinal for point in points] == [0, 1, 2, 4, 8, 16, 32, 37]
    assert all(len(point.largest) == 16 for point in points)


def found(values: Array, *, complete: bool = True) -> Spectrum:
    matrices = values if values.ndim == 3 else values[None]
    shape = matrices.shape[1], matrices.shape[2]
    singular = [
        np.linalg.svd(one, compute_uv=False) if np.isfinite(one).all() else np.full(min(shape), np.nan)
        for one in matrices
    ]
    edges = np.array([one.std() * (math.sqrt(shape[0]) + math.sqrt(shape[1])) for one in matrices])
    return Spectrum(np.stack(singular), edges, shape, complete)


def test_words_say_what_is_seen() -> None:
    noise, learned = normal(60, 90), planted(60, 90, 6.0, 4.0)
    assert [*sentences(found(noise))] == ["none of 60 directions stands out from noise of the same spread"]
    (one,) = sentences(found(learned))
    assert one.startswith("2 of 60 directions have left the noise, up to 3.")
    (one,) = sentences(found(learned, complete=False))
    assert one.startswith("at least 2 of 60 directions have left")
    (one,) = sentences(found(planted(60, 90, 6.0)))
    assert one.startswith("1 of 60 directions has left")
    just = replace(found(noise), edges=np.array([found(noise).values[0, 0] / 1.005]))
    (one,) = sentences(just)
    assert one == "1 of 60 directions is just beyond the noise, no farther than by chance"
    assert [*sentences(found(normal(8, 90)))][1].startswith("too few directions to tell")
    assert [*sentences(found(np.full((20, 20), 0.3)))] == [
        "no spectrum: all values are equal, so there is no spread to compare with"
    ]
    with np.errstate(invalid="ignore"):
        assert [*sentences(found(np.full((20, 20), np.nan)))] == ["no spectrum: the matrix holds NaN or infinities"]
        stacked = np.stack([noise, np.full((60, 90), np.inf), learned])
        first, second = sentences(found(stacked))
    assert first == "no spectrum: 1 of 3 matrices holds NaN or infinities"
    assert second.startswith("2 of 120 directions have left the noise")


@pytest.mark.parametrize(
    "values",
    [np.zeros((4, 5)), np.full((3, 3), np.nan), np.ones((1, 9)), normal(1, 9), normal(9, 1), normal(1, 1)],
    ids=["zeros", "nan", "equal", "one row", "one column", "one value"],
)
def test_what_has_little_to_show_is_drawn_too(values: Array) -> None:
    with np.errstate(invalid="ignore"):
        sight = scene({"w": values}, before=[{"w": normal(*values.shape)}, {"w": values}])
    (image,) = spectrum(sight)
    assert isinstance(image, Image) and image.pixels.shape[1] == 720


def test_a_long_name_and_a_long_training_fit() -> None:
    values = planted(60, 90, 300.0)
    pixels, drawn = page_of(scene({"block." * 20 + "w": values}, epochs=70), "block." * 20 + "w")
    assert drawn.over_time is not None
    assert (pixels[:, :8] == 255).all() and (pixels[:, -8:] == 255).all()


@pytest.mark.parametrize("shape", [(100, 100), (50, 400), (300, 100)])
def test_noise_is_that_of_random_matrices(shape: tuple[int, int]) -> None:
    values = np.concatenate([relative(normal(*shape, seed=seed)) for seed in range(20)])
    for multiple in (0.3, 0.5, 0.7, 0.9, 1.2):
        share = noise_below(np.array([multiple]), shape)[0]
        assert share == pytest.approx((values < multiple).mean(), abs=0.02)


@pytest.mark.parametrize("largest", [0.0, 0.9, 1.3, 8.0, 400.0, 1e6])
def test_the_scale_has_all_its_ticks_in_order(largest: float) -> None:
    scale = EdgeScale(largest)
    places = scale.places(np.array(scale.ticks))
    assert (np.diff(places) > 0).all() and places[0] == 0 and places[-1] <= scale.end
    assert scale.values(places) == pytest.approx(scale.ticks)
    assert len(scale.ticks) <= 10
