"""What one heatmap costs on one core: drawn with its strips, bars and text, and encoded; beside matplotlib's.

python -m benchmarks.drawing
python -m benchmarks.drawing --out benchmarks/results
"""

from __future__ import annotations

import argparse
import io
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import nn

from lightning_weightviz.artifacts import Raster
from lightning_weightviz.measure import Meter
from lightning_weightviz.memory import History
from lightning_weightviz.model.selection import Choice, select
from lightning_weightviz.snapshot import Snapshot
from lightning_weightviz.views import Scene, Style
from lightning_weightviz.views.heatmap.view import draw_heatmap

SIDES = (64, 256, 4096)


def scene_of(side: int) -> Scene:
    """The first snapshot of a square Linear layer between two others."""
    model = nn.Sequential(nn.Linear(3, side), nn.Linear(side, side), nn.Linear(side, 2))
    sites = select(model, Choice(layers=["1.weight"])).sites
    measured = Meter([site.parameter for site in sites]).measure([site.tensor for site in sites]).result()
    snapshot = Snapshot(0, 0, 0, True, {"weights": measured.measurements}, {"weights": measured.totals})
    return Scene(snapshot, History().remember(snapshot), Style())


def draw_one(scene: Scene) -> Raster:
    """The scene's only heatmap."""
    (measurement,) = scene.snapshot.targets["weights"].values()
    return draw_heatmap(scene, "weights", measurement).raster


def matplotlib_heatmap(values: torch.Tensor) -> bytes:
    """The same map with axes and a colour bar, without strips and numbers."""
    figure = Figure(figsize=(7.2, 5.2))
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    figure.colorbar(axes.imshow(values.numpy(), cmap="RdBu_r", vmin=-0.1, vmax=0.1, aspect="auto"))
    axes.set_title("1.weight")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def milliseconds(work: Callable[[], object], repeats: int) -> float:
    """The median."""
    times = []
    for _ in range(repeats):
        begun = time.perf_counter()
        work()
        times.append(1000 * (time.perf_counter() - begun))
    return statistics.median(times)


def main() -> None:
    """Measures maps that are enlarged, drawn as they are, and pooled."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=50, help="(default: %(default)s)")
    parser.add_argument("--out", type=Path, help="folder for drawing.txt")
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    lines = [f"{'matrix':>10}{'drawn ms':>10}{'with PNG':>10}{'matplotlib':>12}{'ratio':>8}"]
    for side in SIDES:
        draw = partial(draw_one, scene_of(side))
        draw()
        values = 0.02 * torch.randn(min(side, 256), min(side, 256))
        drawn = milliseconds(draw, args.repeats)
        encoded = milliseconds(lambda draw=draw: draw().png, args.repeats)  # type: ignore[misc]
        theirs = milliseconds(partial(matplotlib_heatmap, values), max(3, args.repeats // 10))
        size = f"{side}×{side}"
        lines.append(f"{size:>10}{drawn:10.1f}{encoded:10.1f}{theirs:12.1f}{f'1/{theirs / encoded:.0f}':>8}")
    text = "\n".join(lines)
    print(text)
    if args.out:
        args.out.mkdir(parents=True, exist_ok=True)
        (args.out / "drawing.txt").write_text(text + "\n")


if __name__ == "__main__":
    main()
