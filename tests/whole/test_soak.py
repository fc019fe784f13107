"""Hundreds of snapshots: what is kept of a run does not grow with it. `make soak` takes five thousand."""

from __future__ import annotations

import gc
import io
from collections import Counter

import torch
from torch import nn

from lightning_weightviz import WeightVisualizer
from lightning_weightviz.artifacts import Batch

STRETCH = 75


class Dropping:
    """A sink that keeps nothing."""

    def write(self, batch: Batch) -> None:
        pass

    def flush(self) -> None:
        pass


def test_what_is_kept_of_a_run_is_flat_behind_the_first_two_hundred_snapshots() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3, bias=False))
    views = ("heatmap", "histogram", "statistics", "distribution", "evolution", "classes", "overview", "drift")
    visualizer = WeightVisualizer(model, sinks=[Dropping()], views=views, on_alert="ignore")
    states, objects = [], []
    for step in range(6 * STRETCH):
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(torch.randn_like(parameter), alpha=0.02)
        visualizer.log(step, epoch=step)
        if (step + 1) % STRETCH == 0:
            visualizer.collect(wait=True)
            states.append(state_bytes(visualizer))
            gc.collect()
            objects.append(Counter(type(one).__name__ for one in gc.get_objects()))
    assert states[-1] <= 1.05 * max(states[1:5])
    grown = {name: (objects[2][name], count) for name, count in objects[-1].items() if count > objects[2][name] + 50}
    assert grown == {}


def state_bytes(visualizer: WeightVisualizer) -> int:
    """As it goes into a checkpoint."""
    buffer = io.BytesIO()
    torch.save(visualizer.state_dict(), buffer)
    return buffer.tell()
