"""Findings in real trainings: named, dated, said once, kept over a resume, and quiet where nothing is wrong."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import nn

from lightning_weightviz import Finding, WeightAlert, WeightVisualizationCallback, WeightVisualizer
from tests.support.training import Classifier, batches, events, trainer

STOPS = 6
EPOCHS = 11


class Stopping(Classifier):
    """Its second layer gets no gradient any more after some epochs."""

    def on_after_backward(self) -> None:
        if self.current_epoch >= STOPS:
            self.fc1.weight.grad = None


class Breaking(Classifier):
    """Its second layer becomes NaN in the third epoch."""

    def on_train_epoch_start(self) -> None:
        if self.current_epoch == 2:
            with torch.no_grad():
                self.fc2.weight[1, 2] = float("nan")


@contextmanager
def heard() -> Iterator[list[str]]:
    """The warnings about weights."""
    said: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield said
    said += [text for text in (str(one.message) for one in caught) if "(alert " in text]


def fit(folder: Path, model: Classifier, callback: WeightVisualizationCallback, *others: Any, **options: Any) -> None:
    trainer(folder, callback, *others, **{"max_epochs": EPOCHS, **options}).fit(
        model, batches(), ckpt_path=options.pop("ckpt_path", None)
    )


def quick(**arguments: Any) -> WeightVisualizationCallback:
    return WeightVisualizationCallback(views=("overview",), max_overhead=None, **arguments)


def test_a_layer_that_stops_is_named_dated_and_said_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    callback = quick()
    with heard() as said:
        fit(tmp_path, Stopping(), callback)
    [one] = callback.findings
    assert isinstance(one, Finding)
    assert (one.rule, one.severity, one.parameter, one.epoch) == ("not_moving", "warning", "fc1.weight", STOPS)
    assert one.step == 5 * STOPS - 1
    assert one.cause and one.advice and one.source
    assert said == [one.sentence]
    # In the logger as text, and as a count.
    logged = events(tmp_path)
    texts = [event.tensor_proto.string_val[0].decode() for event in logged.Tensors("findings/weights/text_summary")]
    assert len(texts) == 2 and all(one.message in text and one.advice in text for text in texts)
    counts = [event.value for event in logged.Scalars("alerts/not_moving")]
    # Seen at three snapshots, the third of which says it.
    assert counts == [0.0] * (STOPS + 3) + [1.0] * (EPOCHS - STOPS - 2)
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2:] == [f"weightviz: 1 finding in {EPOCHS + 1} snapshots", f"  warning: {one.sentence}"]


def test_a_healthy_training_is_called_so_and_nothing_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    callback = quick()
    with heard() as said:
        fit(tmp_path, Classifier(), callback)
    assert (callback.findings, said) == ((), [])
    assert capsys.readouterr().out.splitlines()[-1] == f"weightviz: nothing wrong was found in {EPOCHS + 1} snapshots"
    [event] = events(tmp_path).Tensors("findings/weights/text_summary")
    assert event.tensor_proto.string_val[0].decode() == f"Nothing wrong was found in {EPOCHS + 1} snapshots."


@pytest.mark.parametrize("stop", [7, 8, 10])
def test_a_resumed_training_neither_repeats_nor_forgets(tmp_path: Path, stop: int) -> None:
    whole = quick()
    fit(tmp_path / "whole", Stopping(), whole)
    first, second = quick(), quick()
    keeper = ModelCheckpoint(tmp_path / "kept", save_last=True)
    with heard() as said:
        fit(tmp_path / "parts", Stopping(), first, keeper, max_epochs=stop, enable_checkpointing=True)
        torch.load(last := str(tmp_path / "kept" / "last.ckpt"), weights_only=True)
        trainer(tmp_path / "parts", second, max_epochs=EPOCHS).fit(Stopping(), batches(), ckpt_path=last)
    assert [_place(one) for one in second.findings] == [_place(one) for one in whole.findings]
    assert len(said) == 1
    again = pickle.loads(pickle.dumps(second.findings))
    assert again == second.findings


def _place(one: Finding) -> tuple[str, str, int, int]:
    return one.rule, one.parameter, one.epoch, one.step


def test_only_an_error_stops_a_training(tmp_path: Path) -> None:
    fit(tmp_path / "warning", Stopping(), callback := quick(on_alert="raise"))
    assert len(callback.findings) == 1
    callback = quick(on_alert="raise")
    with pytest.raises(WeightAlert, match=r"fc2\.weight: .* are NaN.*alert 'nan', epoch 3"):
        fit(tmp_path / "error", Breaking(), callback)
    assert "fc2.weight" in {one.parameter for one in callback.findings}
    texts = events(tmp_path / "error").Tensors("findings/weights/text_summary")
    assert "are NaN" in texts[-1].tensor_proto.string_val[0].decode()


def test_ignored_findings_are_listed_and_neither_said_nor_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    callback = quick(on_alert="ignore")
    with heard() as said:
        fit(tmp_path, Stopping(), callback)
    assert len(callback.findings) == 1 and said == []
    assert "weightviz:" not in capsys.readouterr().out


def test_rules_are_left_out_and_thresholds_moved(tmp_path: Path) -> None:
    fit(tmp_path / "out", Stopping(), left_out := quick(alerts={"not_moving": None}))
    assert left_out.findings == ()
    assert not any("not_moving" in tag for tag in events(tmp_path / "out").Tags()["scalars"])
    fit(tmp_path / "moved", Classifier(), moved := quick(alerts={"large_steps": {"ratio": 1e-4}}))
    assert [one.rule for one in moved.findings] == ["large_steps"]


def test_a_plain_loop_has_findings_too(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 4))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    visualizer = WeightVisualizer(model, folder=tmp_path, views=("overview",), optimizers=optimizer)
    assert not visualizer.findings
    generator = torch.Generator().manual_seed(0)
    with heard() as said:
        for step in range(10):
            visualizer.log(step, epoch=step, initial=step == 0)
            for _ in range(5):
                inputs = torch.randn(16, 8, generator=generator)
                optimizer.zero_grad()
                nn.functional.cross_entropy(model(inputs), inputs[:, :4].argmax(1)).backward()
                model[2].weight.grad = None
                optimizer.step()
        visualizer.finish()
    assert [(one.rule, one.parameter) for one in visualizer.findings] == [("not_moving", "2.weight")]
    assert said == [one.sentence for one in visualizer.findings]
    assert visualizer.findings[0].cause.endswith("Here: SGD with learning rate 0.1.")
    assert visualizer.findings[0].message in (tmp_path / "weightviz" / "findings.md").read_text()


def test_a_state_without_findings_is_taken_in(tmp_path: Path) -> None:
    """As version 0.1 wrote it."""
    model = nn.Linear(4, 3)
    visualizer = WeightVisualizer(model, folder=tmp_path, views=("statistics",))
    visualizer.log(0)
    state = visualizer.state_dict()
    del state["findings"], state["history"]["record"]
    another = WeightVisualizer(model, folder=tmp_path, views=("statistics",))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        another.load_state_dict(state)
    another.log(1)
    assert another.findings == ()
