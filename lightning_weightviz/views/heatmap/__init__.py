"""Heatmaps: the weights themselves."""

from lightning_weightviz.views.heatmap.view import heatmap

__all__ = ["heatmap"]
