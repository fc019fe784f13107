"""What only a CUDA device can tell; one command runs all of it: ``pytest tests/measure/test_cuda.py``.

What a CPU can tell of the same is in `test_lane.py`, `test_launches.py` and `test_meter.py`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import nn
from torch.utils.tensorboard import SummaryWriter

from lightning_weightviz import WeightVisualizer
from lightning_weightviz.measure import Measured
from tests.measure.test_meter import head_of, meter_of, network
from tests.support.oracles import ORACLES, hard_tensors

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
DEVICE = torch.device("cuda")
ROOT = Path(__file__).parent.parent.parent
both_ways = pytest.mark.parametrize("fused", [False, True], ids=["torch", "fused"])
COUNTED = ("min", "max", "absmax", "nan_count", "inf_count", "zero_fraction")
SUMMED = ("mean", "rms", "norm", "std")


@contextmanager
def no_synchronisation() -> Iterator[None]:
    """An operator that makes the host wait raises."""
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


def assert_as_on_the_host(there: Measured, here: Measured) -> None:
    """Counts and extremes are the same numbers; sums may be added up in another order."""
    for name, one in there.measurements.items():
        other = here.measurements[name]
        spread = float(np.nan_to_num(other.statistics["std"]))
        for statistic in COUNTED:
            assert one.statistics[statistic] == pytest.approx(other.statistics[statistic], rel=0, nan_ok=True), name
        for statistic in SUMMED:
            expected = pytest.approx(other.statistics[statistic], rel=2e-5, abs=2e-5 * spread, nan_ok=True)
            assert one.statistics[statistic] == expected, (name, statistic)
        assert one.statistics["spectral_norm"] == pytest.approx(
            other.statistics["spectral_norm"], rel=0.01, nan_ok=True
        )
        assert one.statistics["dead_units"] == pytest.approx(other.statistics["dead_units"], nan_ok=True), name
        np.testing.assert_array_equal(one.counts.counts, other.counts.counts, err_msg=name)
        if one.picture is not None and other.picture is not None:
            np.testing.assert_array_equal(one.picture.extreme, other.picture.extreme, err_msg=name)


@both_ways
def test_numbers_are_those_of_the_host_without_a_synchronisation(fused: bool) -> None:
    tensors = [*network(), *hard_tensors().values()]
    here = meter_of(tensors).measure(tensors, [head_of(tensors)]).result()
    there = [tensor.to(DEVICE) for tensor in tensors]
    meter = meter_of(there, fused=fused)
    for _ in range(3):
        with no_synchronisation():
            meter.before_step(there, range(len(there)))
            meter.after_step(there, range(len(there)))
            pending = meter.measure(there, [head_of(there)])
        assert_as_on_the_host(pending.result(), here)


@both_ways
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_numbers_of_other_dtypes(dtype: torch.dtype, fused: bool) -> None:
    tensors = [tensor.to(dtype) for tensor in network()]
    here = meter_of(tensors).measure(tensors).result()
    there = [tensor.to(DEVICE) for tensor in tensors]
    with no_synchronisation():
        pending = meter_of(there, fused=fused).measure(there)
    assert_as_on_the_host(pending.result(), here)


def small() -> nn.Module:
    """With every kind of picture: filters, kernels, an embedding, matrices and a head."""
    torch.manual_seed(0)
    return nn.ModuleDict(
        {
            "first": nn.Conv2d(3, 8, 3),
            "second": nn.Conv2d(8, 300, 3),
            "tokens": nn.Embedding(500, 32),
            "norm": nn.BatchNorm1d(64),
            "body": nn.Linear(784, 700),
            "head": nn.Linear(700, 10),
        }
    ).to(DEVICE)


def scalars(folder: Path, tag: str) -> list[float]:
    read = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    read.Reload()
    return [event.value for event in read.Scalars(tag)]


@both_ways
def test_whole_snapshots_wait_for_nothing_and_show_what_was_there(tmp_path: Path, fused: bool) -> None:
    model = small()
    body = dict(model.named_parameters())["body.weight"]
    writer = SummaryWriter(tmp_path)
    expected = []
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        visualizer = WeightVisualizer(model, writer, targets=("weights", "updates"), head="head.weight", fused=fused)
        for step in range(3):
            expected.append(ORACLES["rms"](body.detach().cpu()))
            torch.cuda.synchronize()
            with no_synchronisation():
                visualizer.log(step)
                # Training goes on at once.
                with torch.no_grad():
                    for parameter in model.parameters():
                        parameter.mul_(1.5)
        visualizer.finish()
        writer.close()
    # torch itself says once that its mode is a prototype.
    heard = [str(one.message) for one in said if "prototype" not in str(one.message)]
    assert [text for text in heard if "synchroniz" in text] == []
    assert scalars(tmp_path, "weights.rms/body.weight") == pytest.approx(expected, rel=1e-5)


@both_ways
def test_what_is_enqueued_on_a_side_stream_is_seen_in_its_order(fused: bool) -> None:
    tensors = network()
    here = meter_of(tensors).measure(tensors).result()
    there = [torch.zeros_like(tensor, device=DEVICE) for tensor in tensors]
    pinned = [tensor.pin_memory() for tensor in tensors]
    torch.cuda.synchronize()
    with torch.cuda.stream(torch.cuda.Stream()):
        # A second of work, so that what does not wait comes too early.
        torch.cuda._sleep(1_000_000_000)
        for tensor, values in zip(there, pinned, strict=True):
            tensor.copy_(values, non_blocking=True)
        pending = meter_of(there, fused=fused).measure(there)
        for tensor in there:
            tensor.fill_(7.0)
    assert_as_on_the_host(pending.result(), here)


def train(snapshot: Callable[[nn.Module, int], None], kind: str) -> list[torch.Tensor]:
    """Ten steps of a small network; the weights behind them."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10)).to(DEVICE)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    inputs, classes = torch.randn(32, 64, device=DEVICE), torch.randint(10, (32,), device=DEVICE)
    compiled = torch.compile(model, mode="reduce-overhead") if kind == "compile" else model

    def step() -> None:
        optimizer.zero_grad(set_to_none=kind != "graph")
        nn.functional.cross_entropy(compiled(inputs), classes).backward()
        optimizer.step()

    if kind == "graph":
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                step()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            step()
        step = graph.replay
    for number in range(10):
        step()
        snapshot(model, number)
    return [parameter.detach().cpu() for parameter in model.parameters()]


@both_ways
@pytest.mark.parametrize("kind", ["plain", "graph", "compile"])
def test_training_is_bit_identical_with_and_without(kind: str, tmp_path: Path, fused: bool) -> None:
    def leave(model: nn.Module, number: int) -> None:
        """Takes no snapshot."""

    plain = train(leave, kind)
    if not all(map(torch.equal, plain, train(leave, kind))):
        pytest.skip("the training itself does not repeat")
    visualizers: list[WeightVisualizer] = []
    seen: list[float] = []

    def take(model: nn.Module, number: int) -> None:
        if not visualizers:
            writer = SummaryWriter(tmp_path)
            visualizers.append(WeightVisualizer(model, writer, targets=("weights", "updates"), fused=fused))
        visualizers[0].log(number)
        seen.append(ORACLES["rms"](next(model.parameters()).detach().cpu()))

    watched = train(take, kind)
    visualizers[0].finish()
    assert all(map(torch.equal, plain, watched))
    assert scalars(tmp_path, "weights.rms/0.weight") == pytest.approx(seen, rel=1e-5)


@both_ways
def test_memory_stays_within_five_percent_of_the_peak_of_training(tmp_path: Path, fused: bool) -> None:
    models = pytest.importorskip("torchvision.models")
    torch.manual_seed(0)
    model = models.resnet50().to(DEVICE)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    inputs, classes = torch.randn(16, 3, 224, 224, device=DEVICE), torch.randint(1000, (16,), device=DEVICE)

    def peak(after_step: Callable[[int], None]) -> int:
        torch.cuda.reset_peak_memory_stats()
        for number in range(3):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(inputs), classes).backward()
            optimizer.step()
            after_step(number)
        torch.cuda.synchronize()
        return torch.cuda.max_memory_allocated()

    def rest(number: int) -> None:
        """Takes no snapshot."""

    peak(rest)
    alone = peak(rest)
    visualizer = WeightVisualizer(model, folder=tmp_path, fused=fused)
    assert peak(visualizer.log) <= 1.05 * alone
    visualizer.finish()


def measure_in_deterministic_mode(*, fused: bool) -> None:
    """What the process of the next test does."""
    torch.use_deterministic_algorithms(True)
    tensors = [*network(), *hard_tensors().values()]
    there = [tensor.to(DEVICE) for tensor in tensors]
    found = [meter_of(there, fused=fused).measure(there, [head_of(there)]).result() for _ in range(2)]
    torch.use_deterministic_algorithms(False)
    assert_as_on_the_host(found[0], meter_of(tensors).measure(tensors, [head_of(tensors)]).result())
    for name, one in found[0].measurements.items():
        assert one.statistics == pytest.approx(found[1].measurements[name].statistics, rel=0, abs=0, nan_ok=True)


@both_ways
def test_deterministic_mode(fused: bool) -> None:
    """In a process of its own, as cuBLAS reads its setting once."""
    command = f"from tests.measure.test_cuda import measure_in_deterministic_mode as run; run(fused={fused})"
    environment = {**os.environ, "CUBLAS_WORKSPACE_CONFIG": ":4096:8", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", command], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
