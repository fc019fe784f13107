"""What a snapshot of spread weights receives is what the formula on paper says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import distributed, nn

from benchmarks.sharded import bytes_of_snapshot
from lightning_weightviz.model.measuring import Measuring
from lightning_weightviz.model.observer import Observer
from lightning_weightviz.model.selection import Choice
from lightning_weightviz.model.sharding import COLLECTIVES

OLD = tuple(map(int, torch.__version__.split(".")[:2])) < (2, 7)

pytestmark = pytest.mark.skipif(OLD, reason="PyTorch 2.6 cannot run FSDP2 on a CPU")


@pytest.fixture
def group(tmp_path: Path) -> Iterator[None]:
    """Of one process."""
    distributed.init_process_group("gloo", init_method=f"file://{tmp_path / 'group'}", rank=0, world_size=1)
    yield
    distributed.destroy_process_group()


@pytest.mark.parametrize(
    "layers",
    [
        [(300, 200)],
        [(300, 200), (64, 300), (20_000, 64), (7, 64)],
        # Vectors that are shorter than the iterations are long, and large biases.
        [(1000, 20), (20_000, 12), (5, 4)],
        [(3, 4)],
    ],
)
@pytest.mark.parametrize("pictured", [1, 12])
@pytest.mark.usefixtures("group")
def test_of_a_decoder(layers: list[tuple[int, int]], pictured: int) -> None:
    from torch.distributed.fsdp import fully_shard

    model = nn.Sequential(*(nn.Linear(inputs, outputs) for outputs, inputs in layers))
    fully_shard(model)
    # Matrices that have pictures come first in the formula, as they do here.
    pictured = min(pictured, len(layers))
    observer = Observer(model, Choice(max_layers=pictured), Measuring(image_size=64), classes=False)
    shapes = [tuple(parameter.shape) for parameter in model.parameters()]
    received = []
    for _ in range(2):
        before = COLLECTIVES.received
        taken = observer.take()
        assert taken is not None
        taken.result()
        received.append(COLLECTIVES.received - before)
    assert received == [bytes_of_snapshot(shapes, pictured, 64, first=first) for first in (True, False)]
