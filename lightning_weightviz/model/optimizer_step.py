"""The last optimizer step before a snapshot: foreseen, watched and measured."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class WatchedStep:
    """Waits for one step of an optimizer.

    An optimizer says itself when it has stepped, where it can: one that the gradient scaler skips is none. What stands
    in for an optimizer, such as a wrapper, may not say it: its step then is over when the batch is.

    Args:
        optimizer: Whose next step is waited for.
        after: Called once, just after it.

    Attributes:
        is_over: Whether the step was taken.
    """

    def __init__(self, optimizer: Any, after: Callable[[], None]) -> None:
        self.is_over = False
        self._after = after
        self._handle: Any = None
        try:
            self._handle = optimizer.register_step_post_hook(self._stepped)
        except Exception:
            # It has no such hook, or one that was never set up.
            self._handle = None

    def _stepped(self, *_: object) -> None:
        if not self.is_over:
            self.is_over = True
            self._after()

    def end(self) -> None:
        """The batch is over: takes the hook off the optimizer, or takes the step as taken."""
        if self._handle is None:
            self._stepped()
        self.remove()

    def remove(self) -> None:
        """Takes the hook off the optimizer."""
        if self._handle is not None:
            self._handle.remove()


class StepForecast:
    """Foresees whether a batch is the last before a snapshot, from how many steps the batches before took.

    Attributes:
        global_step: Optimizer steps so far.
    """

    def __init__(self, global_step: int = 0) -> None:
        self.global_step = global_step
        self._per_batch = 1

    def advance(self, global_step: int) -> int:
        """A batch has ended; returns the steps before it."""
        before, self.global_step = self.global_step, global_step
        self._per_batch = max(1, global_step - before)
        return before

    def after_this_batch(self, global_step: int) -> int:
        """Steps when this batch will have ended, as far as one can know while the optimizer is at `global_step`."""
        return max(global_step + 1, self.global_step + self._per_batch)


def parameters_of(optimizer: Any) -> list[Any]:
    """All parameters of an optimizer, or of anything with ``param_groups`` like one."""
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


def loss_scale(scaler: Any, optimizer: Any) -> float:
    """What gradients are still multiplied by: fused optimizers divide by it themselves, in their step."""
    fused = getattr(optimizer, "_step_supports_amp_scaling", False)
    return float(scaler.get_scale()) if scaler is not None and fused else 1.0
