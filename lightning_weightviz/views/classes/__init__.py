"""The head, class by class."""

from lightning_weightviz.views.classes.view import classes

__all__ = ["classes"]
