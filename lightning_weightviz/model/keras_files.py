"""Models in files of Keras 3: `.keras` tells what its layers are; of `.weights.h5`, keys and shapes have to.

Keras is not imported, and nothing in a file is run: a config names classes, and they stay names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from lightning_weightviz.model.keras_archive import CONFIG, open_archive
from lightning_weightviz.model.keras_classes import (
    ATTENTION,
    CELL_OF,
    PARTS,
    Settings,
    class_of,
    classes_of,
    is_known,
    named_in,
    weight_names,
)
from lightning_weightviz.model.keras_graph import Made, connect, input_shape_of, loss_of
from lightning_weightviz.model.keras_groups import Group, groups_in
from lightning_weightviz.model.keras_parts import LISTS, is_operation, is_state, paired, parts_of, settings_of
from lightning_weightviz.model.keras_saved import SavedLayer, SavedVariable, made

_NOTHING = Group("", {}, {}, True, 0)


def read_keras(path: Path) -> SavedLayer:
    """Reads a model from a ``.keras`` or a ``.weights.h5`` file; its values stay there until they are asked for.

    Raises:
        ValueError: The file is damaged, was not written by Keras 3, or points outside of itself.
        ImportError: h5py is not installed.
    """
    archive = open_archive(path)
    groups = groups_in(archive)
    below = {key: one for key, one in groups.below.items() if not is_state(key, one)}
    groups = replace(groups, below=below)
    try:
        model = _Reader().layer(groups, "", archive.config or {}, True)
    except (LookupError, TypeError, AttributeError, ValueError, RecursionError) as error:
        raise ValueError(f"{path}: its {CONFIG} is damaged: {type(error).__name__}: {error}") from error
    if archive.config is not None:
        settings = settings_of(archive.config)
        model.input_shape = input_shape_of(settings)
        model.loss = loss_of(archive.config)
        model.channels_last = _data_format(settings) != "channels_first"
    return model


class _Reader:
    """Makes each layer once.

    Attributes:
        shared: Layers that are in several places, by Keras' number of them.
    """

    def __init__(self) -> None:
        self.shared: dict[int, SavedLayer] = {}

    def layer(self, group: Group, key: str, saved: Mapping[str, Any], trainable: bool, above: str = "") -> SavedLayer:
        """The layer of a group.

        Args:
            group: What the file has of it.
            key: Of the group.
            saved: Its class and settings; empty where they are not known.
            trainable: Whether what holds it is trained.
            above: The class that holds it.
        """
        number = saved.get("shared_object_id")
        if number in self.shared:
            return self.shared[number]
        settings, told = settings_of(saved), named_in(saved)
        # Of a class of a user's own, what it is like has to be guessed too.
        name = told if is_known(told) else _guessed(group, key, above) or told
        trainable = bool(settings.get("trainable", trainable))
        called = group.name or str(settings.get("name") or "") or key.lstrip("_") or "model"
        layer = made(told or name or "Layer")(called)
        layer.classes, layer.groups = classes_of(name), _whole(settings.get("groups"))
        layer.equation = _equation(group, key, settings, above)
        if name == "EinsumDense" and not layer.equation:
            # Which of its axes are outputs is not known.
            layer.classes = frozenset()
        layer.activation = _activation(settings.get("activation"))
        if isinstance(number, int):
            self.shared[number] = layer
        names = weight_names(name, settings, group.variables)
        layer.own(*(SavedVariable(names[one], group.variables[one], trainable) for one in names))
        self._fill(layer, name, group, settings, trainable)
        return layer

    def _fill(self, layer: SavedLayer, name: str, group: Group, settings: Settings, trainable: bool) -> None:
        """Reads the layers in a layer."""
        rest = dict(group.below)
        described = [one for one in settings.get("layers") or () if isinstance(one, Mapping) and "class_name" in one]
        if described:
            inner = next((rest.pop(one) for one in LISTS if one in rest), _NOTHING)
            found = [Made(one, self._described(one, inner, trainable)) for one in paired(described, inner)]
            layer.hold(*(one.layer for one in found if not is_operation(one.saved)))
            connect(layer, found, settings)
            missed = inner.below.keys() - {one.saved.get("key") for one in found}
            layer.hold(*(self.layer(inner.below[key], key, {}, trainable, name) for key in sorted(missed)))
        for key, part, saved in parts_of(name, rest, settings):
            child = self.layer(part, key, saved, trainable, name)
            layer.hold(child)
            if key == "layer":
                layer.layer = child

    def _described(self, saved: Mapping[str, Any], inner: Group, trainable: bool) -> SavedLayer:
        key = str(saved.get("key", ""))
        return self.layer(inner.below.get(key, _NOTHING), key, saved, trainable)


def _guessed(group: Group, key: str, above: str) -> str:
    if key == "cell" and above in CELL_OF:
        return CELL_OF[above]
    if above in ATTENTION and key.lstrip("_") in PARTS[above]:
        return "EinsumDense"
    if {"query_dense", "key_dense", "value_dense"} <= {one.lstrip("_") for one in group.below}:
        return "MultiHeadAttention"
    return class_of(key, group.name, list(group.variables.values()))


def _equation(group: Group, key: str, settings: Settings, above: str) -> str:
    """Of an EinsumDense; of one in an attention layer, which its config does not tell, by its place there."""
    given = settings.get("equation")
    if isinstance(given, str):
        return given
    dims = next((one.ndim for one in group.variables.values() if one.ndim > 1), 0)
    if above not in ATTENTION or dims < 3:
        return ""
    axes = "abcdefgh"[:dims]
    inputs = axes[:2] if key.lstrip("_") == "output_dense" else axes[:1]
    return f"x{inputs},{axes}->x{axes[len(inputs) :]}"


def _activation(given: Any) -> Any:
    """A function's name; of a layer or a class of a user's, its own."""
    if isinstance(given, Mapping):
        given = given.get("config") if isinstance(given.get("config"), str) else given.get("class_name")
    return SimpleNamespace(__name__=given) if isinstance(given, str) else None


def _whole(value: Any) -> int:
    return value if isinstance(value, int) else 1


def _data_format(value: Any) -> str | None:
    """The first that a layer of a model names."""
    if isinstance(value, Mapping):
        given = value.get("data_format")
        if isinstance(given, str):
            return given
        value = list(value.values())
    return next((one for one in map(_data_format, value) if one), None) if isinstance(value, list) else None
