"""See how a network's weights are learned: one callback for PyTorch Lightning, any logger.

The way of one snapshot, room by room (``docs/architecture.md`` has it file by file)::

    callback.py environment.py visualizer.py figure.py settings.py    the doors
    model/      which weights there are, what each is, how it is read
    measure/    tensors in, numpy out, one copy, no wait
    snapshot/   the border: what has left the device
    memory/     what is kept from snapshot to snapshot, in bounded space
    findings/   rules over what is kept: what is wrong, where, since when, and what to try
    views/      a scene in, artifacts out; draw/ puts numpy into pixels
    artifacts.py  the border between views and sinks
    sinks/      artifacts to loggers
    run/        threads, time, errors, checkpoints; registry.py registers views, statistics, rules and sinks
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lightning_weightviz.callback import WeightVisualizationCallback
    from lightning_weightviz.figure import visualize_weights
    from lightning_weightviz.findings import Finding, WeightAlert
    from lightning_weightviz.sinks import register_sink
    from lightning_weightviz.visualizer import WeightVisualizer

__all__ = [
    "Finding",
    "WeightAlert",
    "WeightVisualizationCallback",
    "WeightVisualizer",
    "register_sink",
    "visualize_weights",
]

_HOMES = {
    "Finding": "findings",
    "WeightAlert": "findings",
    "WeightVisualizationCallback": "callback",
    "WeightVisualizer": "visualizer",
    "register_sink": "sinks",
    "visualize_weights": "figure",
}
"""Modules of the public names, each imported when it is asked for: Lightning with the callback alone, as below
TensorFlow what it imports (Triton) can end the process; and the command can be stopped while PyTorch is imported."""


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
