"""What the classes are called, where the data says so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lightning.pytorch import Trainer


def class_names_of(trainer: Trainer) -> Sequence[str]:
    """Those of the data module, else of the data set, under the names that torchvision uses; else none."""
    sources: list[Any] = [getattr(trainer, "datamodule", None)]
    dataset = getattr(trainer.train_dataloader, "dataset", None)
    # A subset holds its data set, and a wrapper may hold itself.
    while dataset is not None and not any(dataset is source for source in sources):
        sources.append(dataset)
        dataset = getattr(dataset, "dataset", None)
    for source in sources:
        for attribute in ("class_names", "classes"):
            names = getattr(source, attribute, None)
            if isinstance(names, (list, tuple)) and names and all(isinstance(name, str) for name in names):
                return names
    return ()
