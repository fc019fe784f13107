"""One rank of several, started with a case's name: `WeightVisualizer` in a plain loop over weights that are spread.

Prints a line of JSON at its end: what the rank saw. What must not happen is that it never ends.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import sys
import time
import warnings
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from torch import distributed, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor
from torch.distributed.tensor.parallel import ColwiseParallel, RowwiseParallel, parallelize_module

from lightning_weightviz import WeightVisualizer
from lightning_weightviz.findings import WeightAlert
from lightning_weightviz.measure import Meter
from lightning_weightviz.model import values
from lightning_weightviz.model.sharding import COLLECTIVES
from lightning_weightviz.run.errors import ArgumentError
from lightning_weightviz.views import VIEWS

STEPS = 3


def network(width: int) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, width), nn.ReLU(), nn.Linear(width, 5), nn.ReLU(), nn.Linear(5, 3))


def spread(model: nn.Sequential, case: str) -> None:
    """Spreads the weights over the ranks: by rows, by rows on half of them, by units and inputs, or by both."""
    ranks = distributed.get_world_size()
    if case in ("hsdp", "both"):
        mesh = init_device_mesh("cpu", (2, ranks // 2), mesh_dim_names=("outer", "inner"))
    else:
        mesh = init_device_mesh("cpu", (ranks,), mesh_dim_names=("inner",))
    if case in ("tensor parallel", "both"):
        # The last layer stays whole, beside those that are spread.
        parallelize_module(model, mesh["inner"], {"0": ColwiseParallel(), "2": RowwiseParallel()})
    if case != "tensor parallel":
        rows = mesh["outer"] if case == "both" else mesh
        for layer in model:
            if isinstance(layer, nn.Linear):
                fully_shard(layer, mesh=rows)
        fully_shard(model, mesh=rows)


RATIOS: dict[str, float] = {}
"""‖Δw‖ / ‖w‖ of the last step, of whole parameters."""


def whole(model: nn.Module) -> dict[str, torch.Tensor]:
    """Copies of all parameters."""
    state = model.state_dict()
    return {name: one.full_tensor() if isinstance(one, DTensor) else one.clone() for name, one in state.items()}


class StoppedError(Exception):
    """What ends a rank as Ctrl-C would."""


def train(model: nn.Module, visualizer: WeightVisualizer, each: Callable[[int], None]) -> None:
    """Some steps, with a snapshot after each."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    inputs = torch.randn(8, 6, generator=torch.Generator().manual_seed(1))
    for step in range(STEPS):
        optimizer.zero_grad()
        model(inputs).square().mean().backward()
        visualizer.observe_gradients()
        before = whole(model)
        watched = visualizer.before_step(list(model.parameters()))
        optimizer.step()
        visualizer.after_step(watched)
        changes = {name: (tensor - before[name]).norm() for name, tensor in whole(model).items()}
        RATIOS.update({name: float(change / before[name].norm()) for name, change in changes.items()})
        each(step)
        visualizer.log(step + 1, epoch=step + 1)
    visualizer.finish()


def digest(state: Any) -> str:
    """Of all that a checkpoint would hold."""
    buffer = io.BytesIO()
    # Not as torch writes it: its archives hold the order in which storages were met.
    pickle.dump(plain(state), buffer)
    return hashlib.sha256(buffer.getvalue()).hexdigest()


def plain(state: Any) -> Any:
    """The same without tensors, in one order."""
    if isinstance(state, torch.Tensor):
        return str(state.dtype), tuple(state.shape), state.contiguous().view(-1).view(torch.uint8).numpy().tobytes()
    if isinstance(state, dict):
        return sorted((str(key), plain(value)) for key, value in state.items())
    return [plain(one) for one in state] if isinstance(state, (list, tuple)) else repr(state)


def fail(*_: Any, **__: Any) -> Any:
    raise RuntimeError("out of luck")


def _only_matrices(tensor: torch.Tensor) -> torch.Tensor | None:
    return tensor.detach() if tensor.ndim > 1 else None


def main(case: str, folder: Path) -> None:
    """Trains, with what the case is about."""
    rank = int(os.environ["RANK"])
    distributed.init_process_group("gloo", timeout=timedelta(seconds=20))
    # Of three rows a fourth rank has none; PyTorch's own tensor parallelism knows no uneven activations.
    model = network({"empty": 3, "tensor parallel": 8, "both": 8}.get(case, 7))
    spread(model, case)
    arguments: dict[str, Any] = {"views": tuple(VIEWS), "targets": ("weights", "gradients", "updates")}
    arguments["statistics"] = ("rms", "absmax", "spectral_norm", "nan_count", "update_ratio")
    if case == "alert":
        arguments["on_alert"] = "raise"
    if case == "differ" and rank == 1:
        arguments["layers"] = "0"
    visualizer = WeightVisualizer(model, folder=folder, writes=rank == 0, **arguments)
    if case == "measuring fails" and rank == 1:
        Meter._begin_measuring = fail  # type: ignore[method-assign]
    if case == "reading fails" and rank == 1:
        values._unwrapped = _only_matrices  # what it gives for others cannot be read
    if case == "drawing fails" and rank == 0:
        object.__setattr__(VIEWS["heatmap"], "draw", fail)

    def each(step: int) -> None:
        if case == "alert" and step == 1:
            with torch.no_grad():
                for parameter in model.parameters():
                    parameter.to_local()[:1] = torch.nan  # type: ignore[attr-defined]
        if case == "one stops" and step == 1 and rank == 1:
            raise StoppedError

    ended = "fine"
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            train(model, visualizer, each)
        except (WeightAlert, ArgumentError, StoppedError) as error:
            ended = type(error).__name__
        except RuntimeError as error:
            # The training's own collective has noticed that a rank is gone.
            ended = "training failed" if "gloo" in str(error).lower() or "reset" in str(error) else repr(error)
    failures = [str(one.message) for one in caught if "failed with" in str(one.message)]
    if case in ("fine", "empty", "hsdp", "tensor parallel", "both"):
        weights = whole(model)
        if rank == 0:
            torch.save({"weights": weights, "ratios": RATIOS}, folder / "whole.pt")
    seen = {"ended": ended, "failures": failures, "collectives": COLLECTIVES.taken, "received": COLLECTIVES.received}
    print(json.dumps({**seen, "state": digest(visualizer.state_dict())}), flush=True)
    # Others may still be reading what this rank has sent; then without a farewell, as they may be gone.
    time.sleep(1)
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
