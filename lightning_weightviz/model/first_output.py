"""The first output that a module gives in training, whose loss tells which layers give the classes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn


class FirstOutput:
    """Waits on a module for its first output in training.

    A copy of the module, as for a moving average of its weights, waits for nothing.

    Args:
        module: To wait on.
        see: Called once with the output.
    """

    def __init__(self, module: nn.Module, see: Callable[[Any], None]) -> None:
        self._see: Callable[[Any], None] | None = see
        self._handle: Any = module.register_forward_hook(self)

    def __call__(self, module: nn.Module, inputs: Any, output: Any) -> None:
        """As a hook of the module."""
        see = self._see
        if see is not None and module.training:
            self.remove()
            see(output)

    def remove(self) -> None:
        """Waits no longer."""
        self._see = None
        if self._handle is not None:
            self._handle.remove()

    def __getstate__(self) -> dict[str, None]:
        """Who waits has loggers and threads, which would make the module one that cannot be copied."""
        return {"_see": None, "_handle": None}
