"""Makes Keras models of many kinds, saves each as a file of both kinds, and what is drawn of it; run by a test."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import keras  # first, as whoever draws a Keras model has imported it
import numpy as np

from lightning_weightviz import visualize_weights

layers = keras.layers


def digits(dtype: str) -> Any:
    """Trained for a little."""
    random = np.random.default_rng(0)
    pictures, labels = random.normal(size=(64, 784)).astype("float32"), random.integers(0, 10, 64)
    model = keras.Sequential(
        [
            keras.Input((784,)),
            layers.Dense(128, activation="relu", name="fc1", dtype=dtype),
            layers.Dense(64, activation="relu", name="fc2", dtype=dtype),
            layers.Dense(10, activation="softmax", name="fc3", dtype=dtype),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(pictures, labels, epochs=2, verbose=0)
    return model


def pictures() -> Any:
    """Normalisations with and without their parts, kernels of each kind, and functions between them."""
    inputs = keras.Input((12, 12, 3))
    x = layers.Conv2D(8, 3, use_bias=False, name="conv")(inputs)
    x = layers.BatchNormalization(scale=False, name="bn_a")(x)
    x = layers.Activation("relu")(x)
    x = layers.DepthwiseConv2D(3, depth_multiplier=2)(x)
    x = layers.BatchNormalization(center=False)(x) * 2.0
    x = layers.SeparableConv2D(6, 3, padding="same")(x)
    x = layers.BatchNormalization()(x)
    for _ in range(11):
        x = layers.Conv2D(6, 1, groups=2)(x)
    x = layers.Conv2DTranspose(5, 2)(x)
    x = keras.ops.relu(layers.GlobalAveragePooling2D()(x))
    outputs = layers.Dense(4, name="kind")(x)
    model = keras.Model(inputs, outputs)
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def coloured() -> Any:
    return keras.Sequential(
        [keras.Input((8, 6, 3)), layers.Rescaling(0.1), layers.Flatten(), layers.Dense(4), layers.Softmax()]
    )


def nested() -> Any:
    """A layer that is in two models and called twice, and models in a model."""
    same = layers.Dense(6, name="same")
    inner = keras.Sequential([keras.Input((6,)), same, layers.Dense(6), layers.BatchNormalization()], name="in.ner")
    again = keras.Sequential([keras.Input((6,)), same, layers.Dense(3, name="top", activation="softmax")], name="ü 日")
    inputs = keras.Input((6,))
    middle = keras.Input((6,))
    graph = keras.Model(middle, layers.Dense(6, name="dense")(same(middle)), name="graph")
    model = keras.Model(inputs, again(graph(same(inner(inputs)))))
    model.get_layer("graph").trainable = False
    return model


def recurrent() -> Any:
    inputs = keras.Input((7, 4))
    x = layers.Bidirectional(layers.LSTM(5, return_sequences=True, name="lstm"), name="both")(inputs)
    x = layers.GRU(3, return_sequences=True)(x)
    x = layers.GRU(3, return_sequences=True, reset_after=False, use_bias=False)(x)
    x = layers.RNN([layers.LSTMCell(4), layers.GRUCell(3)], return_sequences=True)(x)
    x = layers.TimeDistributed(layers.Dense(4), name="steps")(x)
    x = layers.SimpleRNN(3)(x)
    return keras.Model(inputs, layers.Dense(2, activation="sigmoid")(x))


def attention() -> Any:
    inputs = keras.Input((7,), dtype="int32")
    x = layers.Embedding(30, 12, name="words")(inputs)
    x = layers.Add()([x, layers.MultiHeadAttention(4, 8, name="mha")(x, x)])
    x = layers.LayerNormalization()(x)
    x = layers.GroupQueryAttention(4, 4, 2)(x, x)
    x = layers.EinsumDense("abc,cd->abd", (7, 6), bias_axes="d")(x)
    x = layers.RMSNormalization()(layers.EinsumDense("abc,cde->abde", (7, 2, 3))(x))
    x = layers.GroupNormalization(3)(x)
    x = layers.PReLU()(x)
    return keras.Model(inputs, layers.Dense(5)(layers.Flatten()(x)))


def outputs() -> Any:
    """Three outputs with a loss each."""
    inputs = keras.Input((8,))
    tags, kind = layers.Dense(3, name="tags")(inputs), layers.Dropout(0.1)(layers.Dense(4, name="kind")(inputs))
    model = keras.Model(inputs, [tags, layers.Softmax()(kind), layers.Dense(1, name="size")(inputs)])
    model.compile("sgd", loss=["binary_crossentropy", None, keras.losses.mean_squared_error])
    return model


def lambdas() -> Any:
    model = keras.Sequential(
        [keras.Input((5,)), layers.Dense(4), layers.Lambda(lambda x: x * 2), layers.Dense(3, activation="softmax")]
    )
    model.compile("sgd", lambda true, guess: (true - guess) ** 2)
    return model


def quantized() -> Any:
    model = keras.Sequential([keras.Input((8,)), layers.Dense(6, name="eight"), layers.Dense(4, name="plain")])
    model.get_layer("eight").quantize("int8")
    return model


@keras.saving.register_keras_serializable()
class Own(keras.Model):  # type: ignore[misc]
    """A model that is Python alone."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.a_first = layers.Dense(6)
        self.b_second = layers.Conv1D(4, 3, name="odd name")
        self.c_norm = layers.BatchNormalization()
        self.d_blocks = [layers.Dense(5), layers.LayerNormalization()]
        self.e_last = layers.Dense(3, activation="softmax")
        self.loss_tracker = keras.metrics.Mean()

    def call(self, x: Any) -> Any:
        x = self.c_norm(self.b_second(self.a_first(x)))
        for block in self.d_blocks:
            x = block(x)
        return self.e_last(x)


def own() -> Any:
    model = Own()
    model(np.zeros((2, 6, 4), "float32"))
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


def main(folder: Path) -> None:
    """Saves everything to a folder."""
    keras.utils.set_random_seed(0)
    made = {
        "digits": digits("float32"),
        "bfloat16": digits("bfloat16"),
        **{one.__name__: one() for one in (pictures, coloured, nested, recurrent, attention, outputs, lambdas, own)},
        "quantized": quantized(),
    }
    for name, model in made.items():
        for variable in model.variables:
            if variable.name in ("gamma", "beta", "bias", "moving_mean", "moving_variance", "scale"):
                variable.assign(variable + keras.random.normal(variable.shape, 0, 0.1, dtype=variable.dtype))
        model.save(folder / f"{name}.keras")
        model.save_weights(folder / f"{name}.weights.h5")
        figure = visualize_weights(model, views=("heatmap", "overview", "classes"), max_layers=100)
        pages = {str(axes.get_label()): np.asarray(axes.images[0].get_array()) for axes in figure.axes}
        np.savez(folder / f"{name}.npz", **{"order": np.array(list(pages))}, **pages)  # type: ignore[arg-type]  # stubs


if __name__ == "__main__":
    main(Path(sys.argv[1]))
