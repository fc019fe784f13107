"""Keras models as modules: names, order of axes, what is trained, heads. With the backend of PyTorch."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from lightning_weightviz import visualize_weights
from lightning_weightviz.measure import Meter
from lightning_weightviz.model.keras_model import Mirrored, is_keras_model, mirror_of_model
from lightning_weightviz.model.selection import Choice, Selection, select
from lightning_weightviz.snapshot import Parameter
from lightning_weightviz.views.support.words import axis_words, describe, norm_words, unused_words

os.environ.setdefault("KERAS_BACKEND", "torch")
keras: Any = pytest.importorskip("keras", reason="keras is not installed")
if keras.config.backend() != "torch":
    pytest.skip("Keras computes with another backend here; tests/frameworks has a process for each", True)
layers = keras.layers


def selection(model: Any, **choice: Any) -> Selection:
    mirrored = mirror_of_model(model)
    return select(mirrored.module, Choice(input_shape=mirrored.input_shape, **choice), trace=mirrored.trace)


def parameters(model: Any) -> dict[str, Parameter]:
    return {site.parameter.name: site.parameter for site in selection(model).sites}


def heads(model: Any) -> list[tuple[str, int, bool]]:
    return [(head.name, head.classes, head.multi_label) for head in selection(model).heads]


def functional(build: Any, *shape: int) -> Any:
    inputs = keras.Input(shape)
    return keras.Model(inputs, build(inputs))


def mlp(**options: Any) -> Any:
    return keras.Sequential(
        [
            keras.Input((784,)),
            layers.Dense(16, activation="relu", name="fc1"),
            layers.Dense(10, name="fc2", **options),
        ]
    )


def values(mirrored: Mirrored, name: str) -> np.ndarray[Any, Any]:
    return dict(mirrored.module.named_parameters())[name].detach().numpy()


def test_only_keras_own_are_keras_models() -> None:
    assert is_keras_model(mlp()) and is_keras_model(layers.Dense(3))
    others: list[object] = [nn.Linear(2, 2), {}, "model.keras", None, keras]
    assert not any(is_keras_model(thing) for thing in others)


def test_a_model_is_drawn_like_pytorchs_with_the_weights_transposed() -> None:
    model = mlp(activation="softmax")
    twin = nn.Sequential()
    twin.add_module("fc1", nn.Linear(784, 16))
    twin.add_module("fc2", nn.Linear(16, 10))
    for layer, (kernel, bias) in zip(twin, (layer.get_weights() for layer in model.layers), strict=True):
        assert isinstance(layer, nn.Linear)
        layer.weight, layer.bias = nn.Parameter(torch.from_numpy(kernel.T.copy())), nn.Parameter(torch.from_numpy(bias))
    mine, theirs = visualize_weights(model, "fc1"), visualize_weights(twin, "fc1")
    assert [axes.get_label() for axes in mine.axes] == ["weights.heatmap/fc1.kernel", "weights.heatmap/fc1.bias"]
    for axes, other in zip(mine.axes, theirs.axes, strict=True):
        page, expected = (np.asarray(one.images[0].get_array()) for one in (axes, other))
        np.testing.assert_array_equal(page[72:], expected[72:])


def test_values_are_shared_and_outputs_come_first() -> None:
    model = functional(
        lambda x: layers.Conv2DTranspose(5, 2, name="up")(
            layers.DepthwiseConv2D(3, depth_multiplier=2, name="each")(layers.Conv2D(6, 3, name="conv")(x))
        ),
        9,
        9,
        3,
    )
    mirrored = mirror_of_model(model)
    conv, each, up = (model.get_layer(name).get_weights()[0] for name in ("conv", "each", "up"))
    np.testing.assert_array_equal(values(mirrored, "conv.kernel"), np.einsum("hwio->oihw", conv))
    np.testing.assert_array_equal(values(mirrored, "up.kernel"), np.einsum("hwoi->iohw", up))
    expected = np.einsum("hwim->imhw", each).reshape(12, 1, 3, 3)
    np.testing.assert_array_equal(values(mirrored, "each.kernel"), expected)
    found = parameters(model)
    assert {name: (p.own_shape, p.layout, p.units_axis) for name, p in found.items() if "kernel" in name} == {
        "conv.kernel": ((3, 3, 3, 6), "filters", 0),
        "each.kernel": ((3, 3, 6, 2), "filters", 0),
        "up.kernel": ((2, 2, 5, 12), "kernels", 1),
    }
    assert [found[f"{name}.kernel"].module for name in ("conv", "up")] == ["Conv2D", "Conv2DTranspose"]
    with torch.no_grad():
        model.get_layer("conv").kernel.value[0, 0, 0, 5] = 7
    assert values(mirrored, "conv.kernel")[5, 0, 0, 0] == 7


def test_attention_is_one_matrix_each_with_its_heads() -> None:
    model = functional(lambda x: layers.MultiHeadAttention(4, 8, name="mha")(x, x), 7, 12)
    found, mirrored = parameters(model), mirror_of_model(model)
    query, out = found["mha.query.kernel"], found["mha.attention_output.kernel"]
    assert (query.own_shape, query.shape, query.kind, query.heads) == ((12, 4, 8), (32, 12), "attention", 4)
    assert (out.own_shape, out.shape, out.kind, out.heads) == ((4, 8, 12), (12, 32), "attention", 1)
    weights = {variable.path.partition("/")[2]: np.asarray(variable) for variable in model.weights}
    expected = np.einsum("chd->hdc", weights["query/kernel"]).reshape(32, 12)
    np.testing.assert_array_equal(values(mirrored, "mha.query.kernel"), expected)
    expected = np.einsum("hdo->ohd", weights["attention_output/kernel"]).reshape(12, 32)
    np.testing.assert_array_equal(values(mirrored, "mha.attention_output.kernel"), expected)
    assert found["mha.query.bias"].shape == (32,) and selection(model).heads == ()


def test_recurrent_layers_nest_as_keras_does_and_have_its_gates() -> None:
    model = functional(
        lambda x: layers.GRU(3, name="gru")(
            layers.Bidirectional(layers.LSTM(5, return_sequences=True, name="lstm"), name="both")(x)
        ),
        7,
        4,
    )
    found = parameters(model)
    assert list(found)[:3] == [f"both.forward_lstm.lstm_cell.{name}" for name in ("kernel", "recurrent_kernel", "bias")]
    lstm, bias = found["both.forward_lstm.lstm_cell.kernel"], found["gru.gru_cell.bias"]
    assert (lstm.own_shape, lstm.shape, lstm.kind) == ((4, 20), (20, 4), "recurrent")
    assert lstm.blocks == ("i input", "f forget", "c cell", "o output")
    assert (bias.own_shape, bias.shape, bias.blocks) == ((2, 9), (9, 2), ("z update", "r reset", "h new"))


def test_what_is_no_weight_is_left_out_and_what_is_frozen_says_so() -> None:
    model = keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(5, name="fc"),
            layers.BatchNormalization(name="norm"),
            layers.Dropout(0.5),
            layers.Dense(3, name="out"),
        ]
    )
    model.compile("adam", "mse", metrics=["mae"])
    model.fit(np.zeros((4, 6), "float32"), np.zeros((4, 3), "float32"), verbose=0)
    model.get_layer("fc").trainable = False
    found = parameters(model)
    assert list(found) == ["fc.kernel", "fc.bias", "norm.gamma", "norm.beta", "out.kernel", "out.bias"]
    assert [p.trainable for p in found.values()] == [False, False, True, True, True, True]
    assert found["norm.gamma"].kind == "norm"


def test_adapters_and_what_they_adapt() -> None:
    model = mlp()
    model.get_layer("fc2").enable_lora(2)
    found = parameters(model)
    assert (found["fc2.kernel"].trainable, found["fc2.lora_kernel_a"].own_shape) == (False, (16, 2))


def test_shared_layers_are_shown_once() -> None:
    shared = layers.Dense(4, name="same")
    model = keras.Sequential(
        [keras.Input((4,)), keras.Sequential([shared], name="one"), keras.Sequential([shared], name="two")]
    )
    found = parameters(model)
    assert list(found) == ["one.same.kernel", "one.same.bias"]
    assert found["one.same.kernel"].aliases == ("two.same.kernel",)


class Own(keras.Model):  # type: ignore[misc]
    """Two layers of one name, and a weight of its own."""

    def __init__(self) -> None:
        super().__init__(name="own")
        self.first, self.second = layers.Dense(6, name="fc"), layers.Dense(3, name="fc")
        self.scale = self.add_weight(shape=(3,), name="scale")

    def call(self, x: Any) -> Any:
        return self.second(self.first(x)) * self.scale


def test_subclassed_models() -> None:
    model = Own()
    with pytest.raises(ValueError, match="'own' has no weights yet"):
        visualize_weights(model)
    model(np.zeros((2, 4), "float32"))
    assert {"scale", "fc.kernel", "fc_1.kernel"} <= parameters(model).keys()
    model.compile("sgd", "sparse_categorical_crossentropy")
    assert heads(model) == [("fc_1.kernel", 3, False)]
    model.compile("sgd", "mse")
    assert heads(model) == []


@pytest.mark.parametrize(
    ("activation", "loss", "expected"),
    [
        ("softmax", None, [False]),
        ("sigmoid", None, [True]),
        (None, "sparse_categorical_crossentropy", [False]),
        (None, "binary_crossentropy", [True]),
        (None, keras.losses.CategoricalCrossentropy(from_logits=True), [False]),
        (None, keras.losses.binary_focal_crossentropy, [True]),
        ("softmax", "mse", []),
        (None, keras.losses.MeanAbsoluteError(), []),
        ("softmax", lambda true, guess: (true - guess) ** 2, [False]),
        (None, None, [False]),
    ],
)
def test_the_loss_and_the_last_activation_say_what_the_outputs_are(
    activation: str | None, loss: Any, expected: list[bool]
) -> None:
    model = mlp(activation=activation)
    if loss is not None:
        model.compile("sgd", loss)
    assert heads(model) == [("fc2.kernel", 10, multi_label) for multi_label in expected]


def test_several_outputs_behind_layers_without_weights() -> None:
    inputs = keras.Input((8,))
    tags = layers.Dense(3, name="tags")(inputs)
    kind = layers.Softmax()(layers.Dropout(0.1)(layers.Dense(4, name="kind")(inputs)))
    size = layers.Dense(1, name="size")(inputs)
    model = keras.Model(inputs, [tags, kind, size])
    model.compile("sgd", loss=["binary_crossentropy", None, "mse"])
    assert heads(model) == [("tags.kernel", 3, True), ("kind.kernel", 4, False)]


def test_heads_in_models_in_models_and_in_wrappers() -> None:
    inner = keras.Sequential([keras.Input((8,)), layers.Dense(4, name="z"), layers.Activation("softmax")], name="top")
    assert heads(keras.Sequential([keras.Input((8,)), inner])) == [("top.z.kernel", 4, False)]
    steps = layers.TimeDistributed(layers.Dense(3, activation="softmax", name="each"), name="steps")
    assert heads(keras.Sequential([keras.Input((5, 6)), steps])) == [("steps.each.kernel", 3, False)]
    dots = functional(lambda x: layers.Conv2D(5, 1, activation="softmax", name="dots")(x), 4, 4, 3)
    assert heads(dots) == [("dots.kernel", 5, False)]


def test_colours_are_put_channel_by_channel() -> None:
    model = keras.Sequential([keras.Input((8, 6, 3)), layers.Flatten(), layers.Dense(4, name="fc")])
    mirrored = mirror_of_model(model)
    kernel = model.get_layer("fc").get_weights()[0]
    expected = np.einsum("hwco->ochw", kernel.reshape(8, 6, 3, 4)).reshape(4, -1)
    assert mirrored.input_shape == (3, 8, 6)
    np.testing.assert_array_equal(values(mirrored, "fc.kernel"), expected)
    np.testing.assert_array_equal(model.get_layer("fc").get_weights()[0], kernel)
    found = parameters(model)["fc.kernel"]
    assert (found.layout, found.tile, found.tile_inferred) == ("filters", (3, 8, 6), False)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "mixed_bfloat16", "float64"])
def test_dtypes(dtype: str) -> None:
    model = mlp(dtype=dtype)
    expected = "float32" if dtype.startswith("mixed") else dtype
    assert parameters(model)["fc2.kernel"].dtype == expected
    assert len(visualize_weights(model, "fc2").axes) == 2


def test_what_cannot_be_shown_is_told() -> None:
    with pytest.raises(ValueError, match=r"not built: call it on some data, or model\.build"):
        visualize_weights(keras.Sequential([layers.Dense(3)]))
    with pytest.raises(ValueError, match="no parameters"):
        visualize_weights(keras.Sequential([keras.Input((3,)), layers.ReLU()]))
    with pytest.raises(ValueError, match=r"'fc9'.*fc1\.kernel, fc1\.bias.*Did you mean 'fc"):
        visualize_weights(mlp(), "fc9")


def test_the_model_and_the_random_state_stay_as_they_are() -> None:
    model = mlp(activation="softmax")
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(np.zeros((4, 784), "float32"), np.zeros(4), verbose=0)
    state, random = {v.path: np.array(v) for v in model.variables}, torch.get_rng_state()
    needs = [parameter.requires_grad for parameter in model.parameters()]
    visualize_weights(model, views=("heatmap", "classes", "overview"))
    assert torch.equal(random, torch.get_rng_state())
    assert needs == [parameter.requires_grad for parameter in model.parameters()]
    assert all(np.array_equal(state[v.path], np.array(v)) for v in model.variables)


def test_captions_tell_keras_shape_and_what_its_rows_and_columns_are() -> None:
    dense = parameters(mlp())["fc2.kernel"]
    assert describe(dense) == "Dense head 16×10"
    assert axis_words(dense) == ("output 0…9 (kernel column)", "input unit 0…15 (kernel row)")
    assert unused_words(dense, "weights") == ("zero units", "unused inputs")
    assert norm_words(dense) == ("unit norm", "input norm")
    attention = functional(lambda x: layers.MultiHeadAttention(4, 8, name="mha")(x, x), 7, 12)
    assert describe(parameters(attention)["mha.query.kernel"]) == "EinsumDense 12×4×8 drawn as 32×12"


def test_dead_units_are_columns_of_the_kernel() -> None:
    model = mlp()
    kernel, bias = model.get_layer("fc2").get_weights()
    kernel[:, [3, 7]] = 0
    model.get_layer("fc2").set_weights([kernel, bias])
    site = next(site for site in selection(model).sites if site.parameter.name == "fc2.kernel")
    (measurement,) = Meter([site.parameter]).measure([site.tensor]).result().measurements.values()
    assert measurement.statistics["dead_units"] == 2
