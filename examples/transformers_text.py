"""Trains a tiny transformer to tell four kinds of text apart, and shows in TensorBoard how its weights are learned.

Nothing is downloaded: the model is built from a configuration, the vocabulary and the sentences are made up here. It
needs ``pip install transformers accelerate``. Run it::

    python examples/transformers_text.py
    tensorboard --logdir demo-text --samples_per_plugin images=1000
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset
from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments, set_seed

from lightning_weightviz.transformers import WeightVisualizationCallback

KINDS = {
    "animals": "cat dog bird fish horse cow sheep mouse",
    "food": "bread soup apple cheese rice cake salad egg",
    "weather": "rain snow wind sun storm cloud fog frost",
    "music": "drum flute song choir violin tune piano bell",
}
COMMON = "the a we saw some of today there was near and again with much after little"
WORDS = ["[PAD]", "[CLS]", *COMMON.split(), *(word for words in KINDS.values() for word in words.split())]
LENGTH = 12


class Sentences(Dataset[dict[str, Tensor]]):
    """Random sentences of common words with two words of one kind in them.

    Args:
        count: How many.
        seed: Of the random numbers.
    """

    def __init__(self, count: int, seed: int) -> None:
        random = np.random.default_rng(seed)
        self._items = []
        for _ in range(count):
            label = int(random.integers(len(KINDS)))
            own = list(KINDS.values())[label].split()
            words = [*random.choice(COMMON.split(), LENGTH - 3), *random.choice(own, 2)]
            random.shuffle(words)
            tokens = [WORDS.index(word) for word in ["[CLS]", *words]]
            self._items.append({"input_ids": torch.tensor(tokens), "labels": torch.tensor(label)})

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return self._items[index]


def accuracy(prediction: Any) -> dict[str, float]:
    """The share of sentences whose kind was found."""
    return {"accuracy": float((prediction.predictions.argmax(axis=1) == prediction.label_ids).mean())}


def main() -> None:
    """Trains, and says where to look."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=8, help="default: %(default)s")
    parser.add_argument("--out", type=Path, default=Path("demo-text"), help="folder to write to; default: %(default)s")
    args = parser.parse_args()

    set_seed(0)
    os.environ["TENSORBOARD_LOGGING_DIR"] = str(args.out)
    model = BertForSequenceClassification(
        BertConfig(
            vocab_size=len(WORDS),
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=4,
            intermediate_size=64,
            max_position_embeddings=LENGTH,
            id2label=dict(enumerate(KINDS)),
            label2id={kind: label for label, kind in enumerate(KINDS)},
        )
    )
    trainer = Trainer(
        model,
        TrainingArguments(
            str(args.out / "checkpoints"),
            num_train_epochs=args.epochs,
            per_device_train_batch_size=32,
            learning_rate=2e-3,
            report_to="tensorboard",
            logging_strategy="epoch",
            save_strategy="no",
            use_cpu=True,
            disable_tqdm=True,
        ),
        train_dataset=Sentences(1000, seed=1),
        eval_dataset=Sentences(200, seed=2),
        compute_metrics=accuracy,
        callbacks=[WeightVisualizationCallback(max_overhead=None)],  # every epoch is wanted, whatever it costs
    )
    trainer.train()
    print(f"\nAccuracy on other sentences: {trainer.evaluate()['eval_accuracy']:.3f}")
    print("Look at the weights, then open the address that it prints:")
    print(f"  tensorboard --logdir {args.out} --samples_per_plugin images=1000")


if __name__ == "__main__":
    main()
