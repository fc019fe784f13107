"""Keras' own classes, as far as its files do not tell: what they are kinds of, and what their variables are called."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor

from lightning_weightviz.model.keras_groups import split_key
from lightning_weightviz.model.state_dict import EMBEDDING

Settings = Mapping[str, Any]
"""Of a layer, as its config has them; empty where there is no config."""

_KINDS: Mapping[str, tuple[str, ...]] = {
    "BaseConv": ("Conv1D", "Conv2D", "Conv3D"),
    "BaseConvTranspose": ("Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose"),
    "BaseDepthwiseConv": ("DepthwiseConv1D", "DepthwiseConv2D"),
    "BaseSeparableConv": ("SeparableConv1D", "SeparableConv2D"),
    "Embedding": ("ReversibleEmbedding",),
}
_CELLS = ("LSTMCell", "GRUCell", "SimpleRNNCell", "ConvLSTMCell")
_NORMS = ("LayerNormalization", "GroupNormalization")
ATTENTION = {"MultiHeadAttention", "GroupedQueryAttention"}
_PUBLIC = {"GroupQueryAttention": "GroupedQueryAttention"}
"""Names in configs that are not those of the classes."""

CELL_OF: Mapping[str, str] = {
    **{name: f"{name}Cell" for name in ("LSTM", "GRU", "SimpleRNN")},
    **{f"ConvLSTM{dims}D": "ConvLSTMCell" for dims in (1, 2, 3)},
}
"""The class of the cell that each recurrent layer makes."""
PARTS: Mapping[str, tuple[str, ...]] = {
    "Bidirectional": ("forward_layer", "backward_layer"),
    **dict.fromkeys(ATTENTION, ("query_dense", "key_dense", "gate_dense", "value_dense", "output_dense")),
}
"""The attributes of layers made of others, in the order in which they make them."""

_DIMS: Mapping[str, tuple[int, ...]] = {
    "Dense": (2,),
    "EinsumDense": (1, 2, 3, 4, 5, 6),
    "Embedding": (2,),
    **{name: (3 + index,) for kind in ("BaseConv", "BaseConvTranspose") for index, name in enumerate(_KINDS[kind])},
    **{name: (int(name[-2]) + 2,) for name in (*_KINDS["BaseDepthwiseConv"], *_KINDS["BaseSeparableConv"])},
    **dict.fromkeys(_CELLS[:3], (2,)),
    "ConvLSTMCell": (3, 4, 5),
    "BatchNormalization": (1,),
    **dict.fromkeys(_NORMS, (1, 2, 3)),
    "RMSNormalization": (1, 2, 3),
}
"""How many axes the first variable of a class has."""
_OWNERS = {"Attention", "AdditiveAttention", "Normalization", "PReLU", "ReversibleEmbedding", "SpectralNormalization"}
_OTHERS = {"TimeDistributed", "RNN", "StackedRNNCells", "Sequential", "Functional"}


def snake_case(name: str) -> str:
    """A class's name as Keras makes keys of it.

    >>> snake_case("DepthwiseConv2D"), snake_case("LSTMCell"), snake_case("PReLU")
    ('depthwise_conv2d', 'lstm_cell', 'p_re_lu')
    """
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", name))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


_BY_KEY = {snake_case(name): name for name in (*_DIMS, *CELL_OF, *PARTS, *_OWNERS, *_OTHERS)}


def classes_of(name: str) -> frozenset[str]:
    """The class and what it is a kind of."""
    return frozenset({name, *(kind for kind, members in _KINDS.items() if name in members)})


def named_in(saved: Mapping[str, Any]) -> str:
    """The class that a config names; "" where it names none."""
    name = str(saved.get("class_name") or "")
    return _PUBLIC.get(name, name)


def is_known(name: str) -> bool:
    """Whether a class of this name is one whose variables are known here."""
    return _BY_KEY.get(snake_case(name)) == name


def class_of(key: str, name: str, variables: Sequence[Tensor]) -> str:
    """The class of a layer by its place, its name and its variables' shapes; "" where they do not tell."""
    for hint in (key, re.sub(r"^(forward|backward)_", "", name)):
        found = _BY_KEY.get(split_key(hint)[0].lstrip("_"), "")
        if found and (not variables or variables[0].ndim in _DIMS.get(found, range(9))):
            return found
    return _by_shapes(f"{key} {name}".lower(), [tuple(variable.shape) for variable in variables])


def _by_shapes(hints: str, shapes: Sequence[tuple[int, ...]]) -> str:
    dims = [len(shape) for shape in shapes]
    if dims == [2]:
        return "Embedding" if any(EMBEDDING.search(hint) for hint in hints.split()) else "Dense"
    if dims == [2, 1] and shapes[0][1] == shapes[1][0]:
        return "Dense"
    if dims[:2] == [2, 2] and len(dims) == 3 and shapes[0][1] == shapes[1][1] == shapes[2][-1]:
        gates = {4: "LSTMCell", 3: "GRUCell", 1: "SimpleRNNCell"}
        return gates.get(shapes[1][1] // max(shapes[1][0], 1), "") if shapes[1][1] % max(shapes[1][0], 1) == 0 else ""
    if dims in ([4], [5]) or (dims in ([3, 1], [4, 1], [5, 1]) and shapes[0][-1] == shapes[1][0]):
        return f"Conv{dims[0] - 2}D"
    if dims in ([3, 1], [4, 1], [5, 1]) and shapes[0][-2] == shapes[1][0]:
        return f"Conv{dims[0] - 2}DTranspose"
    if dims == [1] * 4 and len(set(shapes)) == 1:
        return "BatchNormalization"
    if dims == [1, 1] and len(set(shapes)) == 1 and re.search(r"norm|ln", hints):
        return "LayerNormalization"
    return ""


def weight_names(name: str, settings: Settings, variables: Mapping[str, Tensor]) -> dict[str, str]:
    """What the variables of a layer are called, by their key in the file; what is state and no weight is left out.

    A name that the file does not tell is the key.

    Args:
        name: Of the class.
        settings: Of the layer.
        variables: By key, in the order of the file.
    """
    known = next((names for kind, names in _NAMES.items() if kind in classes_of(name)), None)
    keys = [key for key in variables if key.isdecimal()]
    if known is None or len(keys) != len(variables):
        return {key: key for key in variables}
    return {key: one or key for key, one in zip(keys, known(settings, list(variables.values())), strict=False)}


_Names = Callable[[Settings, Sequence[Tensor]], Sequence[str]]


def _with_bias(*kernels: str) -> _Names:
    """Kernels and a bias; what more there is belongs to a quantised kernel."""

    def names(settings: Settings, variables: Sequence[Tensor]) -> Sequence[str]:
        if len(kernels) == 1 and len(variables) > 1 and variables[0].ndim == 1 and variables[1].ndim > 1:
            return ("bias", *kernels)
        plain = len(variables) > len(kernels) and variables[0].is_floating_point()
        biased = settings.get("use_bias", settings.get("bias_axes", plain))
        known = (*kernels, "bias") if biased else kernels
        quantised = "Quantized" in str(settings.get("dtype")) or not all(
            one.is_floating_point() for one in variables[:1]
        )
        # A class of a user's own that goes by Keras' name may have more; it is shown by its number.
        return known if quantised or not settings else (*known, *[""] * (len(variables) - len(known)))

    return names


def _norm(*, states: bool) -> _Names:
    def names(settings: Settings, variables: Sequence[Tensor]) -> Sequence[str]:
        state = (5 if len(variables) > 4 else 2) if states else 0
        learned = len(variables) - state
        if learned > 1 or not settings:
            return ("gamma", "beta") if learned > 1 else ("",) * max(learned, 0)
        return ("gamma" if settings.get("scale", True) or settings.get("rms_scaling") else "beta",)[:learned]

    return names


def _attention(settings: Settings, variables: Sequence[Tensor]) -> Sequence[str]:
    del variables
    scores = ("concat_score_weight",) if settings.get("score_mode") == "concat" else ()
    return (*(("scale",) if settings.get("use_scale", True) else ()), *scores)


def _always(*names: str) -> _Names:
    return lambda settings, variables: names


_NAMES: Mapping[str, _Names] = {
    **dict.fromkeys(("Dense", "EinsumDense", *list(_KINDS)[:3]), _with_bias("kernel")),
    "BaseSeparableConv": _with_bias("depthwise_kernel", "pointwise_kernel"),
    **dict.fromkeys(_CELLS, _with_bias("kernel", "recurrent_kernel")),
    "ReversibleEmbedding": _always("embeddings", "reverse_embeddings"),
    "Embedding": _always("embeddings"),
    "BatchNormalization": _norm(states=True),
    **dict.fromkeys(_NORMS, _norm(states=False)),
    "RMSNormalization": _always("scale"),
    "PReLU": _always("alpha"),
    **dict.fromkeys(("Attention", "AdditiveAttention"), _attention),
    # What these keep of their own is state.
    **dict.fromkeys(("Normalization", "SpectralNormalization"), _always()),
}
