"""Weights that are cut into parts: what all parts together say is what the whole weights say."""

from __future__ import annotations

import math
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from lightning_weightviz.measure import HeadSource, Measured, Meter
from lightning_weightviz.measure.device import spread_group, spread_sums
from lightning_weightviz.measure.parts import Split
from lightning_weightviz.measure.spread_meter import SpreadMeter
from lightning_weightviz.measure.spread_rounds import FailedElsewhereError
from lightning_weightviz.snapshot import Parameter
from tests.support.spread import cut, go, measure

STATISTICS = tuple(
    [
        "mean",
        "std",
        "rms",
        "norm",
        "min",
        "max",
        "absmax",
        "zero_fraction",
        "nan_count",
        "inf_count",
        "kurtosis",
        "dead_units",
        "stable_rank",
        "spectral_norm",
        "rotation",
        "relative_change",
        "update_ratio",
        "unmoved_units",
    ]
)
EXACT = {"min", "max", "absmax", "zero_fraction", "nan_count", "inf_count", "dead_units", "unmoved_units"}
PARAMETERS = {
    "fc.weight": Parameter("fc.weight", "linear", "Linear", (300, 217), "float32", "matrix"),
    "wide.weight": Parameter("wide.weight", "linear", "Linear", (96, 411), "float32", "matrix"),
    "conv.weight": Parameter("conv.weight", "conv", "Conv2d", (48, 52, 3, 3), "float32", "kernels"),
    "first.weight": Parameter("first.weight", "conv", "Conv2d", (128, 3, 7, 7), "float32", "filters"),
    "in_proj": Parameter("in_proj", "attention", "", (288, 96), "float32", "matrix", blocks=("q", "k", "v"), heads=4),
    "table.weight": Parameter(
        "table.weight", "embedding", "Embedding", (900, 24), "float32", "matrix", padding_index=3
    ),
    "experts": Parameter("experts", "other", "", (5, 70, 64), "float32", "matrix", stacked=5),
    "experts.down": Parameter("experts.down", "other", "", (4, 64, 70), "float32", "matrix", stacked=4, units_axis=1),
    "Conv1D.weight": Parameter("Conv1D.weight", "other", "Conv1D", (130, 140), "float32", "matrix", units_axis=1),
    "up.weight": Parameter("up.weight", "conv", "ConvTranspose2d", (40, 60, 3, 3), "float32", "kernels", units_axis=1),
    "grouped": Parameter(
        "grouped", "conv", "ConvTranspose2d", (60, 40, 3, 3), "float32", "kernels", units_axis=1, groups=3
    ),
    "long.bias": Parameter("long.bias", "bias", "Linear", (20_000,), "float32", "vector"),
    "small.weight": Parameter("small.weight", "linear", "Linear", (30, 20), "float32", "matrix"),
    "small.bias": Parameter("small.bias", "bias", "Linear", (30,), "float32", "vector"),
    "scale": Parameter("scale", "other", "", (), "float32", "vector"),
}


def weights(seed: int = 0, dtype: torch.dtype = torch.float32) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    made = {name: torch.randn(one.shape, generator=generator) for name, one in PARAMETERS.items()}
    # What a picture must not lose: rows of nothing, zeros, values far out and far from 0.
    made["fc.weight"][7] = 0.0
    made["fc.weight"][100, 3] = 25.0
    made["wide.weight"] += 3.0
    made["experts.down"][1, :, 9] = 0.0
    made["Conv1D.weight"][:, 4] = 0.0
    made["up.weight"][:, 8] = 0.0
    made["grouped"][20:40, 8] = 0.0
    made["conv.weight"][5] *= 1e-8
    return {name: tensor.to(dtype) for name, tensor in made.items()}


def spread_over(tensors: dict[str, Tensor], ranks: int, split: Split, seed: int) -> list[list[Any]]:
    """By rank, what it has of each parameter."""
    of_each = [
        cut(tensor, PARAMETERS[name], ranks, split, seed + i) for i, (name, tensor) in enumerate(tensors.items())
    ]
    return [list(one) for one in zip(*of_each, strict=True)]


def assert_same(found: Measured, true: Measured, near: float = 1e-6, singular: float = 0.01) -> None:
    for name, measurement in true.measurements.items():
        mine = found.measurements[name]
        for statistic in STATISTICS:
            one, other = mine.statistics[statistic], measurement.statistics[statistic]
            if statistic in EXACT:
                assert one == other or (math.isnan(one) and math.isnan(other)), (name, statistic, one, other)
            else:
                rel = 2 * singular if statistic == "stable_rank" else singular if statistic == "spectral_norm" else near
                # A mean near 0 is as exact as the sums that it is made of.
                least = near * measurement.statistics["rms"] if statistic == "mean" else 1e-12
                assert one == pytest.approx(other, rel=rel, abs=least, nan_ok=True), (name, statistic)
        np.testing.assert_array_equal(mine.counts.edges, measurement.counts.edges)
        np.testing.assert_array_equal(mine.counts.counts, measurement.counts.counts)
        if PARAMETERS[name].size < 2**14:
            np.testing.assert_array_equal(mine.percentiles, measurement.percentiles)
        assert mine.moved == pytest.approx(measurement.moved, rel=near, abs=1e-9, nan_ok=True)
        assert (mine.picture is None) == (measurement.picture is None)
        if mine.picture is not None and measurement.picture is not None:
            assert_same_picture(mine.picture, measurement.picture, name)
    for statistic in set(STATISTICS) - {"mean"}:
        one, other = found.totals[statistic], true.totals[statistic]
        assert one == pytest.approx(other, rel=near, abs=1e-12, nan_ok=True), statistic


def assert_same_picture(mine: Any, true: Any, name: str) -> None:
    for one in fields(true):
        values, other = getattr(mine, one.name), getattr(true, one.name)
        if one.name == "rank":
            assert (values is None) == (other is None)
            if values is not None:
                assert_same_picture(values, other, f"{name}.rank")
        elif one.name in ("extreme", "filters", "changed"):
            np.testing.assert_array_equal(values, other, f"{name}: {one.name}")
        elif isinstance(other, np.ndarray):
            # Sums that cancel are as exact as what they are made of.
            least = 1e-6 * np.abs(other[np.isfinite(other)]).max(initial=0)
            np.testing.assert_allclose(values, other, rtol=3e-6, atol=least, err_msg=f"{name}: {one.name}")
        else:
            assert values == other, (name, one.name)


def meters(count: int, size: int = 64) -> tuple[list[SpreadMeter], Meter]:
    arguments: dict[str, Any] = {"image_size": size, "statistics": STATISTICS, "means": True}
    parameters = list(PARAMETERS.values())
    return [SpreadMeter(parameters, **arguments) for _ in range(count)], Meter(parameters, **arguments)


@pytest.mark.parametrize("split", ["rows", "columns", "both", "stretches"])
@pytest.mark.parametrize(("ranks", "size"), [(2, 64), (4, 40), (4, 256)])
def test_parts_say_what_the_whole_says(split: Split, ranks: int, size: int) -> None:
    spread, whole = meters(ranks, size)
    for epoch in range(3):
        tensors = weights(1)
        for tensor in tensors.values():
            tensor += 0.05 * epoch * torch.randn(tensor.shape, generator=torch.Generator().manual_seed(epoch))
        of_ranks = spread_over(tensors, ranks, split, seed=10)
        found = measure(spread, of_ranks)
        true = whole.measure(list(tensors.values())).result()
        for one in found:
            assert_same(one, true)
        # And with the next step.
        every = list(range(len(tensors)))
        whole.before_step(list(tensors.values()), every)
        for meter, mine in zip(spread, of_ranks, strict=True):
            meter.before_step(mine, every)
        for tensor in tensors.values():
            tensor *= 1.001
        whole.after_step(list(tensors.values()), every)
        for meter, mine in zip(spread, spread_over(tensors, ranks, split, seed=10), strict=True):
            meter.after_step(mine, every)
    states = [meter.state_dict() for meter in spread]
    for state in states[1:]:
        assert str(state) == str(states[0])
        for key in ("start", "previous", "vectors"):
            assert torch.equal(state[key].nan_to_num(9), states[0][key].nan_to_num(9))
    torch.testing.assert_close(states[0]["start"], whole.state_dict()["start"], rtol=0, atol=0)


@pytest.mark.parametrize("split", ["rows", "columns", "both", "stretches"])
@pytest.mark.parametrize(
    "broken", ["nan", "inf", "both infinities", "all nan", "zeros", "huge", "tiny", "far", "far out"]
)
def test_parts_say_it_of_broken_weights(split: Split, broken: str) -> None:
    tensors = weights(2)
    for tensor in tensors.values():
        flat = tensor.view(-1)
        if broken == "nan":
            flat[len(flat) // 3] = math.nan
        elif broken == "inf":
            flat[:: max(len(flat) // 5, 1)] = -math.inf
        elif broken == "both infinities":
            flat[0], flat[-1] = math.inf, -math.inf
            flat[len(flat) // 2] = math.nan
        elif broken == "all nan":
            flat[:] = math.nan
        elif broken == "zeros":
            flat[:] = 0.0
        elif broken == "huge":
            flat *= 3e38 / flat.abs().max()
        elif broken == "tiny":
            flat *= 1e-36
        elif broken == "far":
            flat.mul_(1e-4).add_(1.0)
        else:
            flat[0] = 1e6
    spread, whole = meters(4)
    true = whole.measure(list(tensors.values())).result()
    for found in measure(spread, spread_over(tensors, 4, split, seed=4)):
        # Where values lie far from 0 beside their spread, float32 itself holds no more of it.
        assert_same(found, true, near=2e-5 if broken in ("far", "far out") else 1e-6)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64, torch.float8_e4m3fn])
def test_of_any_dtype(dtype: torch.dtype) -> None:
    tensors = weights(3, dtype)
    spread, whole = meters(3)
    true = whole.measure(list(tensors.values())).result()
    for found in measure(spread, spread_over(tensors, 3, "rows", seed=5)):
        assert_same(found, true)


def test_nothing_is_kept_of_a_measurement_that_fails_in_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    tensors = weights(4)
    spread, _ = meters(2)
    of_ranks = spread_over(tensors, 2, "rows", seed=6)
    measure(spread, of_ranks)
    before = [str(meter.state_dict()["start"]) for meter in spread]
    rounds = [meter.begin(one) for meter, one in zip(spread, of_ranks, strict=True)]
    true_counts = spread_sums.counts
    calls: list[None] = []

    def counts(*arguments: Any) -> None:
        calls.append(None)
        # The second process comes after the first one has measured all that it has.
        if len(calls) == 9:
            raise RuntimeError("out of luck")
        true_counts(*arguments)

    monkeypatch.setattr(spread_group, "counts", counts)
    assert go(rounds) > 3
    errors = []
    for one in rounds:
        with pytest.raises(RuntimeError) as caught:
            one.finish()
        errors.append(type(caught.value))
    assert sorted(errors, key=str) == sorted([FailedElsewhereError, RuntimeError], key=str)
    monkeypatch.undo()
    assert [str(meter.state_dict()["start"]) for meter in spread] == before
    # And the next one is right again.
    _, whole = meters(0)
    whole.measure(list(tensors.values())).result()
    true = whole.measure(list(tensors.values())).result()
    for found in measure(spread, of_ranks):
        assert_same(found, true)


def test_a_step_can_be_forgotten_by_parts() -> None:
    tensors = weights(5)
    spread, _ = meters(2)
    every = list(range(len(tensors)))
    of_ranks, moved = (
        spread_over({name: share * one for name, one in tensors.items()}, 2, "rows", seed=7) for share in (1.0, 2.0)
    )
    for meter, before, after in zip(spread, of_ranks, moved, strict=True):
        meter.before_step(before, every)
        meter.after_step(after, every)
        meter.before_step(before, every)
        meter.forget_steps()
        meter.after_step(after, every)
    for found in measure(spread, of_ranks):
        assert all(math.isnan(one.statistics["update_ratio"]) for one in found.measurements.values())


def test_rounds_do_not_grow_with_the_number_of_parameters() -> None:
    counted = []
    for count in (1, 12):
        parameters = [replace(PARAMETERS["fc.weight"], name=f"{number}.weight") for number in range(count)]
        tensors = [torch.randn(300, 217) for _ in parameters]
        spread = [SpreadMeter(parameters, image_size=64) for _ in range(2)]
        of_ranks = [
            list(one) for one in zip(*(cut(tensor, parameters[0], 2, "rows") for tensor in tensors), strict=True)
        ]
        rounds = [meter.begin(one) for meter, one in zip(spread, of_ranks, strict=True)]
        counted.append(go(rounds))
        for one in rounds:
            one.finish().result()
        again = [meter.begin(one) for meter, one in zip(spread, of_ranks, strict=True)]
        counted.append(go(again))
    # Three for all that is summed; then one a step, fewer once the directions are known.
    assert counted == [3 + 32, 3 + 8] * 2


@pytest.mark.parametrize(
    ("before", "after"), [(None, "rows"), ("rows", None), ("columns", "both"), ("stretches", "rows")]
)
def test_it_goes_on_from_what_others_have_kept(before: Split | None, after: Split | None) -> None:
    """Of whole weights or spread ones, over another number of processes, cut in another way."""
    first, second = weights(5), weights(6)
    _, true = meters(0)
    true.measure(list(first.values())).result()
    if before is None:
        _, one = meters(0)
        one.measure(list(first.values())).result()
        state = one.state_dict()
    else:
        spread, _ = meters(4)
        measure(spread, spread_over(first, 4, before, seed=7))
        state = spread[3].state_dict()
    expected = true.measure(list(second.values())).result()
    if after is None:
        _, one = meters(0)
        one.load_state_dict(state)
        assert_same(one.measure(list(second.values())).result(), expected)
        return
    ranks = 4 if after == "both" else 2
    spread, _ = meters(ranks)
    for meter in spread:
        meter.load_state_dict(state)
    for found in measure(spread, spread_over(second, ranks, after, seed=8)):
        assert_same(found, expected)


def test_weights_may_be_cut_in_another_way_while_it_goes_on() -> None:
    first = weights(7)
    second = {name: tensor + 0.05 * weights(8)[name] for name, tensor in first.items()}
    spread, whole = meters(2)
    measure(spread, spread_over(first, 2, "rows", seed=1))
    whole.measure(list(first.values())).result()
    expected = whole.measure(list(second.values())).result()
    for found in measure(spread, spread_over(second, 2, "columns", seed=2)):
        assert_same(found, expected)


@pytest.mark.parametrize("multi_label", [False, True])
@pytest.mark.parametrize("split", ["rows", "columns", "stretches"])
def test_classes_that_are_too_many_to_be_gathered(split: Split, multi_label: bool) -> None:
    """A head whose weight stays where it is; its classes are told one by one, and not compared."""
    tensors = weights(9)
    index = list(PARAMETERS).index("fc.weight")
    tensors["fc.weight"][4, 4] = math.nan
    bias = torch.randn(300)
    names = tuple(map(str, range(300)))
    head = HeadSource("fc.weight", names, tensors["fc.weight"], bias, multi_label=multi_label)
    spread, whole = meters(3)
    true = whole.measure(list(tensors.values()), [head]).result()
    of_ranks = spread_over(tensors, 3, split, seed=11)
    rounds = [meter.begin(one, {index: not multi_label}) for meter, one in zip(spread, of_ranks, strict=True)]
    go(rounds)
    elsewhere = replace(head, weight=torch.empty(300, 217, device="meta"))
    for one in rounds:
        found = one.finish([elsewhere]).result()
        np.testing.assert_allclose(found.heads[0].norms, true.heads[0].norms, rtol=2e-6)
        np.testing.assert_array_equal(found.heads[0].bias, true.heads[0].bias)
        np.testing.assert_array_equal(found.heads[0].picture.extreme, true.heads[0].picture.extreme)
        assert found.pairs[0].result() is None
