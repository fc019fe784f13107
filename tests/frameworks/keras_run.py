"""Trains a Keras model on digits with the backend of ``KERAS_BACKEND`` and saves what is drawn of it; run by a test."""

from __future__ import annotations

import sys
from typing import Any

import keras  # first, as whoever draws a Keras model has imported it
import numpy as np
from sklearn.datasets import load_digits

from lightning_weightviz import visualize_weights

x, y = load_digits(return_X_y=True)
pictures = np.kron(x.reshape(-1, 8, 8) / 16, np.ones((3, 3)))
pictures = np.pad(pictures, ((0, 0), (2, 2), (2, 2))).reshape(-1, 784).astype("float32")

keras.utils.set_random_seed(0)
dtype = sys.argv[2] if len(sys.argv) > 2 else "float32"
layers = [
    keras.layers.Dense(128, activation="relu", name="fc1", dtype=dtype),
    keras.layers.Dense(64, activation="relu", name="fc2", dtype=dtype),
    keras.layers.Dense(10, activation="softmax", name="fc3", dtype=dtype),
]
model = keras.Sequential([keras.Input((784,)), *layers])
model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(pictures, y, epochs=2, verbose=0)

before = [np.array(weight) for weight in model.get_weights()]
variables = [[id(variable), variable.trainable] for variable in model.variables]
random: Any = np.random.get_state()
figure = visualize_weights(model, "fc1")
classes = visualize_weights(model, views=("classes",))
matrix = visualize_weights(model, "fc2.kernel")
after = [np.array(weight) for weight in model.get_weights()]
assert all(a.dtype == b.dtype and a.tobytes() == b.tobytes() for a, b in zip(before, after, strict=True))
assert variables == [[id(variable), variable.trainable] for variable in model.variables]
now: Any = np.random.get_state()
assert (random[1] == now[1]).all() and random[2] == now[2]

saved: dict[str, Any] = {}
for axes in [*figure.axes, *classes.axes, *matrix.axes]:
    saved[f"page:{axes.get_label()}"] = axes.images[0].get_array()
for layer in layers:
    for variable in layer.weights:
        saved[f"{layer.name}.{variable.name}"] = np.array(variable.numpy(), "float32")
np.savez(sys.argv[1], **saved)
