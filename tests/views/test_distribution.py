"""The distribution fan: bands at the percentiles' places, time along the page, what is cut off written."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lightning_weightviz.artifacts import Image
from lightning_weightviz.draw.chart import Plot
from lightning_weightviz.views import VIEWS, Scene
from lightning_weightviz.views.distribution import BANDS, distribution, draw_distribution, value_range
from lightning_weightviz.views.support.time_axis import time_axis
from tests.support.pixels import BLACK, MAGENTA, Pixels, decoded
from tests.support.scenes import scene

NAME = "fc1.weight"


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


def picture_of(sight: Scene) -> tuple[Pixels, Plot]:
    """The first distribution of a scene, decoded from its PNG, and its chart."""
    image = next(iter(distribution(sight)))
    assert isinstance(image, Image)
    ((target, measurements),) = sight.snapshot.targets.items()
    return decoded(image), draw_distribution(sight, target, next(iter(measurements.values()))).plot


def rows_of(pixels: Pixels, plot: Plot, time: float, color: tuple[int, int, int]) -> list[int]:
    column = round(plot.x.at(time))
    return np.flatnonzero((pixels[:, column] == color).all(axis=1)).tolist()


def test_every_pictured_parameter_has_one_over_time() -> None:
    weights = {NAME: normal(8, 9), "fc1.bias": normal(8), "hidden": normal(3, 3)}
    tags = [image.tag for image in distribution(scene(weights, unpictured=["hidden"]))]
    assert tags == ["weights.distribution/fc1.weight", "weights.distribution/fc1.bias"]
    assert [i.tag for i in distribution(scene({NAME: normal(2, 2)}, target="updates"))] == [
        f"updates.distribution/{NAME}"
    ]
    assert VIEWS["distribution"].over_time


def test_bands_end_at_the_percentiles_of_their_time() -> None:
    wide, narrow = normal(64, 64), 0.25 * normal(64, 64, seed=1)
    pixels, plot = picture_of(scene({NAME: wide}, before=[{NAME: w} for w in (narrow, narrow, wide, wide)]))
    known = np.concatenate([narrow.ravel(), wide.ravel()])
    assert plot.y.low < known.min() and plot.y.high > known.max()
    for time, values in ((0.5, narrow), (3.5, wide)):
        for name, percentiles in (("87%", (6.68, 93.32)), ("68%", (15.87, 84.13)), ("middle 38%", (30.85, 69.15))):
            rows = rows_of(pixels, plot, time, BANDS[name][2])
            low, high = (plot.y.at(float(v)) for v in np.percentile(values, percentiles))
            assert min(rows) == pytest.approx(high, abs=3) and max(rows) == pytest.approx(low, abs=3)


def test_extremes_far_out_do_not_squeeze_the_middle() -> None:
    values = normal(64, 64)
    values[0, 0], values[1, 1] = 500.0, -700.0
    pixels, plot = picture_of(scene({NAME: values}, before=[{NAME: values}] * 5))
    inner = np.percentile(values, [6.68, 93.32])
    assert plot.y.high - plot.y.low == pytest.approx(3 * (inner[1] - inner[0]), rel=0.1)
    assert (pixels[plot.box.top + 1, plot.box.right - 5] == BANDS["all"][2]).all()


def test_one_snapshot_fills_the_chart() -> None:
    pixels, plot = picture_of(scene({NAME: normal(32, 32)}))
    row = round(plot.y.at(0.2))
    inside = pixels[row, plot.box.left + 2 : plot.box.right - 2]
    assert (inside == BANDS["middle 38%"][2]).all()


def test_time_is_epochs_unless_one_holds_several_snapshots() -> None:
    memory = scene({NAME: normal(2, 2)}, epochs=3).memory
    assert time_axis(memory)[0] == "epoch" and time_axis(memory)[1].tolist() == [0, 1, 2, 3]
    many = replace(memory, epochs=np.array([0, 0, 1, 1]))
    assert time_axis(many)[0] == "step" and time_axis(many)[1].tolist() == many.steps.tolist()


def test_times_with_nan_or_infinities_are_marked() -> None:
    good, holed, endless = normal(8, 8), normal(8, 8), normal(8, 8)
    holed[2, 2], endless[1, 1] = np.nan, -np.inf
    pixels, plot = picture_of(scene({NAME: good}, before=[{NAME: w} for w in (good, holed, good, endless, good)]))
    row = pixels[plot.box.bottom - 3]
    at = [tuple(row[round(plot.x.at(time))].tolist()) for time in (0.5, 1.5, 2.5, 3.5, 4.5)]
    assert at[1] == MAGENTA and at[3] == BLACK
    assert not {MAGENTA, BLACK} & {at[0], at[2], at[4]}


@pytest.mark.parametrize("epochs", [0, 1, 4])
@pytest.mark.parametrize(
    "values",
    [
        np.zeros((4, 4)),
        np.full((4, 4), np.nan),
        np.full(3, np.inf),
        np.full((2, 2), 7.5),
        np.array([[1e38, -1e38]]),
        np.array([[1e-38, -1e-38]]),
        np.array(2.0),
    ],
    ids=["zeros", "nan", "inf", "constant", "huge", "tiny", "scalar"],
)
def test_degenerate_values_are_drawn(values: np.ndarray, epochs: int) -> None:
    pixels, plot = picture_of(scene({NAME: values}, before=[{NAME: values}] * epochs))
    assert pixels.shape[1] == 720 and np.isfinite([plot.y.low, plot.y.high]).all() and plot.y.low < plot.y.high


def test_an_all_nan_epoch_leaves_a_hole() -> None:
    good, lost = normal(8, 8), np.full((8, 8), np.nan)
    pixels, plot = picture_of(scene({NAME: good}, before=[{NAME: w} for w in (good, good, lost, good)]))
    assert rows_of(pixels, plot, 0.5, BANDS["68%"][2])
    assert not rows_of(pixels, plot, 2.0, BANDS["68%"][2])


def test_an_empty_parameter_has_no_picture() -> None:
    assert value_range(np.full((3, 9), np.nan)) == (-1.0, 1.0)
    sight = scene({NAME: normal(2, 2)})
    measurement = sight.snapshot.targets["weights"][NAME]
    empty = replace(measurement, parameter=replace(measurement.parameter, shape=(0, 4)))
    assert (
        list(distribution(replace(sight, snapshot=replace(sight.snapshot, targets={"weights": {NAME: empty}})))) == []
    )
