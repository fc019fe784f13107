"""Networks for 8×8 digits, one of each kind, as people write them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn


class MLP(nn.Module):
    """64-128-64-10 with ReLU."""

    def __init__(self, activation: Callable[[Tensor], Tensor] = torch.relu, depth: int = 0) -> None:
        super().__init__()
        self.activation = activation
        self.fc1 = nn.Linear(64, 128)
        self.between = nn.ModuleList(nn.Linear(128, 128) for _ in range(depth))
        self.fc2 = nn.Linear(128, 64)
        self.head = nn.Linear(64, 10)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (n, 10) of images (n, 1, 8, 8)."""
        hidden = self.activation(self.fc1(images.flatten(1)))
        for layer in self.between:
            hidden = self.activation(layer(hidden))
        logits: Tensor = self.head(self.activation(self.fc2(hidden)))
        return logits


class CNN(nn.Module):
    """Two convolutions and two Linear layers; with batch norm or without."""

    def __init__(self, norm: bool = False) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 3, padding=1)
        self.norm1 = nn.BatchNorm2d(16) if norm else nn.Identity()
        self.conv2 = nn.Conv2d(16, 32, 3, padding=1)
        self.norm2 = nn.BatchNorm2d(32) if norm else nn.Identity()
        self.fc1 = nn.Linear(32 * 4, 64)
        self.head = nn.Linear(64, 10)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (n, 10) of images (n, 1, 8, 8)."""
        hidden = nn.functional.max_pool2d(torch.relu(self.norm1(self.conv1(images))), 2)
        hidden = nn.functional.max_pool2d(torch.relu(self.norm2(self.conv2(hidden))), 2)
        logits: Tensor = self.head(torch.relu(self.fc1(hidden.flatten(1))))
        return logits


class LSTM(nn.Module):
    """Reads the rows of an image one by one."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(8, 32, batch_first=True)
        self.head = nn.Linear(32, 10)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (n, 10) of images (n, 1, 8, 8)."""
        logits: Tensor = self.head(self.lstm(images[:, 0])[0][:, -1])
        return logits


class ViT(nn.Module):
    """Sixteen patches, two blocks."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(4, 32)
        self.position = nn.Parameter(0.02 * torch.randn(1, 16, 32))
        layers = [nn.TransformerEncoderLayer(32, 4, 64, dropout=0.0, batch_first=True) for _ in range(2)]
        self.blocks = nn.Sequential(*layers)
        self.head = nn.Linear(32, 10)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (n, 10) of images (n, 1, 8, 8)."""
        patches = nn.functional.unfold(images, 2, stride=2).transpose(1, 2)
        logits: Tensor = self.head(self.blocks(self.embed(patches) + self.position).mean(1))
        return logits


class LoRA(nn.Module):
    """A Linear that is frozen, and a product of two small matrices beside it, the second of which starts at 0."""

    def __init__(self, base: nn.Linear, rank: int = 4) -> None:
        super().__init__()
        self.base = base.requires_grad_(False)
        self.lora_a = nn.Parameter(torch.randn(rank, base.in_features) / base.in_features**0.5)
        self.lora_b = nn.Parameter(torch.zeros(base.out_features, rank))

    def forward(self, inputs: Tensor) -> Tensor:
        """What the Linear gives, changed."""
        outputs: Tensor = self.base(inputs) + inputs @ self.lora_a.T @ self.lora_b.T
        return outputs


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "MLP": MLP,
    "CNN": CNN,
    "CNN with batch norm": lambda: CNN(norm=True),
    "LSTM": LSTM,
    "ViT": ViT,
}
"""By what they are called in the table."""
