"""The networks of the gallery and what they learn from: scikit-learn's 1,797 real digits, and a licence's text."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import torch
from lightning.pytorch import LightningModule
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn.functional import interpolate, mse_loss
from torch.utils.data import TensorDataset

DIGITS = tuple("0123456789")


@dataclass(frozen=True)
class Task:
    """What a network learns.

    Attributes:
        inputs: One an example.
        labels: Integers, or floats where each of several answers is right or wrong by itself.
        class_names: Of the outputs.
    """

    inputs: Tensor
    labels: Tensor
    class_names: tuple[str, ...]

    def dataset(self) -> TensorDataset:
        """For a DataLoader."""
        return TensorDataset(self.inputs, self.labels)


class Learner(LightningModule):
    """Trains any network with Adam, and counts the right answers of the last epoch.

    Args:
        network: Its outputs are logits; an autoencoder's are logits and a picture.
        multi_label: Whether each of its outputs is an answer by itself.
        rate: Of learning.
    """

    def __init__(self, network: nn.Module, *, multi_label: bool = False, rate: float = 3e-3) -> None:
        super().__init__()
        self.network = network
        self.rate = rate
        # From the loss the callback tells answers one by one from one answer of several.
        self.loss = nn.BCEWithLogitsLoss() if multi_label else nn.CrossEntropyLoss()
        self.right, self.seen = 0, 0

    def on_train_epoch_start(self) -> None:
        """Counts anew."""
        self.right, self.seen = 0, 0

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """The loss of a batch."""
        inputs, labels = batch
        outputs = self.network(inputs)
        logits, picture = outputs if isinstance(outputs, tuple) else (outputs, None)
        if labels.is_floating_point():
            loss = self.loss(logits, labels)
            right = (logits > 0) == (labels > 0.5)
        else:
            loss = self.loss(logits.flatten(0, -2), labels.flatten())
            right = logits.argmax(-1) == labels
        if picture is not None:
            loss = loss + mse_loss(picture, interpolate(inputs, picture.shape[2:]))
        self.right += int(right.sum())
        self.seen += right.numel()
        return torch.as_tensor(loss)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam."""
        return torch.optim.Adam(self.parameters(), lr=self.rate)


def digits() -> Task:
    """8×8 pixels between 0 and 1, (1797, 8, 8)."""
    images, labels = load_digits(return_X_y=True)
    return Task(torch.tensor(images, dtype=torch.float32).view(-1, 8, 8) / 16, torch.tensor(labels), DIGITS)


def large_digits() -> Task:
    """28×28 pixels in a row, (1797, 784)."""
    task = digits()
    large = interpolate(task.inputs[:, None], (28, 28), mode="bilinear")
    return Task(large.flatten(1) - 0.5, task.labels, DIGITS)


def colour_digits() -> Task:
    """Each digit in a random colour on another, (1797, 3, 32, 32)."""
    task = digits()
    shares = interpolate(task.inputs[:, None], (32, 32), mode="bilinear")
    ink = torch.rand(len(shares), 3, 1, 1)
    # Far enough from the ink to be read.
    paper = (ink + 0.5) % 1.0
    return Task(shares * ink + (1 - shares) * paper, task.labels, DIGITS)


def triples(classes: int = 1000, each: int = 20) -> Task:
    """Numbers of three digits, side by side as (n, 192), each number equally often."""
    task = digits()
    numbers = torch.arange(classes).repeat_interleave(each)
    pictures = []
    for divisor in (100, 10, 1):
        of_digit = [torch.flatten((task.labels == digit).nonzero()) for digit in range(10)]
        wanted = numbers // divisor % 10
        draws = torch.rand(len(numbers))
        chosen = [of_digit[d][int(r * len(of_digit[d]))] for d, r in zip(wanted.tolist(), draws.tolist(), strict=True)]
        pictures.append(task.inputs[torch.stack(chosen)])
    return Task(torch.cat(pictures, 2).flatten(1), numbers, tuple(f"{number:03d}" for number in range(classes)))


def even_or_odd() -> Task:
    """Two classes of (1797, 64) inputs."""
    task = digits()
    return Task(task.inputs.flatten(1), task.labels % 2, ("even", "odd"))


def is_it(**questions: tuple[int, ...]) -> Task:
    """Whether a digit is among some, a question each that is answered by itself, of (1797, 64) inputs."""
    task = digits()
    answers = [torch.isin(task.labels, torch.tensor(yes)) for yes in questions.values()]
    return Task(task.inputs.flatten(1), torch.stack(answers, 1).float(), tuple(questions))


def text(length: int = 40) -> Task:
    """The letter that follows each of `length` letters; some lines are short and padded with 0."""
    letters = (Path(__file__).resolve().parent.parent / "LICENSE").read_text()
    alphabet = ("pad", *sorted(set(letters)))
    codes = torch.tensor([alphabet.index(letter) for letter in letters])
    windows = codes[: len(codes) // (length + 1) * (length + 1)].view(-1, length + 1).clone()
    windows[::4, length // 2 :] = 0
    return Task(windows[:, :-1], windows[:, 1:], tuple("space" if a == " " else a for a in alphabet))


class Perceptron(nn.Sequential):
    """Linear layers with ReLU between them."""

    def __init__(self, *widths: int) -> None:
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(widths):
            layers += [nn.Linear(inputs, outputs), nn.ReLU()]
        super().__init__(*layers[:-1])


class Convolutions(nn.Module):
    """A first layer in colour, a deeper one, a depthwise one, a head; and a way back to the picture."""

    def __init__(self) -> None:
        super().__init__()
        self.colour = nn.Conv2d(3, 24, 5)
        self.norm = nn.BatchNorm2d(24)
        self.deep = nn.Conv2d(24, 48, 3)
        self.depthwise = nn.Conv2d(48, 48, 3, groups=48)
        self.up = nn.ConvTranspose2d(48, 16, 2, stride=2)
        self.paint = nn.ConvTranspose2d(16, 3, 4, stride=2)
        self.head = nn.Linear(48, 10)

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Logits, and the picture."""
        features = torch.max_pool2d(torch.relu(self.norm(self.colour(inputs))), 2)
        features = torch.relu(self.depthwise(torch.relu(self.deep(features))))
        picture = self.paint(torch.relu(self.up(torch.max_pool2d(features, 2))))
        logits: Tensor = self.head(features.amax((2, 3)))
        return logits, picture


class LineAndVolume(nn.Module):
    """The middle of three digits, found by convolutions over lines and over the stack of the three."""

    def __init__(self) -> None:
        super().__init__()
        self.volume = nn.Conv3d(1, 12, 3, padding=(0, 1, 1))
        self.deep_volume = nn.Conv3d(12, 16, (1, 3, 3))
        self.line = nn.Conv1d(16 * 6, 32, 3)
        self.head = nn.Linear(32, 10)

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits of (n, 192) inputs, which hold three digits side by side."""
        stack = inputs.view(-1, 8, 3, 8).transpose(1, 2)[:, None]
        features = torch.relu(self.deep_volume(torch.relu(self.volume(stack))))
        logits: Tensor = self.head(torch.relu(self.line(features.flatten(1, 3))).amax(2))
        return logits


class Writer(nn.Module):
    """Letters through an LSTM and a GRU to the next letter."""

    def __init__(self, letters: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(letters, 32, padding_idx=0)
        self.lstm = nn.LSTM(32, 64, batch_first=True)
        self.gru = nn.GRU(64, 48, batch_first=True)
        self.head = nn.Linear(48, letters)

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits of each next letter."""
        logits: Tensor = self.head(self.gru(self.lstm(self.embedding(inputs))[0])[0])
        return logits


class Transformer(nn.Module):
    """A vision transformer in small: sixteen patches of 2×2 pixels, two layers of four heads."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.patches = nn.Linear(4, width)
        self.places = nn.Parameter(0.02 * torch.randn(16, width))
        layer = nn.TransformerEncoderLayer(width, 4, 2 * width, dropout=0.0, batch_first=True, norm_first=True)
        self.layers = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(width, 10)

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits of (n, 8, 8) digits."""
        patches = inputs.unfold(1, 2, 2).unfold(2, 2, 2).flatten(3).flatten(1, 2)
        logits: Tensor = self.head(self.layers(self.patches(patches) + self.places).mean(1))
        return logits
