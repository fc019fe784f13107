"""Units that have not turned since the start, against numpy."""

from __future__ import annotations

import io
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from lightning_weightviz.measure import Meter
from lightning_weightviz.measure.device import abilities
from lightning_weightviz.snapshot import Parameter
from tests.support.oracles import numbers, parameter, unmoved_units


@pytest.fixture(params=["host", "stream"], autouse=True)
def _way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways through the code: with looks at values, and as on a device that must not be waited for."""
    if request.param == "stream":
        monkeypatch.setattr(abilities, "HOSTS", frozenset())


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def counted(*moments: torch.Tensor, described: Parameter | None = None) -> list[float]:
    meter = Meter([described or parameter(moments[0])], statistics=["unmoved_units"])
    return [meter.measure([one]).result().measurements["w"].statistics["unmoved_units"] for one in moments]


def moved(start: torch.Tensor, but: list[int], seed: int = 1) -> torch.Tensor:
    """All rows but these."""
    now = start + 0.1 * normal(*start.shape, seed=seed).to(start.dtype)
    now[but] = start[but]
    return now


@pytest.mark.parametrize("scale", [1.0, 1e-30, 1e30])
@pytest.mark.parametrize("shape", [(40, 30), (40, 3, 5, 5), (400, 900)])
def test_rows_that_stand_still_are_counted(shape: tuple[int, ...], scale: float) -> None:
    start = scale * normal(*shape)
    now = start + scale * 0.1 * normal(*shape, seed=1)
    now[[2, 7, 8]] = start[[2, 7, 8]]
    assert counted(start, now) == [0.0, 3.0]
    assert unmoved_units(numbers(now), numbers(start)) == 3.0


def test_weight_decay_is_no_motion() -> None:
    start = normal(40, 30)
    now, step = start.clone(), 0.01 * normal(40, 30, seed=1)
    step[[0, 5]] = 0.0
    for _ in range(1000):
        now = now * (1 - 1e-3) + step
    assert counted(start, now)[1] == unmoved_units(numbers(now), numbers(start)) == 2.0


def test_a_matrix_that_stands_still_has_none_of_its_own() -> None:
    start = normal(40, 30)
    assert counted(start, start, 0.5 * start) == [0.0, 0.0, 0.0]


def test_since_the_start_not_since_the_snapshot_before() -> None:
    start = normal(40, 30)
    once = moved(start, [1, 2, 3])
    assert counted(start, once, once, moved(once, [3, 4, 5])) == [0.0, 3.0, 3.0, 1.0]


def test_rows_of_zeros_stand_still_and_those_that_begin_have_moved() -> None:
    start = normal(40, 30)
    start[[3, 4]] = 0.0
    now = moved(start, [3])
    assert counted(start, now)[1] == 1.0


def test_a_broken_row_has_not_stood_still() -> None:
    start = normal(40, 30)
    now = moved(start, [3, 4])
    now[3, 5], now[9, 1] = math.nan, math.inf
    assert counted(start, now)[1] == 1.0


def test_half_precision() -> None:
    start = normal(40, 30).bfloat16()
    assert counted(start, moved(start, [3, 4]))[1] == 2.0


def test_units_that_are_columns() -> None:
    start = normal(30, 40)
    described = replace(parameter(start), units_axis=1)
    now = moved(start.T.contiguous(), [3, 4, 9]).T.contiguous()
    assert counted(start, now, described=described)[1] == 3.0
    # Columns of a transposed convolution are kernels.
    start = normal(30, 20, 3, 3)
    described = replace(parameter(start), units_axis=1, layout="kernels")
    now = start + 0.1 * normal(*start.shape, seed=1)
    now[:, [2, 11]] = start[:, [2, 11]]
    assert counted(start, now, described=described)[1] == 2.0
    # In groups they are so of each stretch of rows.
    described = replace(described, groups=3)
    assert counted(start, now, described=described)[1] == 6.0
    now = start + 0.1 * normal(*start.shape, seed=1)
    now[10:20, 4] = start[10:20, 4]
    assert counted(start, now, described=described)[1] == 1.0


def test_units_of_stacked_matrices() -> None:
    start = normal(4, 20, 30)
    described = replace(parameter(start), stacked=4)
    now = start + 0.1 * normal(4, 20, 30, seed=1)
    now[1, 3], now[3, 3] = start[1, 3], start[3, 3]
    assert counted(start, now, described=described)[1] == 2.0
    now = start + 0.1 * normal(4, 20, 30, seed=1)
    now[1, :, 3], now[3, :, 5], now[3, :, 6] = start[1, :, 3], start[3, :, 5], start[3, :, 6]
    assert counted(start, now, described=replace(described, units_axis=1))[1] == 3.0


@pytest.mark.parametrize("shape", [(30,), (), (0, 5), (5, 0)])
def test_what_has_no_units_has_no_count(shape: tuple[int, ...]) -> None:
    tensor = normal(*shape)
    assert all(math.isnan(one) for one in counted(tensor, tensor + 1))


def test_a_table_too_long_to_be_remembered_row_by_row_has_no_count() -> None:
    start = normal(50_000, 8)
    assert math.isnan(counted(start, start + 1)[1])


def test_it_is_not_measured_unless_asked_for() -> None:
    start = normal(40, 30)
    meter = Meter([parameter(start)], statistics=["rms"])
    meter.measure([start]).result()
    assert math.isnan(meter.measure([moved(start, [1])]).result().measurements["w"].statistics["unmoved_units"])


def test_the_start_is_that_of_a_run_before_it_was_resumed() -> None:
    start = normal(40, 30)
    meter = Meter([parameter(start)], statistics=["unmoved_units"])
    meter.measure([start]).result()
    buffer = io.BytesIO()
    torch.save(meter.state_dict(), buffer)
    buffer.seek(0)
    other = Meter([parameter(start)], statistics=["unmoved_units"])
    other.load_state_dict(torch.load(buffer, weights_only=True))
    assert other.measure([moved(start, [1, 2])]).result().totals["unmoved_units"] == 2.0


def test_the_whole_model_has_their_sum() -> None:
    starts = [normal(40, 30), normal(20, 10), normal(9)]
    meter = Meter([parameter(one, str(i)) for i, one in enumerate(starts)], statistics=["unmoved_units"])
    meter.measure(starts).result()
    now = [moved(starts[0], [1, 2]), moved(starts[1], [5]), starts[2] + 1]
    assert meter.measure(now).result().totals["unmoved_units"] == 3.0
    assert np.isnan(Meter([]).measure([]).result().totals["unmoved_units"])
