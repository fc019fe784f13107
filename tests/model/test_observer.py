"""The observer asks each question of a model once per snapshot, and finds its way while the model changes."""

from __future__ import annotations

import warnings
from collections import Counter
from typing import Any

import pytest
import torch
from torch import nn

from lightning_weightviz.model import observer, reading, sharding, targets
from lightning_weightviz.model.measuring import Measuring
from lightning_weightviz.model.observer import Observer
from lightning_weightviz.model.selection import Choice


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 4))


def test_every_question_is_asked_once_per_snapshot(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: Counter[str] = Counter()

    def counting(module: Any, name: str) -> None:
        answer = getattr(module, name)

        def counted(*arguments: Any, **named: Any) -> Any:
            asked[name] += 1
            return answer(*arguments, **named)

        monkeypatch.setattr(module, name, counted)

    looking = Observer(network(), Choice(), Measuring(("weights", "updates")))
    assert looking.take() is not None
    counting(sharding, "settle")
    for module, name in ((observer, "places_in"), (observer, "select"), (observer, "fitting_names")):
        counting(module, name)
    counting(targets, "value_of")
    counting(reading, "head_source")
    taken = looking.take()
    assert taken is not None and set(taken.result()) == {"weights", "updates"}
    assert asked == {"settle": 1, "places_in": 1, "value_of": 4, "head_source": 1, "fitting_names": 2}


def test_results_are_of_the_moment_when_they_were_taken() -> None:
    model = network()
    looking = Observer(model, Choice(), Measuring())
    taken = looking.take()
    with torch.no_grad():
        next(model.parameters()).fill_(7)
    assert taken is not None
    assert taken.result()["weights"].measurements["0.weight"].statistics["absmax"] < 1


def test_what_a_selection_knew_goes_on_when_it_is_renewed() -> None:
    model = network()
    looking = Observer(model, Choice(), Measuring())
    looking.take()
    model.append(nn.Linear(4, 4))
    with torch.no_grad():
        next(model.parameters()).mul_(2)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        taken = looking.take()
    assert [str(one.message) for one in told] == [
        "the model has changed; parameters that are gone: none; new: 3.bias, 3.weight"
    ]
    assert taken is not None
    found = taken.result()["weights"].measurements
    assert found["0.weight"].statistics["relative_change"] == pytest.approx(1.0)
    assert found["3.weight"].parameter.kind == "head" and found["2.weight"].parameter.kind == "linear"


def test_a_parameter_of_another_shape_is_told() -> None:
    model = network()
    looking = Observer(model, Choice(), Measuring())
    looking.take()
    last = model[2]
    assert isinstance(last, nn.Linear)
    model[2] = nn.Linear(last.in_features, 9, bias=False)
    with pytest.warns(UserWarning) as told:
        looking.take()
    shapes = (last.out_features, last.in_features), (9, last.in_features)
    gone, new = (f"2.weight of shape {shape}" for shape in shapes)
    assert str(told[0].message) == f"the model has changed; parameters that are gone: 2.bias, {gone}; new: {new}"


def test_what_is_frozen_in_mid_run_is_known_at_the_next_snapshot() -> None:
    model = network()
    looking = Observer(model, Choice(), Measuring())
    looking.take()
    model[0].requires_grad_(False)
    taken = looking.take()
    assert taken is not None
    trained = {name: one.parameter.trainable for name, one in taken.result()["weights"].measurements.items()}
    assert trained == {"0.weight": False, "0.bias": False, "2.weight": True, "2.bias": True}


def test_a_state_that_cannot_be_read_changes_nothing() -> None:
    looking = Observer(network(), Choice(), Measuring())
    looking.take()
    before = looking.state_dict()["weights"]
    with pytest.raises(KeyError):
        looking.load_state_dict({"weights": {"names": ["0.weight"]}})
    after = looking.state_dict()["weights"]
    assert torch.equal(before["start"], after["start"]) and before["names"] == after["names"]


def test_a_head_is_said_to_be_one_also_where_its_classes_are_not_shown() -> None:
    looking = Observer(network(), Choice(class_names=["of", "another", "number"]), Measuring(), classes=False)
    taken = looking.take()
    assert taken is not None
    found = taken.result()["weights"]
    assert found.measurements["2.weight"].parameter.kind == "head" and found.heads == ()
