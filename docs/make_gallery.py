"""Trains the networks of `networks.py` and writes docs/gallery.md with every view of every kind of layer.

python -m docs.make_gallery
"""

from __future__ import annotations

import argparse
import logging
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lightning.pytorch import Trainer, seed_everything
from torch import nn
from torch.utils.data import DataLoader, Subset

from docs import networks
from lightning_weightviz import WeightVisualizationCallback
from lightning_weightviz.artifacts import Animation, Batch, Image
from lightning_weightviz.sinks.support.names import tag_path

DOCS = Path(__file__).resolve().parent
QUICK_EXAMPLES = 64


@dataclass(frozen=True)
class Training:
    """One network of the gallery.

    Attributes:
        title: Of its section.
        text: What it is and learns.
        task: Makes what it learns from.
        network: Makes it, of the number of classes.
        pictures: How to read each picture, by tag.
        epochs: How long it is trained.
        arguments: Of the callback.
        words: Before the share of correct answers.
    """

    title: str
    text: str
    task: Callable[[], networks.Task]
    network: Callable[[int], nn.Module]
    pictures: Mapping[str, str]
    epochs: int = 12
    arguments: Mapping[str, Any] = field(default_factory=dict)
    words: str = "training accuracy"


HEAD = {
    "classes/weights": "The last layer, one row per class: red units speak for the class, blue ones against it.",
    "classes/cosine": "How alike the rows are once what is common to all is taken away. Red pairs share features and "
    "are confused first; the mark on the scale is where all pairs would be, were they as far apart as can be.",
    "classes/norms": "A class with a longer row or a higher bias wins more easily.",
}

TRAININGS = [
    Training(
        "A perceptron on digits",
        "784 → 128 → 64 → 10, on digits of 28×28 pixels.",
        networks.large_digits,
        lambda classes: networks.Perceptron(784, 128, 64, classes),
        {
            "overview/weights": "Look here first. One row per parameter, one strip per statistic, time from left to "
            "right. A layer whose *change* is white does not learn.",
            "weights.heatmap/network.0.weight": "The first layer sees pictures, so each unit is drawn as the picture "
            "that excites (red) and silences (blue) it. Most units that are still noise are activated by no image.",
            "weights.evolution/network.0.weight": "The units that moved most, then some that moved least, from the "
            "start on, all in one range of colours: when it was learned, and that it has settled.",
            "weights.drift/network.0.weight": "What was added to the start, and since the last snapshot. Mind the two "
            "ranges: at the end little moves.",
            "weights.heatmap/network.2.weight": "A hidden layer: one row per unit, one column per input. Short bars at "
            "the side or below are units that hardly take part.",
            "weights.evolution/network.2.weight": "The same layer from the start on.",
            "weights.drift/network.2.weight": "Its changes: columns of one colour are inputs that all units use anew.",
            "weights.distribution/network.2.weight": "The spread of its values over time. Bands that grow without end "
            "or fall onto 0 are worth a look.",
            "weights.spectrum/network.0.weight": "What was learned, next to noise: a singular value says how strongly "
            "the layer acts along one direction. Those of random numbers stay in the grey; orange ones were learned.",
            "weights.spectrum/network.2.weight": "In the next layer fewer have left the noise, and later.",
            "weights.heatmap/network.0.bias": "A bias has one dimension: one row per snapshot, newest at the bottom.",
            **HEAD,
            "classes/templates": "What the whole network looks for, were there no ReLU: digits appear.",
            "gradients.heatmap/network.2.weight": 'Its gradients, with `targets=("weights", "gradients")`: which '
            "weights are being pushed right now.",
            "updates.heatmap/network.2.weight": "What the optimizer made of them since the last snapshot.",
            "overview/gradients": "All gradients over time: a layer whose strip is dark gets no signal.",
            "weights.animation/network.0.weight": "With `animation=True`: the film as a GIF, at the end of fit.",
        },
        arguments={
            "views": ("heatmap", "distribution", "evolution", "classes", "overview", "drift", "spectrum"),
            "targets": ("weights", "gradients", "updates"),
            "animation": True,
        },
    ),
    Training(
        "Convolutions on digits in colour",
        "Digits in random colours on random paper: a first convolution, a deeper one, a depthwise one, and two "
        "transposed ones that paint the picture again.",
        networks.colour_digits,
        lambda classes: networks.Convolutions(),
        {
            "weights.heatmap/network.colour.weight": "The first layer's filters in colour: grey is 0, edges and spots "
            "of opposite colours are what a network of pictures begins with.",
            "weights.evolution/network.colour.weight": "They form in the first epochs.",
            "weights.drift/network.colour.weight": "What was added since the start, in colour too.",
            "weights.heatmap/network.deep.weight": "A deeper layer has too many small kernels to be looked at: a cell "
            "is a kernel, bright where one channel acts strongly on another; the sum tells the sign. At the right, "
            "what each position in the kernels weighs.",
            "weights.evolution/network.deep.weight": "Sums of the kernels over time.",
            "weights.heatmap/network.depthwise.weight": "A depthwise convolution has one kernel a channel.",
            "weights.heatmap/network.up.weight": "A transposed convolution: its rows are the channels that come in.",
            "weights.heatmap/network.paint.weight": "The last one paints: a tile is what a channel adds in colour.",
            "weights.heatmap/network.norm.weight": "A norm layer's scales, one row per snapshot: all began at 1.",
        },
    ),
    Training(
        "Lines and volumes",
        "Three digits as a stack of layers: convolutions of three dimensions and of one find the number.",
        lambda: networks.triples(10, 60),
        lambda classes: networks.LineAndVolume(),
        {
            "weights.heatmap/network.deep_volume.weight": "A kernel of three dimensions is one cell as well.",
            "weights.heatmap/network.line.weight": "So is one of a single dimension; positions are a row then.",
        },
    ),
    Training(
        "Letters: embedding, LSTM, GRU",
        "Reads the text of this project's licence and guesses each next letter.",
        networks.text,
        networks.Writer,
        {
            "weights.heatmap/network.embedding.weight": "One row per letter. Below, the lengths of all rows in order, "
            "and those that went farthest from their start; the padding's row is left out.",
            "weights.heatmap/network.lstm.weight_ih_l0": "The four gates of an LSTM apart from each other.",
            "weights.heatmap/network.lstm.weight_hh_l0": "The same for what it remembers: often the cell gate (g) "
            "grows most.",
            "weights.heatmap/network.gru.weight_hh_l0": "A GRU has three gates.",
            "weights.heatmap/network.lstm.bias_ih_l0": "Biases of the gates, one gate after the other.",
            "overview/weights": "All of it over time.",
        },
        epochs=16,
        words="right guesses of the next letter",
    ),
    Training(
        "A small vision transformer",
        "Sixteen patches of 2×2 pixels, two layers with four heads each.",
        networks.digits,
        lambda classes: networks.Transformer(),
        {
            "weights.heatmap/network.layers.layers.0.self_attn.in_proj_weight": "Query, key and value; marks at the "
            "left part the heads. Values (v) usually keep the largest weights.",
            "weights.heatmap/network.layers.layers.0.self_attn.out_proj.weight": "Back from the heads.",
            "weights.heatmap/network.places": "A parameter of no particular kind, here one row a patch.",
            "weights.heatmap/network.layers.layers.0.linear1.weight": "The layer that follows.",
            "overview/weights": "All 29 parameters.",
        },
    ),
    Training(
        "A thousand classes",
        "Numbers of three digits, 192 → 256 → 1,000.",
        networks.triples,
        lambda classes: networks.Perceptron(192, 256, classes),
        {
            "classes/weights": "A thousand rows: names would not be readable, so there are none.",
            "classes/cosine": "Stripes and squares: numbers that share a digit share weights. The list names the "
            "pairs that are most alike.",
            "classes/norms": "Norms and biases of so many classes, sorted.",
            "classes/templates": "The first forty classes; with `input_shape=(8, 24)` they are pictures.",
            "weights.heatmap/network.0.weight": "The first layer, as pictures of three digits side by side.",
        },
        arguments={"input_shape": (8, 24)},
        epochs=10,
    ),
    Training(
        "Two classes",
        "Even or odd, with two outputs.",
        networks.even_or_odd,
        lambda classes: networks.Perceptron(64, 24, 2),
        {
            "classes/weights": "Only the difference of the two rows decides, so it is drawn as a third one.",
            "classes/norms": "Centred, the rows are mirror images and equally long; the biases may differ.",
        },
    ),
    Training(
        "One output",
        "The same question, answered by one number.",
        lambda: networks.is_it(odd=(1, 3, 5, 7, 9)),
        lambda classes: networks.Perceptron(64, 24, 1),
        {"classes/weights": "One row: positive speaks for the second class."},
    ),
    Training(
        "Several answers at once",
        "Is it even, is it above four, does it have a closed loop? Any of them may be true together.",
        lambda: networks.is_it(even=(0, 2, 4, 6, 8), above_four=(5, 6, 7, 8, 9), closed_loop=(0, 6, 8, 9)),
        lambda classes: networks.Perceptron(64, 24, 3),
        {
            "classes/weights": "One row per question.",
            "classes/cosine": "Which questions are answered by the same units.",
        },
    ),
]


class Album:
    """A sink that keeps the newest picture of each tag."""

    def __init__(self) -> None:
        self.pictures: dict[str, Image | Animation] = {}

    def write(self, batch: Batch) -> None:
        """Keeps what it shows."""
        self.pictures |= {a.tag: a for a in batch.artifacts if isinstance(a, (Image, Animation))}

    def flush(self) -> None:
        """Has nothing to write."""


def train(training: Training, *, quick: bool) -> tuple[Album, float]:
    """Trains a network; returns its pictures, and the share of correct answers in its last epoch."""
    seed_everything(0, verbose=False)
    task = training.task()
    data = task.dataset()
    network = training.network(len(task.class_names))
    learner = networks.Learner(network, multi_label=task.labels.is_floating_point())
    album = Album()
    callback = WeightVisualizationCallback(
        sinks=[album],
        class_names=task.class_names,
        max_layers=40,
        max_overhead=None,
        on_alert="ignore",
        **{"views": ("heatmap", "evolution", "drift", "classes", "overview"), **training.arguments},
    )
    trainer = Trainer(
        accelerator="cpu",
        max_epochs=2 if quick else training.epochs,
        callbacks=[callback],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    examples = Subset(data, range(0, len(data), max(len(data) // QUICK_EXAMPLES, 1))) if quick else data
    trainer.fit(learner, DataLoader(examples, batch_size=64, shuffle=True))
    return album, learner.right / learner.seen


PAGE = """## The page of a run

With `report=True` all layers and all times are on [one page](page.md), a file that needs no server.

![The page of a run on digits: findings, layers over time, and the units of the first one](images/page.png)

![Two runs on one page: the numbers of both, and their maps and distributions next to each other](images/page-runs.png)
"""


def section(training: Training, album: Album, right: float, folder: Path) -> str:
    """Writes the pictures and returns their part of the page."""
    lines = [f"## {training.title}", "", f"{training.text} {training.words.capitalize()}: {right:.0%}.", ""]
    place = training.title.split(":")[0].lower().replace(" ", "-")
    for tag, words in training.pictures.items():
        picture = album.pictures[tag]
        path = folder / place / f"{'-'.join(tag_path(tag).parts)}.{'png' if isinstance(picture, Image) else 'gif'}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture.png if isinstance(picture, Image) else picture.gif)
        lines += [f"### `{tag}`", "", words, "", f"![{picture.caption}]({path.relative_to(folder.parent)})", ""]
    return "\n".join(lines)


def main() -> None:
    """Writes the gallery."""
    parser = argparse.ArgumentParser(description="Train the networks of the gallery and write docs/gallery.md.")
    parser.add_argument("--out", type=Path, default=DOCS, help="folder for gallery.md and gallery/ (default: docs)")
    parser.add_argument("--quick", action="store_true", help="two epochs on a few examples")
    args = parser.parse_args()
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning")
    parts = [
        "# Gallery\n\nEvery view of every kind of layer, from short real trainings; `make docs-gallery` makes it "
        "again. Each picture has its tag above it, under which a logger shows it.\n"
    ]
    for training in TRAININGS:
        album, right = train(training, quick=args.quick)
        parts.append(section(training, album, right, args.out / "gallery"))
        print(f"{training.title}: {right:.0%}, {len(album.pictures)} pictures")
    (args.out / "gallery.md").write_text("\n".join([*parts, PAGE]))


if __name__ == "__main__":
    main()
