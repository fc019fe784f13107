"""Trains a small Keras network on handwritten digits and shows in TensorBoard how its weights are learned.

The digits, 1,797 real ones, come with scikit-learn; nothing is downloaded. Keras takes the backend that
``KERAS_BACKEND`` names: ``tensorflow``, ``jax`` or ``torch``. Run it::

    KERAS_BACKEND=jax python examples/keras_digits.py
    tensorboard --logdir demo-keras --samples_per_plugin images=1000
"""

from __future__ import annotations

import argparse
from pathlib import Path

import keras
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch.utils.tensorboard import SummaryWriter

from lightning_weightviz.keras import WeightVisualizationCallback


def main() -> None:
    """Trains, and says where to look."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=20, help="default: %(default)s")
    parser.add_argument("--out", type=Path, default=Path("demo-keras"), help="folder to write to; default: %(default)s")
    args = parser.parse_args()

    keras.utils.set_random_seed(0)
    digits = load_digits()
    # Each pixel becomes 3×3, and the margin makes it 28×28.
    images = np.pad(np.kron(digits.images / 16, np.ones((1, 3, 3))), ((0, 0), (2, 2), (2, 2))).astype("float32")
    parts = train_test_split(images, digits.target, test_size=0.2, stratify=digits.target, random_state=0)
    train_images, test_images, train_labels, test_labels = parts

    model = keras.Sequential(
        [
            keras.Input((28, 28)),
            keras.layers.Flatten(),
            keras.layers.Dense(128, activation="relu", name="fc1"),
            keras.layers.Dense(64, activation="relu", name="fc2"),
            keras.layers.Dense(10, activation="softmax", name="fc3"),
        ]
    )
    model.compile(keras.optimizers.SGD(0.05, momentum=0.9), "sparse_categorical_crossentropy", metrics=["accuracy"])
    writer = SummaryWriter(args.out)
    # Every epoch is wanted, whatever it costs.
    weights = WeightVisualizationCallback(loggers=writer, max_overhead=None)
    model.fit(train_images, train_labels, epochs=args.epochs, verbose=2, callbacks=[weights])
    writer.close()

    _, accuracy = model.evaluate(test_images, test_labels, verbose=0)
    print(f"\nTest accuracy with the backend {keras.backend.backend()}: {accuracy:.3f}")
    print("Look at the weights, then open the address that it prints:")
    print(f"  tensorboard --logdir {args.out} --samples_per_plugin images=1000")


if __name__ == "__main__":
    main()
