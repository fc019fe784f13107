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
from lightning_weightviz.measure import STATISTICS
from lightning_weightviz.measure.device import spread_group
from lightning_weightviz.model import class_head, values
from lightning_weightviz.model.sharding import COLLECTIVES
from lightning_weightviz.run.errors import ArgumentError
from lightning_weightviz.views import VIEWS

STEPS = 3
ARGUMENTS: dict[str, Any] = {
    # By name, so that scalars of biases are logged too.
    "layers": "*",
    "views": tuple(VIEWS),
    "targets": ("weights", "gradients", "updates"),
    "statistics": tuple(name for name in STATISTICS if name != "median"),
}
"""Every parameter, view, target and statistic."""


class Mixed(nn.Module):
    """Layers of several kinds, large ones among them."""

    def __init__(self, width: int, depth: int = 0) -> None:
        super().__init__()
        self.embedding = nn.Embedding(901, 24, padding_idx=2)
        self.conv = nn.Conv2d(24, 96, 3, padding=1)
        self.first = nn.Linear(96, width)
        self.more = nn.Sequential(*(nn.Linear(width, width) for _ in range(depth)))
        self.second = nn.Linear(width, 70)
        self.head = nn.Linear(70, 3)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        found = self.embedding(tokens).mT.unflatten(2, (2, 3))
        features = self.more(self.first(self.conv(found).mean((2, 3))).relu())
        logits: torch.Tensor = self.head(self.second(features).relu())
        return logits


def network(case: str) -> nn.Module:
    """For tensor parallelism a row of Linear layers, which PyTorch needs to be even; else `Mixed`."""
    torch.manual_seed(0)
    if case in ("tensor parallel", "both"):
        return nn.Sequential(nn.Linear(60, 304), nn.ReLU(), nn.Linear(304, 70), nn.ReLU(), nn.Linear(70, 3))
    return Mixed(3 if case == "empty" else 301, depth=10 if case == "deep" else 0)


def inputs(model: nn.Module) -> torch.Tensor:
    """A batch."""
    generator = torch.Generator().manual_seed(1)
    if isinstance(model, nn.Sequential):
        return torch.randn(8, 60, generator=generator)
    return torch.randint(0, 901, (8, 6), generator=generator)


def spread(model: nn.Module, case: str) -> None:
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
        for layer in model.children():
            if list(layer.parameters()):
                fully_shard(layer, mesh=rows)
        fully_shard(model, mesh=rows)


RECORD: list[dict[str, dict[str, torch.Tensor]]] = []
"""Of each step the whole weights before and after it, and the gradients."""


TAKEN: list[int] = []
"""How many collectives each snapshot took."""


def arguments_of(case: str) -> dict[str, Any]:
    """Those of `WeightVisualizer`."""
    if case == "milestones":
        # Without a statistic that asks for all singular values, they are measured at some snapshots alone.
        return ARGUMENTS | {"statistics": ("rms",)}
    return ARGUMENTS | ({"head": "second.weight"} if case == "large head" else {})


def whole(model: nn.Module) -> dict[str, torch.Tensor]:
    """Copies of all parameters."""
    return {name: _whole(one) for name, one in model.state_dict().items()}


def _whole(tensor: torch.Tensor) -> torch.Tensor:
    return (tensor.full_tensor() if isinstance(tensor, DTensor) else tensor).clone()


class StoppedError(Exception):
    """What ends a rank as Ctrl-C would."""


def train(model: nn.Module, visualizer: WeightVisualizer, each: Callable[[int], None]) -> None:
    """Some steps, with a snapshot after each."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    batch = inputs(model)
    for step in range(STEPS):
        optimizer.zero_grad()
        model(batch).square().mean().backward()
        visualizer.observe_gradients()
        gradients = {name: _whole(one.grad) for name, one in model.named_parameters() if one.grad is not None}
        before = whole(model)
        watched = visualizer.before_step(list(model.parameters()))
        optimizer.step()
        visualizer.after_step(watched)
        RECORD.append({"before": before, "gradients": gradients, "after": whole(model)})
        each(step)
        taken = COLLECTIVES.taken
        visualizer.log(step + 1, epoch=step + 1)
        TAKEN.append(COLLECTIVES.taken - taken)
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
        # What is empty may have any strides, and some of them have no bytes to look at.
        values = state.contiguous().view(-1) if state.numel() else torch.empty(0, dtype=state.dtype)
        return str(state.dtype), tuple(state.shape), values.view(torch.uint8).numpy().tobytes()
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
    model = network(case)
    spread(model, case)
    arguments = arguments_of(case)
    if case == "alert":
        arguments["on_alert"] = "raise"
    if case == "differ" and rank == 1:
        arguments["layers"] = "first"
    visualizer = WeightVisualizer(model, folder=folder, **arguments)
    if case == "resumed":
        visualizer.load_state_dict(torch.load(folder / "state.pt"))
    if case == "large head":
        class_head.MOST_GATHERED = 1000
    if case == "measuring fails" and rank == 1:
        # In its second round, that of sums.
        spread_group.row_squares = fail  # type: ignore[attr-defined]
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
    if rank == 0:
        folder.mkdir(parents=True, exist_ok=True)
        torch.save(RECORD, folder / "record.pt")
        torch.save(visualizer.state_dict(), folder / "state.pt")
    seen: dict[str, Any] = {"ended": ended, "failures": failures, "state": digest(visualizer.state_dict())}
    seen |= {"taken": TAKEN, "collectives": COLLECTIVES.taken, "received": COLLECTIVES.received}
    print(json.dumps(seen), flush=True)
    # Others may still be reading what this rank has sent; then without a farewell, as they may be gone.
    time.sleep(1)
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
