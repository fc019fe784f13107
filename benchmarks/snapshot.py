"""What one look at a network's weights costs, by us and by others, as multiples of reading every weight once.

Run it on a machine with nothing else to do::

    python benchmarks/snapshot.py                       # all models; takes a quarter of an hour
    python benchmarks/snapshot.py --models resnet50 --repeats 9

All run in one process, in turns, so that what slows one slows all; times are medians. The floor is ``torch.aminmax``
of every parameter. *blocked* is the time for which training stands still, *all* is that plus drawing, encoding and
writing; *callback* is what a hand-written Lightning callback takes that does what *add_histogram* and *imshow* do. The
table goes to the screen, and with ``--out`` to a text and a JSON file.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import TensorBoardLogger
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter

from lightning_weightviz import WeightVisualizer

Work = Callable[[], None]


def mlp() -> nn.Module:
    """784-128-64-10."""
    return nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 10))


def gpt2() -> nn.Module:
    """The shapes of the 124 M GPT-2: 12 blocks of width 768, 50,257 tied tokens, 1,024 positions."""
    block = {"ln_1": nn.LayerNorm(768), "attn": nn.Linear(768, 2304), "proj": nn.Linear(768, 768)}
    block |= {"ln_2": nn.LayerNorm(768), "fc": nn.Linear(768, 3072), "out": nn.Linear(3072, 768)}
    tokens = nn.Embedding(50257, 768)
    model = nn.ModuleDict({"wte": tokens, "wpe": nn.Embedding(1024, 768)})
    for index in range(12):
        fresh = {name: type(layer)(*_arguments(layer)) for name, layer in block.items()}
        model[f"h{index}"] = nn.ModuleDict(fresh)
    model["ln_f"] = nn.LayerNorm(768)
    head = nn.Linear(768, 50257, bias=False)
    head.weight = tokens.weight
    model["head"] = head
    return model


def _arguments(layer: nn.Module) -> tuple[int, ...]:
    return (layer.in_features, layer.out_features) if isinstance(layer, nn.Linear) else (768,)


def torchvision_model(name: str) -> Callable[[], nn.Module]:
    """A model of torchvision, untrained."""

    def build() -> nn.Module:
        from torchvision import models

        model: nn.Module = getattr(models, name)()
        return model

    return build


MODELS: dict[str, Callable[[], nn.Module]] = {
    "mlp": mlp,
    "resnet18": torchvision_model("resnet18"),
    "resnet50": torchvision_model("resnet50"),
    "vit_b_16": torchvision_model("vit_b_16"),
    "gpt2": gpt2,
}


def floor(model: nn.Module) -> Work:
    """Reads every weight once."""
    parameters = [parameter.detach() for parameter in model.parameters()]

    def work() -> None:
        for parameter in parameters:
            torch.aminmax(parameter)

    return work


def add_histogram(model: nn.Module, writer: SummaryWriter) -> Work:
    """What Keras' and many a hand-written callback do."""

    def work() -> None:
        for name, parameter in model.named_parameters():
            writer.add_histogram(name, parameter.detach(), 0)
        writer.flush()

    return work


def imshow(model: nn.Module, writer: SummaryWriter) -> Work:
    """What tutorials do, mended so that it runs: no biases, no pyplot, on the CPU."""

    def work() -> None:
        for name, parameter in model.named_parameters():
            if parameter.ndim > 1:
                figure = Figure()
                FigureCanvasAgg(figure)
                figure.subplots().imshow(parameter.detach().flatten(1).numpy(), cmap="viridis", aspect="auto")
                writer.add_figure(name, figure, 0)
        writer.flush()

    return work


class HandWritten(Callback):
    """What people write when they want to see their weights: `add_histogram` and `imshow` at the end of an epoch."""

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Looks at each parameter."""
        writer: SummaryWriter = trainer.logger.experiment  # type: ignore[union-attr]
        add_histogram(pl_module, writer)()
        imshow(pl_module, writer)()


def hand_written(model: nn.Module, folder: Path) -> Work:
    """The hook of a hand-written callback, called as a Trainer would that has nothing else to do."""
    module = LightningModule()
    module.model = model
    trainer = Trainer(accelerator="cpu", logger=TensorBoardLogger(folder), enable_checkpointing=False)
    return partial(HandWritten().on_train_epoch_end, trainer, module)


def wandb_histograms(model: nn.Module, folder: Path, stack: ExitStack) -> Work | None:
    """The histograms of ``wandb.watch``; None where W&B is not installed."""
    if importlib.util.find_spec("wandb") is None:
        return None
    import wandb

    os.environ["WANDB_SILENT"] = "true"
    run = stack.enter_context(wandb.init(mode="offline", dir=str(folder), project="benchmark"))
    history: Any = run._torch

    def work() -> None:
        for name, parameter in model.named_parameters():
            history.log_tensor_stats(parameter.data, name)
        run.log({})

    return work


class Blocked:
    """The default visualizer, drawing in the background; waits for the drawing outside the time that is taken."""

    def __init__(self, model: nn.Module, writer: SummaryWriter) -> None:
        self._visualizer = WeightVisualizer(model, writer)
        self._step = 0

    def __call__(self) -> None:
        """Takes a snapshot."""
        self._visualizer.log(self._step, epoch=self._step)
        self._step += 1

    def settle(self) -> None:
        """Lets the background finish, as an epoch would."""
        self._visualizer.collect(wait=True)


def all_work(model: nn.Module, writer: SummaryWriter) -> Work:
    """The default visualizer, drawing at once, with the event file on disk."""
    visualizer = WeightVisualizer(model, writer, background=False)
    step = 0

    def work() -> None:
        nonlocal step
        visualizer.log(step, epoch=step)
        writer.flush()
        step += 1

    return work


def move(model: nn.Module) -> None:
    """What an epoch does to the weights, in size."""
    with torch.no_grad():
        for parameter in model.parameters():
            noise: Tensor = torch.randn_like(parameter)
            parameter.add_(noise, alpha=0.02 * float(parameter.abs().mean()))


def measure(name: str, repeats: int, slow_repeats: int) -> dict[str, Any]:
    """Medians of all contestants on one model, in seconds, and the bytes of event file a snapshot."""
    torch.manual_seed(0)
    model = MODELS[name]()
    with tempfile.TemporaryDirectory() as temporary, ExitStack() as stack:
        folder = Path(temporary)
        writers = {key: stack.enter_context(SummaryWriter(str(folder / key))) for key in ("ours", "all", "others")}
        blocked = Blocked(model, writers["ours"])
        quick: dict[str, Work] = {"floor": floor(model), "blocked": blocked, "all": all_work(model, writers["all"])}
        slow: dict[str, Work] = {"add_histogram": add_histogram(model, writers["others"])}
        slow["imshow"] = imshow(model, writers["others"])
        slow["callback"] = hand_written(model, folder / "callback")
        watch = wandb_histograms(model, folder, stack)
        if watch is not None:
            slow["wandb"] = watch
        times: dict[str, list[float]] = {key: [] for key in (*quick, *slow)}
        # Two rounds that do not count: the first snapshot knows nothing, and the second has no frames yet.
        for repeat in range(-2, repeats):
            move(model)
            turn = quick if repeat % max(1, repeats // slow_repeats) else {**quick, **slow}
            for key, work in turn.items():
                begun = time.perf_counter()
                work()
                elapsed = time.perf_counter() - begun
                blocked.settle()
                if repeat >= 0:
                    times[key].append(elapsed)
        writers["all"].flush()
        size = sum(path.stat().st_size for path in (folder / "all").iterdir()) / (repeats + 2)
    seconds = {key: statistics.median(values) for key, values in times.items()}
    return {
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "tensors": sum(1 for _ in model.parameters()),
        "seconds": seconds,
        "event_bytes": round(size),
    }


def table(results: dict[str, dict[str, Any]]) -> str:
    """Milliseconds, and multiples of the floor."""
    columns = ["floor", "blocked", "all", "wandb", "add_histogram", "imshow", "callback"]
    lines = ["model       weights  " + "".join(f"{column:>20}" for column in columns) + "   event file"]
    for name, result in results.items():
        seconds = result["seconds"]
        cells = ""
        for column in columns:
            value = seconds.get(column)
            cells += f"{'–':>20}" if value is None else f"{1000 * value:10.1f} ({value / seconds['floor']:6.1f}×)"
        lines.append(f"{name:10} {result['parameters'] / 1e6:7.1f} M {cells}   {result['event_bytes'] / 1e6:.2f} MB")
    return "\n".join(lines)


def processor() -> str:
    """The processor's model where the system tells it, else its architecture."""
    with suppress(OSError), open("/proc/cpuinfo") as lines:
        for line in lines:
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def machine(threads: int) -> dict[str, Any]:
    """What the times were taken on."""
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "threads": threads,
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


def main() -> None:
    """Measures what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=tuple(MODELS), default=list(MODELS))
    parser.add_argument("--repeats", type=int, default=15, help="of what is quick (default: %(default)s)")
    parser.add_argument("--slow-repeats", type=int, default=3, help="of what others do (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="of torch (default: %(default)s)")
    parser.add_argument("--out", type=Path, help="folder for snapshot.txt and snapshot.json")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    results = {name: measure(name, args.repeats, args.slow_repeats) for name in args.models}
    text = table(results)
    print(text)
    if args.out:
        args.out.mkdir(parents=True, exist_ok=True)
        report = {"machine": machine(args.threads), "results": results}
        (args.out / "snapshot.json").write_text(json.dumps(report, indent=2) + "\n")
        (args.out / "snapshot.txt").write_text(text + "\n")


if __name__ == "__main__":
    main()
