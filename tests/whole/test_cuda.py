"""Real trainings on a CUDA device, one command: ``pytest tests/whole/test_cuda.py``."""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from lightning_weightviz import WeightVisualizationCallback
from lightning_weightviz.run import schedule
from lightning_weightviz.views import VIEWS
from tests.support.training import Classifier, batches, events, steps_of, trainer

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
ROOT = Path(__file__).parent.parent.parent
DEVICE = "gpu"


class Fused(Classifier):
    """With the optimizer that applies the gradients' scale by itself."""

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters(), lr=1e-3, fused=True)


class Replayed(Classifier):
    """Whose layers are CUDA graphs."""

    def configure_model(self) -> None:
        if isinstance(self.fc1, nn.Linear):
            self.fc1.compile(mode="reduce-overhead")
            self.fc2.compile(mode="reduce-overhead")


def weights_after(folder: Path, model: Classifier, *callbacks: Any, **arguments: Any) -> list[torch.Tensor]:
    """Those of a whole training."""
    torch.manual_seed(0)
    trainer(folder, *callbacks, accelerator=DEVICE, devices=1, **arguments).fit(model, batches())
    return [parameter.detach().cpu() for parameter in model.parameters()]


@pytest.mark.parametrize(
    ("model", "arguments"),
    [
        (Classifier, {}),
        (Classifier, {"precision": "16-mixed", "gradient_clip_val": 0.5}),
        (Classifier, {"precision": "bf16-mixed"}),
        (Classifier, {"precision": "bf16-true"}),
        (Fused, {"precision": "16-mixed"}),
        (Replayed, {}),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else " ".join(map(str, value.values())) or "plain",
)
def test_training_is_the_same_and_shown_as_it_was(
    tmp_path: Path, model: type[Classifier], arguments: dict[str, Any]
) -> None:
    alone = weights_after(tmp_path / "alone", model(), **arguments)
    callback = WeightVisualizationCallback(targets=("weights", "gradients", "updates"), views=tuple(VIEWS), report=True)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        watched = weights_after(tmp_path / "watched", model(), callback, **arguments)
    assert [str(one.message) for one in said if "failed with" in str(one.message) or "waited" in str(one.message)] == []
    assert all(map(torch.equal, alone, watched))
    written = events(tmp_path / "watched")
    rms = [event.value for event in written.Scalars("weights.rms/fc1.weight")]
    assert len(rms) == 4
    assert rms[-1] == pytest.approx(watched[0].double().square().mean().sqrt().item(), rel=2e-5)
    assert steps_of(written, "Images", "weights.heatmap/fc1.weight")[-1] == 14
    for target in ("gradients", "updates"):
        assert len(steps_of(written, "Scalars", f"{target}.rms/fc1.weight")) == 3


@pytest.mark.parametrize("kind", ["ddp", "fsdp1", "fsdp2"])
def test_strategies_with_their_own_collectives(tmp_path: Path, kind: str) -> None:
    """One process, so that NCCL is what adds up; in several each has a device of its own."""
    command = f"from tests.whole.test_cuda import run_with; run_with({kind!r}, {str(tmp_path)!r})"
    ran = subprocess.run([sys.executable, "-c", command], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr[-3000:]
    assert "failed with" not in ran.stderr
    written = events(tmp_path)
    weight = torch.load(tmp_path / "fc1.pt").double()
    rms = written.Scalars("weights.rms/fc1.weight")[-1].value
    assert rms == pytest.approx(weight.square().mean().sqrt().item(), rel=2e-5)
    assert len(steps_of(written, "Images", "weights.heatmap/fc1.weight")) == 4
    for target in ("gradients", "updates"):
        assert len(steps_of(written, "Scalars", f"{target}.rms/fc1.weight")) == 3


def run_with(kind: str, folder: str) -> None:
    """What the process of the test above does."""
    from lightning.pytorch.strategies import FSDPStrategy, ModelParallelStrategy

    from tests.support.distributed_run import Keeper, Sharded

    class OfOne(Sharded):
        def configure_model(self) -> None:
            from torch.distributed.fsdp import fully_shard

            assert self.device_mesh is not None
            for layer in (self.fc1, self.fc2, self):
                fully_shard(layer, mesh=self.device_mesh["data_parallel"])

    keeper = Keeper()
    schedule.FREE_SECONDS = 600.0
    callback = WeightVisualizationCallback(targets=("weights", "gradients", "updates"), views=tuple(VIEWS))
    strategy: Any = {"ddp": "ddp", "fsdp1": FSDPStrategy(), "fsdp2": ModelParallelStrategy(1, 1)}[kind]
    model = OfOne(kind) if kind == "fsdp2" else Classifier()
    trainer(Path(folder), callback, keeper, strategy=strategy, accelerator=DEVICE, devices=1).fit(model, batches())
    torch.save(keeper.weight.cpu(), Path(folder) / "fc1.pt")
