"""Draws a Keras model whose kernels are split over two devices of JAX; run by a test."""

from __future__ import annotations

import keras
import numpy as np

from lightning_weightviz import visualize_weights
from lightning_weightviz.model.keras_model import mirror_of_model

mesh = keras.distribution.DeviceMesh((1, 2), ["batch", "model"], keras.distribution.list_devices("cpu"))
layout = keras.distribution.LayoutMap(mesh)
layout[".*fc1.*kernel"] = (None, "model")
keras.distribution.set_distribution(keras.distribution.ModelParallel(layout_map=layout, batch_dim_name="batch"))

model = keras.Sequential([keras.Input((784,)), keras.layers.Dense(16, name="fc1"), keras.layers.Dense(10, name="fc2")])
kernel = model.get_layer("fc1").kernel
assert not kernel.value.is_fully_replicated, (kernel.path, kernel.value.sharding)
values = dict(mirror_of_model(model).module.named_parameters())["fc1.kernel"]
np.testing.assert_array_equal(values.detach().numpy(), np.array(kernel).T)
assert len(visualize_weights(model, "fc1").axes) == 2
