"""Which group of a file of Keras' is which layer of its config, and what else of a layer lies in its group."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lightning_weightviz.model.keras_classes import CELL_OF, PARTS, Settings, named_in, snake_case
from lightning_weightviz.model.keras_groups import Group

LISTS = ("layers", "_layer_checkpoint_dependencies")
"""Where models keep their layers; the second as TensorFlow 2.12 did."""
_METRIC = re.compile(r"loss|tracker|metric|accuracy|^auc")


def settings_of(saved: Mapping[str, Any]) -> Settings:
    """Of a layer that a config describes."""
    config = saved.get("config")
    return config if isinstance(config, Mapping) else {}


def is_operation(saved: Mapping[str, Any]) -> bool:
    """Whether it is a function in a graph, which is no layer and has no group."""
    return str(saved.get("module")).startswith(("keras.src.ops", "keras.ops"))


def paired(described: Sequence[Mapping[str, Any]], inner: Group) -> Iterator[Mapping[str, Any]]:
    """Adds to each layer of a config the key of its group: by name; where the file has none, as Keras numbers them."""
    by_name = {group.name: key for key, group in inner.below.items() if group.name}
    counts: dict[str, int] = {}
    for saved in described:
        if is_operation(saved):
            yield saved
            continue
        base = snake_case(named_in(saved))
        counts[base] = counts.get(base, -1) + 1
        numbered = f"{base}_{counts[base]}" if counts[base] else base
        name = settings_of(saved).get("name")
        yield {**saved, "key": by_name.get(str(name), "" if by_name else numbered)}


def parts_of(
    name: str, rest: Mapping[str, Group], settings: Settings
) -> Iterator[tuple[str, Group, Mapping[str, Any]]]:
    """What else is in a layer: key, group and description of each part, in the order of Keras' own layers."""
    order = PARTS.get(name, ())
    keys = sorted(rest, key=lambda key: order.index(key.lstrip("_")) if key.lstrip("_") in order else len(order))
    for key in keys:
        group = rest[key]
        if is_state(key, group):
            continue
        if not group.is_layer and not _looks_like_layer(key, group):
            described = settings.get(key)
            saved = [one for one in described if isinstance(one, Mapping)] if isinstance(described, list) else []
            found = {str(one.get("key")): one for one in paired(saved, group)}
            for inner, below in group.below.items():
                yield inner, below, found.get(inner, {})
            continue
        yield key, group, _part(name, key, settings)


def _part(name: str, key: str, settings: Settings) -> Mapping[str, Any]:
    """What the config of a layer tells of a part of it."""
    if key == "cell" and name in CELL_OF:
        return {"class_name": CELL_OF[name], "config": {**settings, "name": None}}
    described = settings.get("layer" if name == "Bidirectional" else key)
    if name == "Bidirectional" and key == "backward_layer":
        described = settings.get(key) or described
    if not isinstance(described, Mapping) or "class_name" not in described:
        return {}
    if name != "Bidirectional":
        return described
    # Both are made anew of the layer that was given.
    direction = key.partition("_")[0]
    inner = settings_of(described)
    called = f"{direction}_{str(inner.get('name', '')).removeprefix(f'{direction}_')}"
    return {"class_name": described["class_name"], "config": {**inner, "name": called}}


def _looks_like_layer(key: str, group: Group) -> bool:
    """In a file of an old version, where layers without variables have no place for them."""
    return key not in LISTS and key != "cells" and not any(one.name for one in _all(group)) and bool(group.below)


def _all(group: Group) -> Iterator[Group]:
    yield group
    for below in group.below.values():
        yield from _all(below)


def is_state(key: str, group: Group) -> bool:
    """Whether it is an optimizer's or a metric's."""
    variables = list(group.variables.values())
    # An optimizer begins with the steps that it took and its learning rate.
    counts = len(variables) > 1 and not variables[0].is_floating_point() and variables[0].ndim == variables[1].ndim == 0
    small = bool(variables) and not group.below and all(one.ndim < 2 for one in variables)
    return key == "optimizer" or counts or (small and _METRIC.search(key) is not None)
