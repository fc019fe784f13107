"""Which layers of a Keras model give its answers, and whether these are classes: by its graph and compiled loss."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lightning_weightviz.model.class_head import can_be_head
from lightning_weightviz.model.evidence import Answers, Trace
from lightning_weightviz.model.mirror import Mirror

_LOSSES: tuple[tuple[re.Pattern[str], Answers | None], ...] = (
    (re.compile(r"binary(focal)?crossentropy|^(squared)?hinge"), "labels"),
    (re.compile(r"categorical|^ctc|^kl"), "classes"),
    (re.compile(r"^(mean|mse|mae|msle|mape|huber|logcosh|poisson|cosine)"), None),
)
"""What the outputs are that go into a loss of such a name; None: values to be near to."""
_ACTIVATIONS: Mapping[str, Answers] = {
    "softmax": "classes",
    "log_softmax": "classes",
    "sigmoid": "labels",
    "hard_sigmoid": "labels",
}
_Meaning = tuple[Answers | None] | None
"""What outputs are, in a tuple where it is known."""


def answers_of(model: Any, mirrors: Mapping[int, Mirror]) -> Trace | None:
    """The layers that give the outputs of a model, with what these are; None where nothing tells what they are.

    The compiled loss comes before the last activation, which an autoencoder too may have.

    Args:
        model: A Keras model.
        mirrors: Of its layers, by their ``id``.
    """
    found: list[tuple[Any, Answers]] = []
    known = False
    for index, name, layers in _outputs(model, mirrors):
        meaning = _of_loss(_loss(model, index, name))
        for layer, activation in layers:
            this = meaning or _of_activation(activation)
            known = known or this is not None
            weight = mirrors[id(layer)]._parameters["kernel"]
            if this is not None and this[0] is not None and all(weight is not one for one, _ in found):
                found.append((weight, this[0]))
    if not known and _of_loss(_loss(model, 0, "")) == (None,):
        return Trace((), is_clear=True)
    return Trace(tuple(found), is_clear=True) if known else None


_Layers = list[tuple[Any, str]]


def _outputs(model: Any, mirrors: Mapping[int, Mirror]) -> Iterator[tuple[int, str, _Layers]]:
    """Index and name of each output, and the layers that give it, each with the name of the last activation."""
    history = _histories(model)
    names: Sequence[str] = getattr(model, "output_names", None) or ()
    if history:
        for index, one in enumerate(history):
            yield index, names[index] if index < len(names) else "", _back(one, "", mirrors, set())
        return
    # A model that is Python alone does not say what comes last: the last layer that can be it.
    last = [layer for layer in model._flatten_layers(include_self=True) if _is_head(layer, mirrors)][-1:]
    yield 0, "", [(layer, _activation(layer)) for layer in last]


def _histories(model: Any) -> list[Any]:
    """Where each output of a model comes from: of a graph or a Sequential; else empty."""
    inner = getattr(model, "_functional", None) or model
    outputs = getattr(inner, "_outputs", None) or []
    return [one._keras_history for one in outputs if hasattr(one, "_keras_history")]


def _back(history: Any, activation: str, mirrors: Mapping[int, Mirror], seen: set[tuple[int, int]]) -> _Layers:
    """Walks back over operations without weights to the layers that have some."""
    operation = history.operation
    if (id(operation), history.node_index) in seen:
        return []
    seen.add((id(operation), history.node_index))
    activation = activation or _activation(operation)
    if _is_head(operation, mirrors):
        return [(operation, activation)]
    inner = _histories(operation)
    if inner:
        return _back(inner[min(history.tensor_index, len(inner) - 1)], activation, mirrors, seen)
    wrapped = getattr(operation, "layer", None)
    if _is_head(wrapped, mirrors):
        return [(wrapped, activation or _activation(wrapped))]
    mirror = mirrors.get(id(operation))
    if mirror is not None and any(True for _ in mirror.parameters()):
        return []
    node = operation._inbound_nodes[history.node_index]
    before = [one._keras_history for one in node.input_tensors]
    return [found for one in before for found in _back(one, activation, mirrors, seen)]


def _is_head(layer: Any, mirrors: Mapping[int, Mirror]) -> bool:
    mirror = mirrors.get(id(layer))
    return mirror is not None and can_be_head(mirror)


def _activation(layer: Any) -> str:
    """The name of what a layer does at its end; "" where it changes nothing that tells answers from values."""
    activation = getattr(layer, "activation", None)
    name = getattr(activation, "__name__", "") or ""
    if not activation and type(layer).__name__ in ("Softmax", "Sigmoid"):
        name = type(layer).__name__.lower()
    return "" if name == "linear" else name


def _of_activation(name: str) -> _Meaning:
    return (_ACTIVATIONS[name],) if name in _ACTIVATIONS else None


def _loss(model: Any, index: int, name: str) -> Any:
    """The compiled loss of one output."""
    loss = getattr(model, "loss", None)
    if isinstance(loss, Mapping):
        return loss.get(name)
    if isinstance(loss, (list, tuple)):
        return loss[index] if index < len(loss) else None
    return loss


def _of_loss(loss: Any) -> _Meaning:
    """What a loss takes its input for; None where its name does not say."""
    inner = getattr(loss, "fn", None)
    name = loss if isinstance(loss, str) else getattr(loss, "__name__", "") or type(loss).__name__
    for one in (name, getattr(inner, "__name__", "")):
        plain = one.lower().replace("_", "")
        for pattern, meaning in _LOSSES:
            if pattern.search(plain):
                return (meaning,)
    return None
