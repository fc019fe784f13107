"""One step of an optimizer, watched: whether it was taken, and what to do just after it."""

from __future__ import annotations

from collections.abc import Callable

from torch.optim import Optimizer


class WatchedStep:
    """Waits for one step, which the optimizer itself tells of: one that the gradient scaler skips is none.

    Args:
        optimizer: Whose next step is waited for.
        after: Called once, just after it.

    Attributes:
        is_over: Whether the step was taken.
    """

    def __init__(self, optimizer: Optimizer, after: Callable[[], None]) -> None:
        self._after = after
        self._handle = optimizer.register_step_post_hook(self._stepped)
        self.is_over = False

    def _stepped(self, *_: object) -> None:
        if not self.is_over:
            self.is_over = True
            self._after()

    def remove(self) -> None:
        """Takes the hook off the optimizer."""
        self._handle.remove()
