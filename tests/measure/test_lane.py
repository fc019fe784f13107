"""The order of copies, on streams that are as late as they may be."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
import torch

from lightning_weightviz.measure import Measured, transfer
from lightning_weightviz.measure.device import abilities
from lightning_weightviz.measure.lane import KEPT, Lane, lane_of, to_device
from tests.measure.test_meter import assert_same, head_of, meter_of, network
from tests.support.streams import GARBAGE, FakeStreams


def result_of(streams: FakeStreams, number: int, size: int = 100) -> torch.Tensor:
    """Memory that the training's stream will fill with a number."""
    packed = torch.full((size,), GARBAGE, dtype=torch.uint8)
    memory = packed.numpy()
    streams.compute(lambda: memory.fill(number))
    return packed


def test_what_is_read_is_what_was_computed_before_it_was_sent() -> None:
    streams = FakeStreams()
    lane = Lane(streams)
    read = lane.send(result_of(streams, 1))
    # Nothing was waited for, and what comes later does not count.
    assert streams.copies == 0 and len(streams.computing) > 0
    assert (read() == 1).all()
    assert streams.copies == 1


def test_memory_that_is_let_go_is_not_reused_before_it_was_copied() -> None:
    streams = FakeStreams()
    read = Lane(streams).send(result_of(streams, 2))
    streams.catch_up()
    assert (read() == 2).all()


@pytest.mark.parametrize("broken", ["follow", "hold", "mark"])
def test_the_streams_notice_what_is_missing(broken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of the three makes the difference, or the tests above could not fail."""
    streams = FakeStreams()
    monkeypatch.setattr(streams, broken, {"mark": lambda: lambda: None}.get(broken, lambda *_: None))
    read = Lane(streams).send(result_of(streams, 3))
    if broken == "hold":
        streams.catch_up()
    assert (read() == GARBAGE).all()


def test_a_buffer_is_not_given_away_before_it_was_read() -> None:
    streams = FakeStreams()
    lane = Lane(streams)
    reads = [lane.send(result_of(streams, number)) for number in range(10)]
    assert len(streams.buffers) == 10
    order = random.Random(0).sample(range(10), 10)
    found = {number: reads[number]() for number in order}
    assert all((found[number] == number).all() for number in range(10))
    assert len(lane._free) == KEPT


def test_what_was_read_shares_memory_with_nothing() -> None:
    streams = FakeStreams()
    lane = Lane(streams)
    first = lane.send(result_of(streams, 1))()
    second = lane.send(result_of(streams, 2, size=90))()
    assert (first == 1).all() and (second == 2).all()
    assert len(streams.buffers) == 1, "the second one found the buffer of the first free"
    first[:] = 9
    assert (lane.send(result_of(streams, 3))() == 3).all()


def test_pinned_memory_does_not_grow() -> None:
    streams = FakeStreams()
    lane = Lane(streams)
    for size in (10, 1000, 999, 1024, 17, 0, 1, 1000):
        assert (lane.send(result_of(streams, 5, size))() == 5).all()
    assert sum(len(buffer) for buffer in streams.buffers) == 16 + 1024
    # Of many sent at once the largest are kept.
    for read in [lane.send(result_of(streams, 5, 1 << power)) for power in range(12)]:
        read()
    assert [len(buffer) for buffer in lane._free] == [1 << power for power in (9, 10, 10, 11)]


def test_buffers_outlive_inference_mode() -> None:
    streams = FakeStreams()
    lane = Lane(streams)
    with torch.inference_mode():
        lane.send(torch.ones(4, dtype=torch.uint8))()
    buffer = lane._free[0]
    buffer.add_(1)
    assert (lane.send(result_of(streams, 7, 4))() == 7).all()


def test_the_host_has_no_lane() -> None:
    assert lane_of(torch.device("cpu")) is None
    assert to_device(values := torch.arange(3), torch.device("cpu")) is values


@pytest.fixture
def _late(monkeypatch: pytest.MonkeyPatch) -> FakeStreams:
    """The CPU is a device whose copies are late."""
    streams = FakeStreams()
    lane = Lane(streams)
    monkeypatch.setattr(abilities, "HOSTS", frozenset())
    monkeypatch.setattr(transfer, "lane_of", lambda device: lane)
    return streams


def test_a_meter_whose_copies_are_late_finds_the_same(_late: FakeStreams, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = [network(seed) for seed in range(4)]

    def all_of(late: Callable[[], None]) -> list[Measured]:
        meter = meter_of(weights[0])
        pending = []
        for tensors in weights:
            held = [tensor.clone() for tensor in tensors]
            pending.append(meter.measure(held, [head_of(held)]))
            # Training goes on at once, and so does its stream.
            for tensor in held:
                tensor.fill_(7.0)
            late()
        return [one.result() for one in reversed(pending)][::-1]

    found = all_of(_late.catch_up)
    assert _late.copies == 4
    monkeypatch.setattr(transfer, "lane_of", lambda device: None)
    for one, other in zip(found, all_of(lambda: None), strict=True):
        assert_same(one, other)
