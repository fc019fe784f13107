"""The graph that a config of Keras' tells of: what feeds what, what comes in, and which loss the outputs go into."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lightning_weightviz.model.keras_parts import settings_of
from lightning_weightviz.model.keras_saved import History, SavedLayer


@dataclass(frozen=True)
class Made:
    """A layer of a graph.

    Attributes:
        saved: What the config tells of it.
        layer: What was made of it.
    """

    saved: Mapping[str, Any]
    layer: SavedLayer


def connect(model: SavedLayer, members: Sequence[Made], settings: Mapping[str, Any]) -> None:
    """Says what feeds each layer of a model and what the model gives: of a chain, or by its config.

    Args:
        model: That holds them.
        members: Its layers and operations, in order.
        settings: Of the model.
    """
    if "output_layers" not in settings:
        last: tuple[History, ...] = ()
        for one in members:
            # A layer may be in several models, and is fed once in each.
            one.layer.call(*last)
            last = (History(one.layer, one.layer.calls - 1, 0),)
        model.give(*last)
        return
    named = {str(one.saved.get("name")): (one.layer, one.layer.calls) for one in members}
    for one in members:
        for node in one.saved.get("inbound_nodes") or [[]]:
            one.layer.call(*_histories(node, named))
    outputs = list(_sources(settings["output_layers"]))
    model.output_names = [name for name, _, _ in outputs]
    model.give(*_histories(settings["output_layers"], named))


def input_shape_of(settings: Mapping[str, Any]) -> tuple[int | None, ...] | None:
    """(batch, …) of a model with one input; None where it is not known."""
    layers = [one for one in settings.get("layers") or () if isinstance(one, Mapping)]
    names = {name for name, _, _ in _sources(settings.get("input_layers"))}
    if names:
        inputs = [one for one in layers if one.get("name") in names]
        given = settings_of(inputs[0]).get("batch_shape") if len(inputs) == 1 else None
    else:
        first = settings_of(layers[0]).get("batch_shape") if layers else None
        given = first or settings.get("build_input_shape")
    return tuple(given) if isinstance(given, list) else None


def loss_of(saved: Mapping[str, Any]) -> Any:
    """What a model was compiled with, as names of losses: one, one an output, or by output."""
    compiled = saved.get("compile_config")
    return _named(compiled.get("loss")) if isinstance(compiled, Mapping) else None


def _named(loss: Any) -> Any:
    if isinstance(loss, Mapping) and "class_name" in loss:
        # A function is one of the class "function", and its name is all that is kept of it.
        return loss["config"] if isinstance(loss.get("config"), str) else str(loss["class_name"])
    if isinstance(loss, Mapping):
        return {name: _named(one) for name, one in loss.items()}
    if isinstance(loss, list):
        return [_named(one) for one in loss]
    return loss if isinstance(loss, str) else None


def _histories(value: Any, named: Mapping[str, tuple[SavedLayer, int]]) -> Iterator[History]:
    """Calls by name and number, as numbers of all calls of a layer."""
    for name, node, tensor in _sources(value):
        layer, before = named[name]
        yield History(layer, before + node, tensor)


def _sources(value: Any) -> Iterator[tuple[str, int, int]]:
    """Every (layer, call, output) that is named in what feeds a layer, in order."""
    if isinstance(value, Mapping):
        if value.get("class_name") == "__keras_tensor__":
            yield from _sources(settings_of(value)["keras_history"])
        else:
            for one in value.values():
                yield from _sources(one)
    elif isinstance(value, list):
        match value:
            case [str(name), int(node), int(tensor), *_]:
                yield name, node, tensor
            case _:
                for one in value:
                    yield from _sources(one)
