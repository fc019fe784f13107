"""What the classes are called, by the data: also by data sets that are wrapped, and by those that answer everything."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest
import torch
from torch.utils.data import DataLoader, Dataset, Subset

from lightning_weightviz.model.class_names import class_names_of

NAMES = ["cat", "dog"]


class Animals(Dataset[Any]):
    """As torchvision's data sets."""

    classes = NAMES

    def __len__(self) -> int:
        return 8

    def __getitem__(self, index: int) -> Any:
        return torch.zeros(3), index % 2


class Lazy(Animals):
    """Makes a part for any name, a new one each time."""

    classes = None  # type: ignore[assignment]

    def __init__(self, made: list[str]) -> None:
        self.made = made

    def __getattr__(self, name: str) -> Lazy:
        if name.startswith("__"):
            raise AttributeError(name)
        # So that a walk without an end fails and does not hang.
        assert len(self.made) < 1000
        self.made.append(name)
        return Lazy(self.made)


@pytest.mark.parametrize("depth", [0, 1, 5])
def test_they_are_those_of_the_data_set_however_it_is_wrapped(depth: int) -> None:
    dataset: Dataset[Any] = Animals()
    for _ in range(depth):
        dataset = Subset(dataset, range(4))
    assert class_names_of(None, DataLoader(dataset)) == NAMES


def test_those_of_the_data_module_come_first() -> None:
    assert class_names_of(SimpleNamespace(class_names=("owl", "fox")), DataLoader(Animals())) == ("owl", "fox")


def test_a_data_set_that_makes_a_new_one_for_any_name_has_none() -> None:
    made: list[str] = []
    assert class_names_of(None, DataLoader(Lazy(made))) == ()
    assert 0 < len(made) < 1000


def test_a_mock_has_none() -> None:
    mock = MagicMock()
    assert class_names_of(mock, mock) == ()


def test_a_data_set_that_holds_itself_has_none() -> None:
    wrapper = SimpleNamespace()
    wrapper.dataset = wrapper
    assert class_names_of(None, wrapper) == ()
