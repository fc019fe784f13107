from __future__ import annotations

import io
import math
from collections.abc import Callable, Hashable, Iterator, Sequence

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from lightning_weightviz.measure import HeadSource, Measured, Meter, transfer
from lightning_weightviz.measure.device import abilities
from lightning_weightviz.measure.device.change import WatchedSteps
from lightning_weightviz.measure.device.moments import TOGETHER, _groups
from lightning_weightviz.measure.device.subset import BUDGET, LIMIT, positions, shares
from lightning_weightviz.measure.lane import Bytes
from lightning_weightviz.measure.parcels import Parcels
from lightning_weightviz.settings import DEFAULT_STATISTICS
from tests.support.oracles import hard_tensors, numbers, parameter


def network(seed: int = 0) -> list[torch.Tensor]:
    random = torch.Generator().manual_seed(seed)
    shapes = [(128, 784), (128,), (10, 128), (10,), (8, 3, 3, 3), ()]
    return [torch.randn(shape, generator=random) for shape in shapes]


def meter_of(tensors: list[torch.Tensor], *, fused: bool = False) -> Meter:
    return Meter([parameter(tensor, str(index)) for index, tensor in enumerate(tensors)], fused=fused)


def head_of(tensors: list[torch.Tensor]) -> HeadSource:
    chain = (("fc1", tensors[0]), ("fc2", tensors[2]))
    return HeadSource("2", tuple("abcdefghij"), tensors[2], tensors[3], chain, (1, 28, 28))


def assert_same(first: Measured, second: Measured) -> None:
    """Everything but the singular values, whose iteration may start elsewhere."""
    for name, one in first.measurements.items():
        other = second.measurements[name]
        for statistic, value in one.statistics.items():
            rel = 0.01 if statistic in ("spectral_norm", "stable_rank") else 1e-12
            assert other.statistics[statistic] == pytest.approx(value, rel=rel, nan_ok=True), (name, statistic)
        np.testing.assert_array_equal(one.counts.counts, other.counts.counts)
        np.testing.assert_array_equal(one.percentiles, other.percentiles)
        if one.picture is not None and other.picture is not None:
            np.testing.assert_array_equal(one.picture.extreme, other.picture.extreme)


def test_results_do_not_follow_the_parameters() -> None:
    tensors = network()
    before = meter_of(tensors).measure(tensors, [head_of(tensors)]).result()
    kept = [tensor.clone() for tensor in tensors]
    pending = meter_of(tensors).measure(tensors, [head_of(tensors)])
    for tensor in tensors:
        tensor.fill_(7.0)
    after = pending.result()
    assert_same(before, after)
    np.testing.assert_array_equal(before.heads[0].picture.extreme, kept[2].numpy())
    np.testing.assert_array_equal(before.heads[0].picture.extreme, after.heads[0].picture.extreme)
    one, other = before.pairs[0].result(), after.pairs[0].result()
    assert one is not None and other is not None
    np.testing.assert_array_equal(one.cosine, other.cosine)
    np.testing.assert_array_equal(before.heads[0].templates, after.heads[0].templates)


def test_what_is_remembered_does_not_follow_the_parameters() -> None:
    tensors = network()
    meter = meter_of(tensors)
    meter.measure(tensors)
    meter.before_step(tensors, range(len(tensors)))
    for tensor in tensors:
        tensor.mul_(2.0)
    meter.after_step(tensors, range(len(tensors)))
    totals = meter.measure(tensors).result().totals
    assert totals["relative_change"] == pytest.approx(1.0)
    assert totals["update_ratio"] == pytest.approx(1.0)
    assert totals["rotation"] == pytest.approx(0.0, abs=1e-12)


def test_weights_random_state_and_gradients_stay_as_they_are() -> None:
    tensors = [tensor.requires_grad_() for tensor in network()]
    copies = [tensor.detach().clone() for tensor in tensors]
    torch.manual_seed(3)
    np.random.seed(3)
    state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()  # type: ignore[index]
    meter = meter_of(tensors)
    meter.measure(tensors, [head_of(tensors)]).result()
    meter.before_step(tensors[:2], [0, 1])
    meter.after_step(tensors[:2], [0, 1])
    meter.measure(tensors).result()
    meter.state_dict()
    assert torch.equal(torch.get_rng_state(), state)
    assert (np.random.get_state()[1] == numpy_state).all()  # type: ignore[index]
    for tensor, copy in zip(tensors, copies, strict=True):
        assert torch.equal(tensor, copy)
        assert tensor.requires_grad
        assert tensor.grad is None


class NoLook(TorchDispatchMode):
    """Refuses what makes a device wait, or whose result has a size that depends on values."""

    REFUSED: tuple[str, ...] = (
        "_local_scalar_dense",
        "nonzero",
        "masked_select",
        "bincount",
        "unique",
        "equal",
        "is_nonzero",
    )

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.launches = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        name = func._schema.name.removeprefix("aten::")
        assert not any(refused in name for refused in self.REFUSED), name
        if name in ("index", "index_put"):
            assert all(index is None or index.dtype != torch.bool for index in args[1]), "boolean index"
        # An operator whose result shares its argument's memory is a view and launches nothing.
        self.launches += not any(one.alias_info and not one.alias_info.is_write for one in func._schema.returns)
        return func(*args, **(kwargs or {}))


@pytest.fixture
def _stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(abilities, "HOSTS", frozenset())


@pytest.mark.usefixtures("_stream")
def test_nothing_waits_for_a_device() -> None:
    tensors = [*network(), *(tensor for tensor in hard_tensors().values() if tensor.numel() <= 40_000)]
    meter = meter_of(tensors)
    with NoLook():
        meter.measure(tensors, [head_of(tensors)])
        meter.before_step(tensors, range(len(tensors)))
        meter.after_step(tensors, range(len(tensors)))
        pending = meter.measure(tensors, [head_of(tensors)])
    assert math.isfinite(pending.result().totals["update_ratio"])


def test_values_are_not_even_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """On the meta device any look at a value raises, and so does a size that depends on one."""
    sent: list[transfer.Packer] = []

    def keep(packer: transfer.Packer) -> transfer.Arrival:
        sent.append(packer)
        return transfer.Arrival([], transfer._nothing)

    monkeypatch.setattr(transfer.Packer, "send", keep)
    tensors = [torch.empty_like(tensor, device="meta") for tensor in [*network(), torch.randn(9).double()]]
    meter = meter_of(tensors)
    meter.measure(tensors, [head_of(tensors)])
    meter.before_step(tensors, range(len(tensors)))
    meter.after_step(tensors, range(len(tensors)))
    meter.measure(tensors, [head_of(tensors)])
    assert len(sent) == 2


@pytest.mark.usefixtures("_stream")
def test_launches_are_bounded_by_the_number_of_tensors() -> None:
    small = [torch.randn(64) for _ in range(100)]
    meter = Meter([parameter(tensor, str(index), pictured=False) for index, tensor in enumerate(small)])
    with NoLook() as seen:
        meter.measure(small)
    assert seen.launches < 15 * len(small)
    large = [torch.randn(200, 200) for _ in range(10)]
    meter = Meter(
        [parameter(tensor, str(index), pictured=False) for index, tensor in enumerate(large)],
        statistics=DEFAULT_STATISTICS,
    )
    meter.measure(large).result()
    with NoLook() as seen:
        meter.measure(large)
    assert seen.launches < 400 * len(large)


def test_few_bytes_a_parameter_are_sent(monkeypatch: pytest.MonkeyPatch, _stream: None) -> None:
    tensors = [torch.randn(300, 300) for _ in range(20)]
    parameters = [parameter(tensor, str(index), pictured=False) for index, tensor in enumerate(tensors)]
    meter = Meter(parameters, statistics=DEFAULT_STATISTICS)
    sizes: list[int] = []

    class Weighed(transfer.Arrival):
        def __init__(self, pieces: Sequence[tuple[Hashable, torch.Tensor]], read: Callable[[], Bytes]) -> None:
            super().__init__(pieces, read)
            sizes.append(read().nbytes)

    monkeypatch.setattr(transfer, "Arrival", Weighed)
    meter.measure(tensors)
    assert len(sizes) == 1
    assert sizes[0] <= 4096 * len(tensors)


@pytest.fixture
def _deterministic() -> Iterator[None]:
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


def test_modes_of_torch_change_nothing(_deterministic: None) -> None:
    tensors = network()
    plain = meter_of(tensors).measure(tensors, [head_of(tensors)]).result()
    meter = meter_of(tensors)
    with torch.inference_mode():
        inside = meter.measure(tensors, [head_of(tensors)]).result()
        meter.before_step(tensors[:1], [0])
        meter.after_step(tensors[:1], [0])
    assert_same(plain, inside)
    outside = meter.measure(tensors, [head_of(tensors)]).result()
    assert outside.totals["relative_change"] == 0.0
    with torch.autocast("cpu", dtype=torch.bfloat16):
        cast = meter_of(tensors).measure(tensors, [head_of(tensors)]).result()
    assert_same(plain, cast)
    np.testing.assert_array_equal(cast.heads[0].templates, plain.heads[0].templates)


def test_state_goes_on_where_it_was_taken() -> None:
    first, second, third = network(0), network(1), network(2)
    meter = meter_of(first)
    meter.measure(first).result()
    meter.measure(second).result()
    buffer = io.BytesIO()
    torch.save(meter.state_dict(), buffer)
    buffer.seek(0)
    state = torch.load(buffer, weights_only=True)
    other = meter_of(first)
    other.load_state_dict(state)
    assert_same(meter.measure(third).result(), other.measure(third).result())
    assert_same(meter.measure(first).result(), other.measure(first).result())


def test_state_of_a_meter_that_has_not_measured() -> None:
    tensors = network()
    state = meter_of(tensors).state_dict()
    meter = meter_of(tensors)
    meter.load_state_dict(state)
    totals = meter.measure(tensors).result().totals
    assert totals["rotation"] == 0.0
    assert math.isnan(totals["relative_change"])


def test_state_tolerates_other_parameters() -> None:
    tensors = [torch.randn(20, 10), torch.randn(5), torch.randn(300)]
    old = Meter([parameter(tensor, name) for tensor, name in zip(tensors, "abc", strict=True)])
    old.measure(tensors).result()
    changed = [torch.randn(5), tensors[0] * 3, torch.randn(299), torch.randn(7, 7)]
    new = Meter([parameter(tensor, name) for tensor, name in zip(changed, "bacd", strict=True)])
    new.load_state_dict(old.state_dict())
    found = new.measure(changed).result().measurements
    assert found["a"].statistics["relative_change"] == pytest.approx(2.0)
    assert found["b"].statistics["rotation"] > 0.0
    for name in "cd":
        assert math.isnan(found[name].statistics["relative_change"])
        assert found[name].statistics["rotation"] == 0.0


@pytest.mark.parametrize("count", [5, 2000])
def test_state_is_small_for_any_model(count: int) -> None:
    tensors = [torch.randn(300, 300)] * count
    meter = meter_of([torch.empty(300, 300)] * count)
    sizes = shares([tensor.numel() for tensor in tensors])
    assert sum(sizes) <= BUDGET
    meter.measure(tensors[:count]) if count < 10 else None
    buffer = io.BytesIO()
    torch.save(meter.state_dict(), buffer)
    assert buffer.tell() < 1_500_000


def test_shares_are_fair() -> None:
    assert shares([10, 0, 1]) == [10, 0, 1]
    assert shares([10**6]) == [LIMIT]
    assert shares([5, 1000, 1000], budget=105) == [5, 50, 50]
    assert min(shares([10] * 50, budget=20)) == 1


@pytest.mark.parametrize(("size", "kept"), [(10, 10), (1000, 7), (4096 * 4096, 65536), (5, 0)])
def test_positions_are_all_over_the_parameter(size: int, kept: int) -> None:
    found = positions(size, kept)
    assert len(found) == kept
    assert (np.diff(found) > 0).all()
    assert kept == 0 or (found.min() >= 0 and found.max() < size)
    if kept == 65536:
        columns = np.bincount(found % 4096 // 64, minlength=64)
        assert columns.min() > 0.8 * columns.mean()


def test_the_same_measurement_is_returned_again() -> None:
    tensors = network()
    pending = meter_of(tensors).measure(tensors)
    assert pending.result() is pending.result()


def test_the_newest_step_of_the_same_parameters_is_the_one_that_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    packed: list[int] = []
    add_steps = Parcels.add_steps

    def counted(parcels: Parcels, steps: WatchedSteps) -> None:
        packed.append(sum(len(seen) for seen in steps.values()))
        add_steps(parcels, steps)

    monkeypatch.setattr(Parcels, "add_steps", counted)
    tensors = network()
    meter = meter_of(tensors)
    for share in (0.5, 0.25):
        for which in ([0, 1], [2, 3]):
            meter.before_step([tensors[place] for place in which], which)
            meter.after_step([(1 + share) * tensors[place] for place in which], which)
    # One that is of other parameters too comes last.
    meter.before_step(tensors[:3], [0, 1, 2])
    meter.after_step([1.125 * tensor for tensor in tensors[:3]], [0, 1, 2])
    found = meter.measure(tensors).result().measurements
    ratios = [found[str(place)].statistics["update_ratio"] for place in range(5)]
    assert ratios == pytest.approx([0.125, 0.125, 0.125, 0.25, math.nan], rel=1e-5, nan_ok=True)
    assert packed == [3]


def test_a_step_can_be_forgotten() -> None:
    tensors = network()
    meter = meter_of(tensors)
    meter.before_step(tensors, range(len(tensors)))
    meter.after_step([2 * tensor for tensor in tensors], range(len(tensors)))
    meter.before_step(tensors, range(len(tensors)))
    meter.forget_steps()
    meter.after_step(tensors, range(len(tensors)))
    found = meter.measure(tensors).result().measurements
    assert all(math.isnan(one.statistics["update_ratio"]) for one in found.values())


def test_measurements_come_in_the_order_of_the_parameters() -> None:
    tensors = [torch.full((3,), float(value)) for value in range(5)] + [torch.full((200, 100), 5.0)]
    found = meter_of(tensors[::-1]).measure(tensors[::-1]).result()
    assert list(found.measurements) == [str(index) for index in range(6)]
    assert [one.statistics["mean"] for one in found.measurements.values()] == [5.0, 4.0, 3.0, 2.0, 1.0, 0.0]


def test_parameters_may_move_between_snapshots(monkeypatch: pytest.MonkeyPatch) -> None:
    tensors = network()
    meter = meter_of(tensors)
    meter.measure(tensors).result()
    meter._remember()
    meter._groups = []
    assert meter.measure([2 * tensor for tensor in tensors]).result().totals["relative_change"] == pytest.approx(1.0)


def test_values_of_one_tensor_of_each_dtype() -> None:
    for dtype in (torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.float8_e5m2):
        tensor = torch.linspace(-2, 2, 50_000).to(dtype)
        found = meter_of([tensor]).measure([tensor]).result().measurements["0"]
        assert found.statistics["max"] == numbers(tensor).max()


def test_small_parameters_are_measured_together_and_none_twice() -> None:
    sizes = [10, 640, 8192, 64, 128, 1, 0, 16384, 5000, 300]
    tensors = [torch.zeros(size, dtype=torch.float64 if size == 300 else torch.float32) for size in sizes]
    groups = _groups(tensors, range(len(tensors)), TOGETHER)
    assert sorted(index for group in groups for index in group) == [0, 1, 2, 3, 4, 5, 8, 9]
    assert [sorted(sizes[index] for index in group) for group in groups] == [[5000, 8192], [1, 10, 64, 128, 640], [300]]
    # Of many, none is filled up to more than four times its size.
    many = [torch.zeros(size) for size in range(1, 4000, 3)]
    for group in _groups(many, range(len(many)), TOGETHER):
        filled = len(group) * (3 * max(group) + 1)
        assert filled <= TOGETHER or max(group) <= 4 * min(group) + 4
