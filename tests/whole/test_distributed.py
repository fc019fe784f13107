"""Two real processes: one writes, and what it writes is of the whole weights."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.support.training import events, steps_of

ROOT = Path(__file__).parent.parent.parent


OLD = tuple(map(int, torch.__version__.split(".")[:2])) < (2, 7)


def start(folder: Path, kind: str) -> subprocess.CompletedProcess[str]:
    """Runs a case to its end, whatever that is."""
    return subprocess.run(
        [sys.executable, "-m", "tests.support.distributed_run", kind, str(folder)],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"},
        capture_output=True,
        text=True,
        timeout=120,
    )


flattened = pytest.mark.skipif(OLD, reason="FSDP1 on a CPU was not tried with PyTorch 2.6")
sharded = pytest.mark.skipif(OLD, reason="PyTorch 2.6 cannot run FSDP2 on a CPU")


@pytest.mark.parametrize(
    "kind",
    [
        "ddp",
        "ddp metrics",
        *(pytest.param(kind, marks=flattened) for kind in ("fsdp1", "fsdp1 layers", "fsdp1 flat")),
        *(
            pytest.param(kind, marks=sharded)
            for kind in ("fsdp2", "clocks", "bf16", "offload", "checkpointing", "compiled")
        ),
    ],
)
def test_two_processes_write_one_true_record(tmp_path: Path, kind: str) -> None:
    """Of replicas and of shards; also where the ranks' clocks disagree about ``max_overhead``, and rank 0 decides."""
    ran = start(tmp_path, kind)
    assert ran.returncode == 0, ran.stderr[-3000:]
    written = events(tmp_path)
    weight = torch.load(tmp_path / "fc1.pt").double()
    steps = steps_of(written, "Images", "weights.heatmap/fc1.weight")
    assert len(steps) == 4
    assert len(list((tmp_path / "run").glob("events*"))) == 1
    # Every view, and so the head and the layers up to it, which every rank must read alike.
    assert steps_of(written, "Images", "classes/weights") == steps
    assert len(steps_of(written, "Images", "weights.drift/fc1.weight")) == 3
    rms = written.Scalars("weights.rms/fc1.weight")[-1].value
    assert rms == pytest.approx(weight.square().mean().sqrt().item(), rel=2e-5)
    histogram = written.Histograms("weights.histogram/fc1.weight")[-1].histogram_value
    assert histogram.num == weight.numel()
    assert (histogram.min, histogram.max) == pytest.approx((weight.min().item(), weight.max().item()), rel=1e-6)
    for target in ("gradients", "updates"):
        assert len(steps_of(written, "Scalars", f"{target}.rms/fc1.weight")) == 3
    assert len(steps_of(written, "Scalars", "weights.update_ratio/fc1.weight")) == 3
    assert "failed with" not in ran.stderr
    assert "snapshots were skipped" not in ran.stderr


@sharded
def test_ctrl_c_on_one_rank_ends_all(tmp_path: Path) -> None:
    """By the time-out of the process group at the latest; what was drawn until then is there."""
    ran = start(tmp_path, "interrupted")
    assert ran.returncode != 0
    assert len(steps_of(events(tmp_path), "Images", "weights.heatmap/fc1.weight")) >= 2
