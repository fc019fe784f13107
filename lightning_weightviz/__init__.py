"""See how a network's weights are learned: one callback for PyTorch Lightning, any logger."""

from lightning_weightviz.alerts import WeightAlert
from lightning_weightviz.callback import WeightVisualizationCallback
from lightning_weightviz.figure import visualize_weights
from lightning_weightviz.sinks import register_sink
from lightning_weightviz.visualizer import WeightVisualizer

__all__ = ["WeightAlert", "WeightVisualizationCallback", "WeightVisualizer", "register_sink", "visualize_weights"]
