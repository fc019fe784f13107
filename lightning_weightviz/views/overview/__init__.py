"""The overview: all layers on one picture."""

from lightning_weightviz.views.overview.view import overview

__all__ = ["overview"]
