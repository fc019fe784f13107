"""The same without a Trainer: a loop in plain PyTorch that logs its weights once an epoch.

Run it::

    python examples/plain_pytorch.py
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from torch.utils.tensorboard import SummaryWriter

from lightning_weightviz import WeightVisualizer


def main() -> None:
    """Trains on scikit-learn's digits and says where to look."""
    parser = argparse.ArgumentParser(description="Log the weights of a model that is trained without Lightning.")
    parser.add_argument("--epochs", type=int, default=10, help="how many (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("demo/plain_pytorch"), help="folder (default: %(default)s)")
    args = parser.parse_args()

    torch.manual_seed(0)
    pixels, targets = load_digits(return_X_y=True)
    data = TensorDataset(torch.tensor(pixels, dtype=torch.float32) / 16, torch.tensor(targets))
    model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)

    writer = SummaryWriter(args.out)
    weights = WeightVisualizer(model, writer, folder=args.out, input_shape=(8, 8))
    weights.log(step=0, initial=True)

    step = 0
    for epoch in range(1, args.epochs + 1):
        for images, labels in DataLoader(data, batch_size=32, shuffle=True):
            loss = nn.functional.cross_entropy(model(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step += 1
        writer.add_scalar("train_loss", loss, step)
        weights.log(step, epoch=epoch)
        print(f"epoch {epoch}: loss of the last batch {loss.item():.3f}")

    weights.finish()
    writer.close()
    print(f"Files: {args.out}")
    print(f"Look at the weights: tensorboard --logdir {args.out} --samples_per_plugin images=1000")


if __name__ == "__main__":
    main()
