"""Trainings with a planted fault, as they happen to people, each on two kinds of networks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.trainings.healthy import OPTIMIZERS, SCHEDULES
from benchmarks.trainings.networks import CNN, MLP, NETWORKS
from benchmarks.trainings.training import EPOCHS, Digits, Optimize, Run, digits, loader, parameters_without

MIDDLE = 8
"""Epoch after which a fault begins that begins in mid-run."""


@dataclass(frozen=True)
class Fault:
    """A planted fault.

    Attributes:
        builds: A run on each of two kinds of networks.
        rules: Those that name it rightly.
        where: Part of the parameter's name, of each of the two; empty: the whole model or any parameter.
        unit: Part of the unit's name; None: any.
        since: Epochs finished when it begins; None: it is there from the start.
    """

    builds: tuple[Callable[[], Run], Callable[[], Run]]
    rules: frozenset[str]
    where: tuple[str, str] = ("", "")
    unit: str | None = None
    since: int | None = None


def _digits(kind: str, optimizer: str = "Adam", schedule: str = "constant") -> Digits:
    return Digits(NETWORKS[kind](), OPTIMIZERS[optimizer], SCHEDULES[schedule])


def _weight(module: Digits, name: str) -> nn.Parameter:
    return dict(module.network.named_parameters())[name]


def _both(make: Callable[[str], Run], first: str, second: str) -> tuple[Callable[[], Run], Callable[[], Run]]:
    return partial(make, first), partial(make, second)


def value_in_mid_run(kind: str, name: str, value: float) -> Run:
    """A weight becomes NaN or infinite."""
    module = _digits(kind)

    def each_epoch(epoch: int) -> None:
        if epoch == MIDDLE:
            with torch.no_grad():
                _weight(module, name).view(-1)[7] = value

    module.each_epoch = each_epoch
    return Run(module)


def stops(kind: str, name: str) -> Run:
    """A layer gets no gradient any more."""
    module = _digits(kind, "momentum")

    def after_backward(epoch: int) -> None:
        if epoch >= MIDDLE:
            for one, parameter in module.network.named_parameters():
                if one.startswith(name):
                    parameter.grad = None

    module.after_backward = after_backward
    return Run(module)


class _Detached(nn.Module):
    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, inputs: Tensor) -> Tensor:
        found: Tensor = self.inner(inputs)
        return found.detach()


def detached(kind: str, name: str) -> Run:
    """What a layer gives is cut from the graph."""
    module = _digits(kind)
    setattr(module.network, name, _Detached(getattr(module.network, name)))
    return Run(module)


def left_out(kind: str, name: str) -> Run:
    """A layer is given to no optimizer."""
    return Run(Digits(NETWORKS[kind](), lambda one: torch.optim.Adam(parameters_without(one, name), lr=2e-3)))


def rate_ends(kind: str) -> Run:
    """A schedule of half the training's length."""
    return Run(Digits(NETWORKS[kind](), OPTIMIZERS["momentum"], lambda share: max(0.0, 1 - 2 * share)))


def decays_each_step(kind: str) -> Run:
    """A decay meant for epochs, taken at each step."""
    module = Digits(NETWORKS[kind](), OPTIMIZERS["SGD"], lambda share: 0.9 ** (57 * EPOCHS * share))
    return Run(module)


def tiny_rate(kind: str) -> Run:
    """A learning rate of 1e-7."""
    return Run(Digits(NETWORKS[kind](), lambda one: torch.optim.Adam(one.parameters(), lr=1e-7)))


def huge_rate(kind: str) -> Run:
    """A learning rate of 0.3 with Adam."""
    return Run(Digits(NETWORKS[kind](), lambda one: torch.optim.Adam(one.parameters(), lr=0.3)))


def tutorial_start(depth: int) -> Run:
    """Weights from N(0, 0.01) and a small learning rate."""
    network = MLP(depth=depth)
    for layer in network.modules():
        if isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.zeros_(layer.bias)
    return Run(Digits(network, lambda one: torch.optim.SGD(one.parameters(), lr=0.01)))


def one_value(kind: str, name: str) -> Run:
    """All weights of a layer are one number."""
    module = _digits(kind)
    nn.init.constant_(_weight(module, name), 0.05)
    return Run(module)


def one_grows(kind: str, name: str) -> Run:
    """A layer's gradient is replaced by one that makes it longer."""
    module = _digits(kind, "SGD")

    def after_backward(epoch: int) -> None:
        if epoch >= MIDDLE:
            weight = _weight(module, name)
            weight.grad = -0.5 * weight.detach()

    module.after_backward = after_backward
    return Run(module)


def decayed(kind: str) -> Run:
    """A weight decay of 0.3 that was meant to be 0.0003."""
    return Run(Digits(NETWORKS[kind](), lambda one: torch.optim.SGD(one.parameters(), lr=0.1, weight_decay=0.3)))


def started_anew(kind: str, name: str) -> Run:
    """A layer is initialised again in mid-run."""
    module = _digits(kind)

    def each_epoch(epoch: int) -> None:
        if epoch == MIDDLE:
            getattr(module.network, name).reset_parameters()

    module.each_epoch = each_epoch
    return Run(module)


def wild_batch(kind: str) -> Run:
    """A batch 300 times as large as the others, with labels that do not fit."""
    module = _digits(kind, "momentum")
    seen = 0

    def each_batch(images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        nonlocal seen
        seen += 1
        return (300 * images, labels.roll(1)) if seen == MIDDLE * 57 + 30 else (images, labels)

    module.each_batch = each_batch
    return Run(module)


def never_fire(kind: str, name: str) -> Run:
    """Three quarters of a layer's units have a bias far below 0."""
    module = _digits(kind)
    bias = _weight(module, f"{name}.bias")
    with torch.no_grad():
        bias[: 3 * len(bias) // 4] = -30.0
    return Run(module)


def dead_channels(name: str) -> Run:
    """The scale of half the channels of a batch norm is 0 and stays so."""
    network = CNN(norm=True)
    scale = dict(network.named_parameters())[f"{name}.weight"]
    module = Digits(network, OPTIMIZERS["momentum"])

    def set_to_0(epoch: int) -> None:
        if epoch >= MIDDLE:
            with torch.no_grad():
                scale[: len(scale) // 2] = 0
            if scale.grad is not None:
                scale.grad[: len(scale) // 2] = 0

    module.each_epoch = module.after_backward = set_to_0
    return Run(module)


def dead_filters(kind: str, name: str) -> Run:
    """Half the rows of a layer are 0 and get no gradient."""
    module = _digits(kind, "SGD")
    weight = _weight(module, name)

    def set_to_0(epoch: int) -> None:
        if epoch >= MIDDLE:
            with torch.no_grad():
                weight[: len(weight) // 2] = 0
            if weight.grad is not None:
                weight.grad[: len(weight) // 2] = 0

    module.each_epoch = module.after_backward = set_to_0
    return Run(module)


def _with_labels(kind: str, change: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]], shuffle: bool = True) -> Run:
    return Run(_digits(kind), loader(*change(*digits()), shuffle=shuffle))


def _mixed(images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Labels 3 and 8 at random."""
    labels = labels.clone()
    either = (labels == 3) | (labels == 8)
    labels[either] = torch.where(torch.rand(int(either.sum())) < 0.5, 3, 8)
    return images, labels


def _missing(images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """No image of a 7."""
    return images[labels != 7], labels[labels != 7]


def _uneven(images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Fifty times as many images of a 1 as of any other digit, noisy as real data are."""
    kept = (labels == 1) | (torch.arange(len(labels)) % 15 == 0)
    images, labels = images[kept], labels[kept]
    ones = (labels == 1).nonzero()[:, 0]
    more = torch.cat([torch.arange(len(labels)), ones.repeat(4)])
    return images[more] + 2 * torch.randn_like(images[more]), labels[more]


def _sorted(images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Class after class."""
    order = torch.argsort(labels, stable=True)
    return images[order], labels[order]


def not_normalised(kind: str) -> Run:
    """Inputs whose mean is far from 0."""

    def change(images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        return images + 20, labels

    module = Digits(NETWORKS[kind](), lambda one: torch.optim.SGD(one.parameters(), lr=0.02, momentum=0.9))
    return Run(module, loader(*change(*digits())))


def half_precision(kind: str, optimizer: str) -> Run:
    """Weights in bfloat16, and steps that are too small for it."""
    optimize: dict[str, Optimize] = {
        "Adam": lambda one: torch.optim.Adam(one.parameters(), lr=1e-6),
        "SGD": lambda one: torch.optim.SGD(one.parameters(), lr=1e-5),
    }
    return Run(Digits(NETWORKS[kind]().bfloat16(), optimize[optimizer]))


def vanishing(depth: int) -> Run:
    """A deep network of sigmoids under plain SGD."""
    network = MLP(torch.sigmoid, depth)
    return Run(Digits(network, lambda one: torch.optim.SGD(one.parameters(), lr=0.1)))


def exploding(kind: str) -> Run:
    """A learning rate at which plain SGD runs away."""
    return Run(Digits(NETWORKS[kind](), lambda one: torch.optim.SGD(one.parameters(), lr=20.0)))


def _rules(*names: str) -> frozenset[str]:
    return frozenset(names)


FAULTS: dict[str, Fault] = {
    "a weight becomes NaN": Fault(
        (
            partial(value_in_mid_run, "MLP", "fc2.weight", float("nan")),
            partial(value_in_mid_run, "ViT", "embed.weight", float("nan")),
        ),
        _rules("nan"),
        ("fc2.weight", "embed.weight"),
        None,
        MIDDLE,
    ),
    "a weight becomes infinite": Fault(
        (
            partial(value_in_mid_run, "CNN", "head.bias", float("inf")),
            partial(value_in_mid_run, "LSTM", "head.bias", float("inf")),
        ),
        _rules("inf", "nan"),
        ("head.bias", "head.bias"),
        None,
        MIDDLE,
    ),
    "a layer stops in mid-run": Fault(
        (partial(stops, "MLP", "fc2"), partial(stops, "CNN with batch norm", "conv2")),
        _rules("not_moving"),
        ("fc2.weight", "conv2.weight"),
        None,
        MIDDLE,
    ),
    "a layer is detached": Fault(
        (partial(detached, "MLP", "fc1"), partial(detached, "ViT", "embed")),
        _rules("not_moving"),
        ("fc1.inner.weight", "embed.inner.weight"),
    ),
    "a layer is in no optimizer": Fault(
        (partial(left_out, "CNN", "conv2"), partial(left_out, "LSTM", "head")),
        _rules("in_no_optimizer"),
        ("conv2.weight", "head.weight"),
    ),
    "the schedule ends at half time": Fault(
        _both(rate_ends, "MLP", "ViT"),
        _rules("all_stopped"),
        ("", ""),
        None,
        MIDDLE,
    ),
    "the rate decays at each step": Fault(
        _both(decays_each_step, "CNN", "LSTM"),
        _rules("all_stopped", "small_steps"),
        ("", ""),
        None,
        3,
    ),
    "learning rate 1e-7": Fault(_both(tiny_rate, "MLP", "CNN"), _rules("small_steps", "all_stopped")),
    "learning rate 0.3 with Adam": Fault(_both(huge_rate, "MLP", "LSTM"), _rules("large_steps", "growth", "nan")),
    "weights from N(0, 0.01)": Fault(
        (partial(tutorial_start, 0), partial(tutorial_start, 1)),
        _rules("bad_start"),
    ),
    "a layer starts as one number": Fault(
        (partial(one_value, "MLP", "fc1.weight"), partial(one_value, "CNN", "fc1.weight")),
        _rules("equal_units"),
        ("fc1.weight", "fc1.weight"),
    ),
    "one layer grows": Fault(
        (partial(one_grows, "MLP", "fc2.weight"), partial(one_grows, "CNN", "conv2.weight")),
        _rules("growth", "jump"),
        ("fc2.weight", "conv2.weight"),
        None,
        MIDDLE,
    ),
    "weight decay 0.3": Fault(_both(decayed, "MLP", "CNN"), _rules("collapse", "zero")),
    "a layer is started anew": Fault(
        (partial(started_anew, "MLP", "fc2"), partial(started_anew, "CNN", "fc1")),
        _rules("jump"),
        ("fc2.weight", "fc1.weight"),
        None,
        MIDDLE,
    ),
    "one wild batch": Fault(_both(wild_batch, "MLP", "CNN"), _rules("jump", "nan"), ("", ""), None, MIDDLE),
    "units that never fire": Fault(
        (partial(never_fire, "MLP", "fc2"), partial(never_fire, "CNN", "fc1")),
        _rules("unmoved_units"),
        ("fc2.weight", "fc1.weight"),
    ),
    "dead channels of batch norm": Fault(
        (partial(dead_channels, "norm1"), partial(dead_channels, "norm2")),
        _rules("dead_channels"),
        ("norm1.weight", "norm2.weight"),
        None,
        MIDDLE,
    ),
    "dead filters": Fault(
        (partial(dead_filters, "CNN", "conv2.weight"), partial(dead_filters, "MLP", "fc1.weight")),
        _rules("dead_units"),
        ("conv2.weight", "fc1.weight"),
        None,
        MIDDLE,
    ),
    "labels of 3 and 8 mixed": Fault(
        (partial(_with_labels, "MLP", _mixed), partial(_with_labels, "CNN", _mixed)),
        _rules("classes_alike"),
        ("head.weight", "head.weight"),
        "3, 8",
    ),
    "no 7 in the data": Fault(
        (partial(_with_labels, "MLP", _missing), partial(_with_labels, "CNN", _missing)),
        _rules("missing_class"),
        ("head", "head"),
        "7",
    ),
    "one class 50 times as frequent": Fault(
        (partial(_with_labels, "MLP", _uneven), partial(_with_labels, "CNN", _uneven)),
        _rules("class_apart"),
        ("head", "head"),
        "1",
    ),
    "sorted by class, not shuffled": Fault(
        (partial(_with_labels, "MLP", _sorted, False), partial(_with_labels, "CNN", _sorted, False)),
        _rules("sorted_classes"),
        ("head", "head"),
    ),
    "inputs with a mean of 20": Fault(
        _both(not_normalised, "MLP", "CNN"), _rules("rank_collapse", "all_stopped", "unmoved_units")
    ),
    "steps too small for bfloat16": Fault(
        (partial(half_precision, "MLP", "Adam"), partial(half_precision, "MLP", "SGD")),
        _rules("swallowed"),
    ),
    "vanishing gradients": Fault(
        (partial(vanishing, 4), partial(vanishing, 6)), _rules("not_moving"), ("network.", "network.")
    ),
    "exploding weights": Fault(_both(exploding, "MLP", "CNN"), _rules("nan", "inf", "growth", "large_steps")),
}
"""By what they are called in the table."""


def seeded(build: Callable[[], Any], seed: int) -> Any:
    """What `build` makes, with random numbers of their own."""
    torch.manual_seed(seed)
    return build()
