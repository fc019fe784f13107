"""What the classes are called, where the data says so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def class_names_of(datamodule: Any, dataloader: Any) -> Sequence[str]:
    """Those of the data module, else of the loader's data set, under the names that torchvision uses; else none."""
    sources: list[Any] = [datamodule]
    dataset = getattr(dataloader, "dataset", None)
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
