"""How much one snapshot enqueues on a device with a stream, and that nothing in it makes the host wait."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

import lightning_weightviz.measure
from lightning_weightviz import WeightVisualizer
from lightning_weightviz.measure import Meter
from lightning_weightviz.measure.device import abilities, moments, stacks
from tests.measure.test_meter import NoLook, assert_same, meter_of
from tests.support.live_memory import LiveMemory
from tests.support.oracles import ORACLES, parameter

MEASURE = Path(lightning_weightviz.measure.__file__).parent


@pytest.fixture
def _stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(abilities, "HOSTS", frozenset())


@pytest.mark.usefixtures("_stream")
def test_a_snapshot_of_a_resnet_50_enqueues_few_operations_and_takes_little_memory(tmp_path: Path) -> None:
    models = pytest.importorskip("torchvision.models")
    torch.manual_seed(0)
    with pytest.warns(UserWarning, match="more than 24 matrices"):
        observer = WeightVisualizer(models.resnet50(), folder=tmp_path)._observer
    launches = []
    for _ in range(3):
        with NoLook() as seen:
            pending = observer.take()
        assert pending is not None
        pending.result()
        launches.append(seen.launches)
    # The first one knows no singular vectors yet, and all matrices have settled by the third.
    assert launches[0] <= 3900
    assert launches[2] <= 1320
    with LiveMemory() as memory:
        observer.take()
    # Weights, gradients and one momentum are 307 MB, and activations are gone where a snapshot is taken.
    assert 100e6 < memory.peak <= 270e6


@pytest.mark.usefixtures("_stream")
def test_more_matrices_of_the_same_shapes_cost_no_launches() -> None:
    launches = []
    for count in (4, 40):
        tensors = [torch.randn(200, 200) for _ in range(count)]
        parameters = [parameter(tensor, str(index), pictured=False) for index, tensor in enumerate(tensors)]
        meter = Meter(parameters, statistics=("rms", "zero_fraction", "stable_rank", "dead_units"))
        meter.measure(tensors).result()
        with NoLook() as seen:
            meter.measure(tensors)
        launches.append(seen.launches)
    assert launches[1] == launches[0]


@pytest.mark.usefixtures("_stream")
def test_a_whole_snapshot_looks_at_nothing(tmp_path: Path) -> None:
    body = nn.Linear(784, 300)
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Embedding(300, 20), body, nn.Linear(300, 10))
    visualizer = WeightVisualizer(model, folder=tmp_path, targets=("weights", "updates"), head="3.weight")
    for step in range(3):
        with NoLook():
            visualizer.log(step)
        with torch.no_grad():
            body.weight.mul_(1.5)
    visualizer.finish()
    assert list(tmp_path.rglob("*.png"))


@pytest.mark.usefixtures("_stream")
def test_numbers_do_not_depend_on_what_is_measured_together(monkeypatch: pytest.MonkeyPatch) -> None:
    random = torch.Generator().manual_seed(0)
    shapes = [(300, 200), (200, 300), (300, 200), (90, 400), (5, 7), (17_000,), (2, 70, 90), (40, 3, 5, 5)]
    tensors = [torch.randn(shape, generator=random) for shape in shapes]
    tensors[2][7, 5:9], tensors[3][1] = torch.nan, 0.0
    tensors.append(torch.randn(60, 70, generator=random).double())
    tensors.append(torch.randn(150, 200, generator=random).bfloat16())
    together = meter_of(tensors)
    alone = [meter_of([tensor]) for tensor in tensors]
    small = meter_of(tensors)
    for _ in range(3):
        found = together.measure(tensors).result()
        for index, (meter, tensor) in enumerate(zip(alone, tensors, strict=True)):
            one = meter.measure([tensor]).result().measurements["0"]
            other = found.measurements[str(index)]
            for statistic, value in one.statistics.items():
                rel = 1e-4 if statistic in ("spectral_norm", "stable_rank") else 1e-6
                expected = pytest.approx(value, rel=rel, abs=1e-7, nan_ok=True)
                assert other.statistics[statistic] == expected, (index, statistic)
        # Batches of less than one parameter: all goes in blocks and pieces.
        with monkeypatch.context() as patch:
            patch.setattr(moments, "STREAM_PIECE", 1 << 10)
            patch.setattr("lightning_weightviz.measure.device.group.TOGETHER", 1 << 10)
            patch.setattr(stacks, "TOGETHER", 1 << 10)
            patch.setattr(stacks, "PADDED", 1)
            in_blocks = small.measure(tensors).result()
        for name, one in in_blocks.measurements.items():
            for statistic, value in one.statistics.items():
                rel = 0.01 if statistic in ("spectral_norm", "stable_rank") else 1e-6
                expected = pytest.approx(value, rel=rel, abs=1e-7, nan_ok=True)
                assert found.measurements[name].statistics[statistic] == expected, (name, statistic)


@pytest.mark.usefixtures("_stream")
@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.float8_e5m2, torch.float16])
def test_narrow_dtypes_are_measured_together(dtype: torch.dtype) -> None:
    tensors = [torch.linspace(-2, 2, 18_000).roll(shift).view(150, 120).to(dtype) for shift in range(3)]
    found = meter_of(tensors).measure(tensors).result()
    for index, tensor in enumerate(tensors):
        statistics = found.measurements[str(index)].statistics
        for statistic in ("mean", "rms", "max", "spectral_norm", "dead_units"):
            rel = 0.01 if statistic == "spectral_norm" else 1e-5
            assert statistics[statistic] == pytest.approx(ORACLES[statistic](tensor), rel=rel, abs=1e-6), statistic


def test_settled_matrices_and_new_ones_go_on_side_by_side(_stream: None) -> None:
    """A state without some of the vectors, of one matrix and of several, and results that nobody asked for."""
    random = torch.Generator().manual_seed(1)
    tensors = [torch.randn(80, 120, generator=random) for _ in range(6)]
    expected = meter_of(tensors).measure(tensors).result()
    meter = meter_of(tensors)
    meter.measure(tensors[:6])
    meter.measure(tensors).result()
    state = meter.state_dict()
    gone = [0, 3]
    vectors = [v for i, v in enumerate(state["vectors"].split(state["vector_sizes"])) if i not in gone]
    state["vector_sizes"] = [0 if i in gone else size for i, size in enumerate(state["vector_sizes"])]
    state["vectors"] = torch.cat(vectors)
    other = meter_of(tensors)
    other.load_state_dict(state)
    for _ in range(3):
        found = other.measure(tensors).result()
        for name, one in found.measurements.items():
            sigma = expected.measurements[name].statistics["spectral_norm"]
            assert one.statistics["spectral_norm"] == pytest.approx(sigma, rel=0.01)
    assert_same(meter.measure(tensors).result(), other.measure(tensors).result())


def _uploads(source: str) -> Iterator[tuple[int, str]]:
    """Calls that bring numbers of the host to a device and wait for it: `lane.to_device` does not."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        text = ast.unparse(node)
        makes = text.startswith(("torch.tensor(", "torch.as_tensor(")) and "device='cpu'" not in text
        sends = node.func.attr in ("to", "cuda") and ast.unparse(node.func.value).startswith(
            ("torch.from_numpy(", "torch.tensor(")
        )
        if makes or sends:
            yield node.lineno, text


def test_nothing_is_sent_to_a_device_while_the_host_waits() -> None:
    assert (
        len(list(_uploads("torch.tensor([1], device=d)\ntorch.from_numpy(a).to(d)\ntorch.tensor(1, device='cpu')")))
        == 2
    )
    found = {str(path): list(_uploads(path.read_text())) for path in MEASURE.rglob("*.py")}
    assert {path: calls for path, calls in found.items() if calls} == {}
