"""What a model is called: by its own class, however it is wrapped."""

from __future__ import annotations

from typing import Any

import torch
from lightning.fabric import Fabric
from torch import nn

from lightning_weightviz.model.names import title_of


class Network(nn.Linear):
    def __init__(self) -> None:
        super().__init__(3, 2)


class Lazy(nn.Module):
    """Makes a module for any name, a new one each time."""

    made = 0

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            # So that a walk without an end fails and does not hang.
            assert Lazy.made < 100
            Lazy.made += 1
            return Lazy()


def test_a_model_is_called_by_the_class_that_wrappers_hold() -> None:
    fabric = Fabric(accelerator="cpu", devices=1)
    models: list[Any] = [Network(), torch.compile(Network()), fabric.setup(Network())]
    for model in models:
        assert title_of(model) == "Weights of Network"


def test_what_a_model_makes_up_is_no_wrapped_one() -> None:
    assert title_of(Lazy()) == "Weights of Lazy"
    assert Lazy.made == 0
