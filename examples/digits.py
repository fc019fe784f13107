"""Trains a small network on handwritten digits and shows in TensorBoard how its weights are learned.

Run it::

    python examples/digits.py                     # 1,797 real digits that come with scikit-learn
    python examples/digits.py --data mnist        # 70,000 digits, downloaded
    python examples/digits.py --recipe article    # the recipe of many tutorials: see what its pictures show
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path

import torch
from lightning.pytorch import LightningModule, Trainer, seed_everything
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import SGD
from torch.optim.lr_scheduler import CosineAnnealingLR
from torch.utils.data import DataLoader, TensorDataset
from torchvision.datasets import MNIST
from torchvision.transforms.functional import resize

from lightning_weightviz import WeightVisualizationCallback

BATCH_SIZE = 32


@dataclass(frozen=True)
class Recipe:
    """How to train.

    Attributes:
        learning_rate: Of stochastic gradient descent, at the start.
        momentum: Of stochastic gradient descent.
        epochs: How often every image is seen.
        decay: Whether the learning rate falls to 0 along a cosine; else it stays.
        weight_std: Weights start as N(0, weight_std) and biases at 0; None keeps PyTorch's own start.
    """

    learning_rate: float
    momentum: float
    epochs: int
    decay: bool
    weight_std: float | None = None


RECIPES = {
    "good": Recipe(learning_rate=0.05, momentum=0.9, epochs=20, decay=True),
    "article": Recipe(learning_rate=0.01, momentum=0.0, epochs=10, decay=False, weight_std=0.01),
}


class DigitClassifier(LightningModule):
    """A network of three layers, 784-128-64-10, that says which digit an image of 28×28 shows."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self.recipe = recipe
        self.fc1 = nn.Linear(28 * 28, 128)
        self.fc2 = nn.Linear(128, 64)
        self.fc3 = nn.Linear(64, 10)
        if recipe.weight_std is not None:
            for layer in (self.fc1, self.fc2, self.fc3):
                nn.init.normal_(layer.weight, std=recipe.weight_std)
                nn.init.zeros_(layer.bias)

    def forward(self, images: Tensor) -> Tensor:
        """Takes images (N, 1, 28, 28) to scores (N, 10), one a digit."""
        x = images.flatten(start_dim=1)
        x = functional.relu(self.fc1(x))
        x = functional.relu(self.fc2(x))
        scores: Tensor = self.fc3(x)
        return scores

    def training_step(self, batch: list[Tensor], batch_index: int) -> Tensor:
        """Returns the loss of a batch."""
        images, labels = batch
        loss = functional.cross_entropy(self(images), labels)
        self.log("train_loss", loss, on_step=False, on_epoch=True, prog_bar=True)
        return loss

    def validation_step(self, batch: list[Tensor], batch_index: int) -> None:
        """Logs the loss and the accuracy on images that are not trained on."""
        self._evaluate(batch, "val")

    def test_step(self, batch: list[Tensor], batch_index: int) -> None:
        """Logs the loss and the accuracy on images that no decision was taken on."""
        self._evaluate(batch, "test")

    def _evaluate(self, batch: list[Tensor], name: str) -> None:
        images, labels = batch
        scores = self(images)
        accuracy = (scores.argmax(dim=1) == labels).float().mean()
        self.log(f"{name}_loss", functional.cross_entropy(scores, labels), prog_bar=True)
        self.log(f"{name}_accuracy", accuracy, prog_bar=True)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Stochastic gradient descent, as the recipe says."""
        optimizer = SGD(self.parameters(), lr=self.recipe.learning_rate, momentum=self.recipe.momentum)
        if not self.recipe.decay:
            return optimizer
        return [optimizer], [CosineAnnealingLR(optimizer, T_max=self.trainer.max_epochs or self.recipe.epochs)]


def split(images: Tensor, labels: Tensor, share: float) -> tuple[TensorDataset, TensorDataset]:
    """Splits off a share of the images, with as much of every digit on both sides."""
    kept, taken = train_test_split(torch.arange(len(labels)), test_size=share, stratify=labels, random_state=0)
    return TensorDataset(images[kept], labels[kept]), TensorDataset(images[taken], labels[taken])


def digits() -> tuple[TensorDataset, TensorDataset, TensorDataset]:
    """scikit-learn's digits, 8×8 made 28×28: to train, to validate and to test."""
    pixels, targets = load_digits(return_X_y=True)
    images = torch.tensor(pixels, dtype=torch.float32).reshape(-1, 1, 8, 8) / 16
    rest, test = split(resize(images, [28, 28]).clamp(0, 1), torch.tensor(targets), share=0.2)
    images, labels = rest.tensors
    train, validation = split(images, labels, share=0.1)
    return train, validation, test


def mnist(folder: Path) -> tuple[TensorDataset, TensorDataset, TensorDataset]:
    """MNIST, downloaded into a folder where it is not there yet: to train, to validate and to test."""
    try:
        rest, test = (MNIST(folder, train=train, download=True) for train in (True, False))
    except (OSError, RuntimeError) as error:
        sys.exit(f"MNIST could not be downloaded: {error}\nTry --data digits, which needs no network.")
    train, validation = split(rest.data.unsqueeze(1) / 255, rest.targets, share=0.1)
    return train, validation, TensorDataset(test.data.unsqueeze(1) / 255, test.targets)


def command(name: str) -> str:
    """How to call a program that was installed beside this Python, whether or not its environment is active."""
    return name if shutil.which(name) else os.path.relpath(Path(sys.executable).with_name(name))


def at_least_one(text: str) -> int:
    """A number of epochs from the command line."""
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {number}")
    return number


def arguments() -> argparse.Namespace:
    """What was asked for on the command line."""
    parser = argparse.ArgumentParser(description="Train on handwritten digits and log how the weights are learned.")
    parser.add_argument("--data", choices=("digits", "mnist"), default="digits", help="images (default: %(default)s)")
    parser.add_argument("--recipe", choices=tuple(RECIPES), default="good", help="training (default: %(default)s)")
    parser.add_argument("--epochs", type=at_least_one, help="how many (default: 20, with --recipe article 10)")
    parser.add_argument("--out", type=Path, default=Path("demo"), help="folder to write to (default: %(default)s/)")
    parser.add_argument(
        "--logger", choices=("tensorboard", "csv"), default="tensorboard", help="(default: %(default)s)"
    )
    return parser.parse_args()


def main() -> None:
    """Trains, tests, and says where to look."""
    args = arguments()
    recipe = RECIPES[args.recipe]
    # The images are in memory: processes that load them would only cost time. The other is Lightning's own affair.
    warnings.filterwarnings("ignore", ".*does not have many workers.*|.*LeafSpec.*")
    # On a network this small, several threads wait for each other more than they help.
    torch.set_num_threads(1)
    seed_everything(0)

    train, validation, test = digits() if args.data == "digits" else mnist(args.out / "mnist")
    model = DigitClassifier(recipe)
    logger_class = TensorBoardLogger if args.logger == "tensorboard" else CSVLogger
    logger = logger_class(args.out, name=f"{args.data}-{args.recipe}")

    trainer = Trainer(
        max_epochs=args.epochs or recipe.epochs,
        logger=logger,
        callbacks=[
            WeightVisualizationCallback(
                input_shape=(28, 28),  # of an image: the classes are shown as images too
                max_overhead=None,  # every epoch is wanted, whatever it costs
                report=True,  # and the whole run as one page, weightviz/report.html
            )
        ],
        enable_checkpointing=False,
        log_every_n_steps=10,
    )
    trainer.fit(
        model,
        DataLoader(train, BATCH_SIZE, shuffle=True),
        DataLoader(validation, batch_size=256),
    )
    [result] = trainer.test(model, DataLoader(test, batch_size=256), verbose=False)

    print(f"\nTest accuracy: {result['test_accuracy']:.3f}")
    print(f"Files: {logger.log_dir}")
    if args.logger == "tensorboard":
        print("Look at the weights, then open the address that it prints:")
        print(f"  {command('tensorboard')} --logdir {shlex.quote(str(args.out))} --samples_per_plugin images=1000")


if __name__ == "__main__":
    main()
