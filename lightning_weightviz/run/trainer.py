"""Where a ``transformers.Trainer`` is in its training, and what it does not tell its callbacks.

The latter is read from the calls that lead to them.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

NEWEST = 4
"""Entries of the log that are looked at."""


def callbacks_with(callback: Any) -> Sequence[Any]:
    """All callbacks of the Trainer that calls this one, in their order; it alone where no Trainer does."""
    for names in _callers():
        handler = names.get("self")
        callbacks = getattr(handler, "callbacks", None)
        if type(handler).__name__ == "CallbackHandler" and any(one is callback for one in callbacks or ()):
            return list(callbacks)  # type: ignore[arg-type]  # as something is in it
    return [callback]


def facts(
    optimizers: Sequence[Any], args: Any, state: Any
) -> tuple[Sequence[Any], Mapping[str, Any], int | None, int | None, int | None]:
    """The optimizers, the last metrics that were logged, and how many epochs are to be, steps in each, the last step.

    Of a training that ends within an epoch the steps alone are known.
    """
    # Losses of training and of validation are logged one after the other.
    logged = {name: value for entry in state.log_history[-NEWEST:] for name, value in entry.items()}
    steps, epochs = state.max_steps or None, state.num_train_epochs
    # Where the user says how many steps, the Trainer counts the epochs that begin in them.
    if args.max_steps > 0 or args.num_train_epochs != epochs or not epochs or not steps:
        return optimizers, logged, None, None, steps
    return optimizers, logged, epochs, steps // epochs, steps


def resumed_checkpoint() -> Path | None:
    """The folder that the calling Trainer resumes from; None where it does not."""
    for names in _callers():
        path = names.get("resume_from_checkpoint")
        if isinstance(path, (str, os.PathLike)):
            return Path(path)
    return None


def last_checkpoint(args: Any, state: Any) -> Path | None:
    """The folder that the training goes on from; None where it begins."""
    return (resumed_checkpoint() or checkpoint(args, state)) if state.global_step else None


def state_file(callback: Any, callbacks: Sequence[Any], kind: type) -> str:
    """What a callback's file in a checkpoint is called, by its order among the callbacks of a kind."""
    order = [one for one in callbacks if isinstance(one, kind)].index(callback)
    return f"weightviz-{order}.pt" if order else "weightviz.pt"


def gradient_scale(args: Any, optimizer: Any) -> float:
    """By what gradients are still multiplied just before a step; who clips them has divided them."""
    scaler = None if args.max_grad_norm else getattr(optimizer, "scaler", None)
    return 1.0 if scaler is None else float(scaler.get_scale())


def checkpoint(args: Any, state: Any) -> Path:
    """The folder of the checkpoint of the step that the training is at."""
    return Path(args.output_dir, f"checkpoint-{state.global_step}")


def whole_epochs(state: Any) -> int:
    """Epochs finished; the Trainer adds up fractions."""
    return math.floor((state.epoch or 0) + 1e-6)


def begun_epochs(state: Any) -> int:
    """The same, with one that was cut short."""
    return math.ceil((state.epoch or 0) - 1e-6)


def epochs_after_step(args: Any, state: Any, batches: Any) -> int | None:
    """Epochs finished after the coming optimizer step; None where it ends none, as far as one can know before.

    Args:
        args: The Trainer's.
        state: The Trainer's.
        batches: Its loader; one without a length is one epoch.
    """
    try:
        steps = max(1, math.ceil(len(batches) / args.gradient_accumulation_steps))
    except TypeError:
        steps = max(1, state.max_steps)
    after = state.global_step + 1
    return math.ceil(after / steps) if after % steps == 0 or after >= state.max_steps else None


def _callers() -> Iterator[Mapping[str, Any]]:
    """The names in each function that led here, the nearest first."""
    frame = sys._getframe(1)
    while frame.f_back is not None:
        frame = frame.f_back
        yield frame.f_locals
