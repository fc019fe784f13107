"""Trainings with nothing wrong in them: five kinds of networks, optimizers and schedules, and what only looks wrong."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from functools import partial
from typing import Any, cast

import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from benchmarks.trainings.networks import CNN, MLP, NETWORKS, LoRA
from benchmarks.trainings.training import EPOCHS, Digits, Optimize, Run, Schedule, digits, loader

OPTIMIZERS: dict[str, Optimize] = {
    "SGD": lambda network: torch.optim.SGD(network.parameters(), lr=0.1),
    "momentum": lambda network: torch.optim.SGD(network.parameters(), lr=0.02, momentum=0.9, weight_decay=5e-4),
    "Adam": lambda network: torch.optim.Adam(network.parameters(), lr=2e-3),
    "AdamW": lambda network: torch.optim.AdamW(network.parameters(), lr=2e-3, weight_decay=0.05),
    "RMSprop": lambda network: torch.optim.RMSprop(network.parameters(), lr=1e-3),
}
SCHEDULES: dict[str, Schedule | None] = {
    "constant": None,
    "cosine": lambda share: 0.5 * (1 + math.cos(math.pi * share)),
    "step": lambda share: 0.1 ** int(share * 3),
    "warm-up": lambda share: min(1.0, share * 5),
}


def _plain(kind: str, optimizer: str, schedule: str) -> Run:
    return Run(Digits(NETWORKS[kind](), OPTIMIZERS[optimizer], SCHEDULES[schedule]))


def _trained(network: nn.Module, labels: Callable[[Tensor], Tensor]) -> nn.Module:
    """A network that has learned some of the digits, as one that is fine-tuned has."""
    images, targets = digits()
    chosen = labels(targets)
    data = loader(images[chosen], targets[chosen])
    optimizer = torch.optim.Adam(network.parameters(), lr=2e-3)
    for _ in range(8):
        for batch, batch_labels in data:
            optimizer.zero_grad()
            nn.functional.cross_entropy(network(batch), batch_labels).backward()
            optimizer.step()
    return network


def _others() -> Any:
    images, targets = digits()
    return loader(images[targets >= 5], targets[targets >= 5] - 5)


def _adam_of_trained(network: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.AdamW([one for one in network.parameters() if one.requires_grad], lr=3e-3)


def frozen_trunk(norm: bool) -> Run:
    """A trunk whose parameters require no gradient, and a new head."""
    network = _trained(CNN(norm), lambda targets: targets < 5)
    network.requires_grad_(False)
    network.head = nn.Linear(64, 5)
    return Run(Digits(network, _adam_of_trained), _others())


def trunk_at_rate_0() -> Run:
    """A trunk in a group whose learning rate is 0."""
    network = _trained(CNN(), lambda targets: targets < 5)
    network.head = nn.Linear(64, 5)

    def optimize(one: nn.Module) -> torch.optim.Optimizer:
        trunk = [p for name, p in one.named_parameters() if not name.startswith("head")]
        head = [p for name, p in one.named_parameters() if name.startswith("head")]
        return torch.optim.SGD([{"params": trunk, "lr": 0.0}, {"params": head, "lr": 0.05}], lr=0.05)

    return Run(Digits(network, optimize), _others())


def fine_tuned(factor: float) -> Run:
    """A trunk whose learning rate is a fraction of the head's."""
    network = _trained(CNN(norm=True), lambda targets: targets < 5)
    network.head = nn.Linear(64, 5)

    def optimize(one: nn.Module) -> torch.optim.Optimizer:
        trunk = [p for name, p in one.named_parameters() if not name.startswith("head")]
        head = [p for name, p in one.named_parameters() if name.startswith("head")]
        groups: list[dict[str, Any]] = [{"params": trunk, "lr": 2e-3 * factor}, {"params": head}]
        return torch.optim.AdamW(groups, lr=2e-3)

    return Run(Digits(network, optimize), _others())


def unfrozen() -> Run:
    """A trunk that is frozen for the first third."""
    network = _trained(CNN(), lambda targets: targets < 5)
    network.head = nn.Linear(64, 5)
    trunk = [p for name, p in network.named_parameters() if not name.startswith("head")]
    module = Digits(network, lambda one: torch.optim.Adam(one.parameters(), lr=1e-3))

    def each_epoch(epoch: int) -> None:
        for parameter in trunk:
            parameter.requires_grad_(epoch >= EPOCHS // 3)

    module.each_epoch = each_epoch
    return Run(module, _others())


def lora() -> Run:
    """Adapters of two layers of a trained network."""
    network = MLP()
    _trained(network, lambda targets: targets < 5)
    network.requires_grad_(False)
    network.fc1, network.fc2 = cast(Any, LoRA(network.fc1)), cast(Any, LoRA(network.fc2))
    network.head = nn.Linear(64, 5)
    return Run(Digits(network, _adam_of_trained), _others())


class GAN(LightningModule):
    """Two networks, each with an optimizer, trained in turns."""

    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.generator = nn.Sequential(nn.Linear(16, 64), nn.ReLU(), nn.Linear(64, 64))
        self.discriminator = nn.Sequential(nn.Linear(64, 64), nn.LeakyReLU(0.2), nn.Linear(64, 1))

    def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> None:
        """A step of each."""
        real = batch[0].flatten(1)
        made = self.generator(torch.randn(len(real), 16))
        loss = nn.functional.binary_cross_entropy_with_logits
        one, other = cast("list[Any]", self.optimizers())
        judged, faked = self.discriminator(real), self.discriminator(made.detach())
        other.zero_grad()
        self.manual_backward(loss(judged, torch.ones_like(judged)) + loss(faked, torch.zeros_like(faked)))
        other.step()
        one.zero_grad()
        fooled = self.discriminator(made)
        self.manual_backward(loss(fooled, torch.ones_like(fooled)))
        one.step()

    def configure_optimizers(self) -> Any:
        """Adam as GANs have it."""
        return [
            torch.optim.Adam(one.parameters(), lr=5e-4, betas=(0.5, 0.999))
            for one in (self.generator, self.discriminator)
        ]


def mixed_precision(kind: str) -> Run:
    """Weights in float32, computed in bfloat16."""
    return Run(Digits(NETWORKS[kind](), OPTIMIZERS["AdamW"], SCHEDULES["cosine"]), precision="bf16-mixed")


def true_bfloat16() -> Run:
    """Weights in bfloat16, at a learning rate that they feel."""
    network = MLP().bfloat16()
    return Run(Digits(network, lambda one: torch.optim.Adam(one.parameters(), lr=2e-3)))


def two_rates() -> Run:
    """No weight decay of biases and norms."""

    def optimize(one: nn.Module) -> torch.optim.Optimizer:
        wide = [p for p in one.parameters() if p.ndim > 1]
        rest = [p for p in one.parameters() if p.ndim < 2]
        return torch.optim.AdamW(
            [{"params": wide, "weight_decay": 0.1}, {"params": rest, "weight_decay": 0.0}], lr=2e-3
        )

    return Run(Digits(NETWORKS["ViT"](), optimize, SCHEDULES["warm-up"]))


def long_cosine() -> Run:
    """A schedule whose last epochs have hardly a learning rate."""
    return Run(Digits(MLP(), OPTIMIZERS["momentum"], SCHEDULES["cosine"]), epochs=60)


def he_start() -> Run:
    """Weights from He's normal distribution."""
    network = MLP()
    for layer in (network.fc1, network.fc2, network.head):
        nn.init.kaiming_normal_(layer.weight)
    return Run(Digits(network, OPTIMIZERS["momentum"]))


def orthogonal_start() -> Run:
    """Orthogonal weights."""
    network = MLP()
    for layer in (network.fc1, network.fc2, network.head):
        nn.init.orthogonal_(layer.weight)
    return Run(Digits(network, OPTIMIZERS["Adam"]))


def zero_head() -> Run:
    """A head that starts at 0."""
    network = CNN(norm=True)
    nn.init.zeros_(network.head.weight)
    return Run(Digits(network, OPTIMIZERS["momentum"]))


def normalised_weights() -> Run:
    """Weight norm on a layer."""
    network = MLP()
    network.fc1 = weight_norm(network.fc1)
    return Run(Digits(network, OPTIMIZERS["Adam"]))


def mildly_uneven() -> Run:
    """Classes of which some are four times as frequent as others."""
    images, labels = digits()
    kept = (labels < 5) | (torch.arange(len(labels)) % 4 == 0)
    return Run(Digits(CNN(), OPTIMIZERS["Adam"]), loader(images[kept], labels[kept]))


def deep_with_relu() -> Run:
    """Eight layers, He's start."""
    network = MLP(depth=5)
    for layer in network.modules():
        if isinstance(layer, nn.Linear):
            nn.init.kaiming_normal_(layer.weight)
    return Run(Digits(network, OPTIMIZERS["Adam"]))


def restarts() -> Run:
    """A cosine that starts anew four times."""
    return Run(
        Digits(CNN(norm=True), OPTIMIZERS["momentum"], lambda share: 0.5 * (1 + math.cos(math.pi * (4 * share % 1)))),
        epochs=24,
    )


class LanguageModel(LightningModule):
    """Predicts the next of a row of pixels; its table of positions is longer than any row, its head its embedding."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(17, 48)
        self.positions = nn.Parameter(0.02 * torch.randn(64, 48))
        layers = [nn.TransformerEncoderLayer(48, 4, 96, batch_first=True, norm_first=True) for _ in range(2)]
        self.blocks = nn.ModuleList(layers)
        self.norm = nn.LayerNorm(48)
        self.head = nn.Linear(48, 17, bias=False)
        self.head.weight = self.embedding.weight

    def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> Tensor:
        """The loss of a batch."""
        tokens = ((4 * batch[0].flatten(1)).round().clamp(-8, 8) + 8).long()[:, ::2]
        length = tokens.shape[1] - 1
        hidden = self.embedding(tokens[:, :-1]) + self.positions[:length]
        mask = nn.Transformer.generate_square_subsequent_mask(length)
        for block in self.blocks:
            hidden = block(hidden, src_mask=mask, is_causal=True)
        return nn.functional.cross_entropy(self.head(self.norm(hidden)).transpose(1, 2), tokens[:, 1:])

    def configure_optimizers(self) -> Any:
        """As language models have it, with a warm-up."""
        optimizer = torch.optim.AdamW(self.parameters(), lr=2e-3, weight_decay=0.1)
        return [optimizer], [torch.optim.lr_scheduler.LambdaLR(optimizer, lambda epoch: min(1.0, (epoch + 1) / 4))]


class Copied(Digits):
    """Beside the network one that is in no optimizer: the average of its weights over time, or a teacher."""

    def __init__(self, network: nn.Module, optimize: Optimize, follows: bool) -> None:
        super().__init__(network, optimize)
        self.copy = copy.deepcopy(network)
        self.follows = follows

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Lets the average follow."""
        if self.follows:
            with torch.no_grad():
                for mine, other in zip(self.copy.parameters(), self.network.parameters(), strict=True):
                    mine.lerp_(other, 0.01)


def copied(follows: bool) -> Run:
    """A network with a copy that requires gradients and gets none."""
    return Run(Copied(CNN(), OPTIMIZERS["Adam"], follows))


def _grid() -> dict[str, Callable[[], Run]]:
    """Each kind with each optimizer, twice, so that each schedule comes with each kind and each optimizer."""
    schedules = list(SCHEDULES)
    runs: dict[str, Callable[[], Run]] = {}
    for row, kind in enumerate(NETWORKS):
        for column, optimizer in enumerate(OPTIMIZERS):
            for shift in (0, 2):
                schedule = schedules[(row + column + shift) % len(schedules)]
                runs[f"{kind}, {optimizer}, {schedule}"] = partial(_plain, kind, optimizer, schedule)
    return runs


HEALTHY: dict[str, Callable[[], Run]] = {
    **_grid(),
    "frozen trunk": partial(frozen_trunk, False),
    "frozen trunk with batch norm": partial(frozen_trunk, True),
    "trunk at rate 0": trunk_at_rate_0,
    "fine-tuned at a tenth": partial(fine_tuned, 0.1),
    "fine-tuned at a thousandth": partial(fine_tuned, 0.001),
    "trunk unfrozen after a third": unfrozen,
    "LoRA": lora,
    "GAN": lambda: Run(GAN()),
    "CNN, mixed precision": partial(mixed_precision, "CNN"),
    "ViT, mixed precision": partial(mixed_precision, "ViT"),
    "weights in bfloat16": true_bfloat16,
    "two groups": two_rates,
    "long cosine": long_cosine,
    "He start": he_start,
    "orthogonal start": orthogonal_start,
    "head at 0": zero_head,
    "weight norm": normalised_weights,
    "classes 4 : 1": mildly_uneven,
    "deep with ReLU": deep_with_relu,
    "cosine with restarts": restarts,
    "moving average of the weights": partial(copied, True),
    "teacher that is not frozen": partial(copied, False),
    "language model": lambda: Run(LanguageModel()),
}
"""What makes each run, by its name; called with the random numbers seeded."""
