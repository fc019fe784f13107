"""What the classes are called: by the user, by the data, else by number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from lightning_weightviz.model.class_head import HeadSite
from lightning_weightviz.model.sites import places_in
from lightning_weightviz.run.errors import ArgumentError

MOST_WRAPPERS = 32
"""Data sets in one another that are looked into: one that answers to every name has no innermost one."""


def class_names_of(datamodule: Any, dataloader: Any) -> Sequence[str]:
    """Those of the data module, else of the loader's data set, under the names that torchvision uses; else none."""
    sources: list[Any] = [datamodule]
    dataset = getattr(dataloader, "dataset", None)
    # A subset holds its data set, and a wrapper may hold itself.
    while dataset is not None and len(sources) <= MOST_WRAPPERS and not any(dataset is source for source in sources):
        sources.append(dataset)
        dataset = getattr(dataset, "dataset", None)
    for source in sources:
        for attribute in ("class_names", "classes"):
            names = getattr(source, attribute, None)
            if isinstance(names, (list, tuple)) and names and all(isinstance(name, str) for name in names):
                return names
    return ()


def names_of_config(config: Any) -> Sequence[str]:
    """Those of ``id2label`` in a configuration of transformers; none where they are numbers in words, ``LABEL_0``."""
    labels = getattr(config, "id2label", None)
    if not isinstance(labels, Mapping) or {str(key) for key in labels} != {str(key) for key in range(len(labels))}:
        return ()
    names = [str(name) for _, name in sorted(labels.items(), key=lambda item: int(item[0]))]
    return () if all(name == f"LABEL_{index}" for index, name in enumerate(names)) else names


def fitting_names(names: Sequence[str] | None, head: HeadSite) -> tuple[str, ...] | None:
    """One name per row of a head; None where they are not one per row.

    One output decides between two classes, and its row is the second one's.
    """
    if names is None or len(names) == head.classes:
        return None if names is None else tuple(names)
    return (names[1],) if head.classes == 1 and len(names) == 2 else None


def check_class_names(names: Sequence[str] | None, heads: Sequence[HeadSite], model: nn.Module | None = None) -> None:
    """Refuses the user's names where they fit no head.

    Args:
        names: None is fine.
        heads: The layers whose rows are the classes, as far as they are known.
        model: Given while the heads are no more than a guess: names that fit another weight of it are let pass.

    Raises:
        ArgumentError: There are heads, and the names are not as many as the classes of any of them.
    """
    if names is None or not heads or any(fitting_names(names, head) for head in heads):
        return
    if model is None or not any(place.may_have_outputs(len(names)) for place in places_in(model)):
        rows = " or ".join(f"{head.classes} rows of {head.name!r}" for head in heads)
        raise ArgumentError(
            f"class_names must hold one name for each of the {rows}, got {len(names)} names: {tuple(names)!r}"
        )
