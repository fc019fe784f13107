"""Ways to switch it on without writing code: LightningCLI, its YAML, and an environment variable."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from lightning.fabric import Fabric
from lightning.fabric.loggers.tensorboard import TensorBoardLogger
from torch import nn

from lightning_weightviz import WeightVisualizationCallback, WeightVisualizer
from lightning_weightviz.environment import VARIABLE, EnvironmentCallback
from tests.support.samples import read_events
from tests.support.training import Classifier, batches, trainer

CALLBACK = "lightning_weightviz.WeightVisualizationCallback"
PROGRAM = """
import sys
from {module}.cli import LightningCLI
from {module} import LightningModule
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

class Net(LightningModule):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(6, 3)
    def training_step(self, batch, batch_idx):
        return nn.functional.cross_entropy(self.fc(batch[0]), batch[1])
    def train_dataloader(self):
        return DataLoader(TensorDataset(torch.randn(8, 6), torch.arange(8) % 3), batch_size=4)
    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)

if __name__ == "__main__":
    LightningCLI(Net, save_config_callback=None)
"""


@pytest.fixture(params=["lightning.pytorch", "pytorch_lightning"])
def program(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "program.py"
    path.write_text(PROGRAM.format(module=request.param))
    return path


def run(program: Path, *arguments: str, **environment: str) -> str:
    command = [sys.executable, program.name, *arguments]
    done = subprocess.run(
        command, cwd=program.parent, capture_output=True, text=True, env={**os.environ, "COLUMNS": "200", **environment}
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


QUIET = ("--trainer.max_epochs=2", "--trainer.accelerator=cpu", "--trainer.enable_progress_bar=false")


def test_an_argument_of_the_command_line_adds_it_and_a_printed_config_reads_back(program: Path) -> None:
    added = (
        f"--trainer.callbacks+={CALLBACK}",
        "--trainer.callbacks.layers=fc",
        "--trainer.callbacks.targets=[weights,gradients]",
        "--trainer.callbacks.color_range=0.5",
        "--trainer.callbacks.class_names=[a,b,c]",
    )
    printed = run(program, "fit", *QUIET, *added, "--print_config")
    (callback,) = yaml.safe_load(printed)["trainer"]["callbacks"]
    assert callback["class_path"].endswith("WeightVisualizationCallback")
    assert callback["init_args"]["color_range"] == 0.5 and callback["init_args"]["class_names"] == ["a", "b", "c"]
    (program.parent / "config.yaml").write_text(printed)
    run(program, "fit", "--config=config.yaml", "--trainer.callbacks.views=[heatmap,classes]")
    (folder,) = (program.parent / "lightning_logs").iterdir()
    tags = read_events(folder).Tags()["images"]
    assert {"weights.heatmap/fc.weight", "gradients.heatmap/fc.bias", "classes/weights"} <= set(tags)


def test_help_tells_of_each_argument(program: Path) -> None:
    text = " ".join(run(program, "fit", f"--trainer.callbacks.help={CALLBACK}").split())
    settings = WeightVisualizationCallback.__init__.__annotations__.keys() - {"return"}
    for name in settings:
        assert f".{name} " in text, name
    assert "Take a snapshot every N epochs" in text


def test_a_wrong_argument_is_named(program: Path) -> None:
    with pytest.raises(AssertionError, match="every_n_epochs"):
        run(program, "fit", *QUIET, f"--trainer.callbacks+={CALLBACK}", "--trainer.callbacks.every_n_epochs=0")


def test_a_variable_adds_it_to_a_program_that_knows_nothing_of_it(program: Path) -> None:
    run(program, "fit", *QUIET, **{VARIABLE: '{"views": ["heatmap"]}'})
    run(program, "fit", *QUIET, **{VARIABLE: "0"})
    first, second = sorted((program.parent / "lightning_logs").iterdir())
    assert read_events(first).Tags()["images"] == ["weights.heatmap/fc.weight", "weights.heatmap/fc.bias"]
    assert read_events(second).Tags()["images"] == []


def added(monkeypatch: pytest.MonkeyPatch, value: str) -> list[Any]:
    monkeypatch.setenv(VARIABLE, value)
    module = importlib.import_module("lightning_weightviz.environment")
    return list(module.callbacks())


@pytest.mark.parametrize(("value", "count"), [("", 0), ("0", 0), ("False", 0), ("1", 1), ("true", 1), ("{}", 1)])
def test_values_of_the_variable(monkeypatch: pytest.MonkeyPatch, value: str, count: int) -> None:
    assert len(added(monkeypatch, value)) == count


@pytest.mark.parametrize(
    ("value", "error", "words"),
    [
        ("maybe", ValueError, "1, 0 or a JSON object"),
        ("[1]", ValueError, "1, 0 or a JSON object"),
        ('{"bins": 0}', ValueError, f"{VARIABLE}: bins"),
        ('{"colour": 1}', TypeError, f"{VARIABLE}: .*colour"),
    ],
)
def test_a_wrong_variable_is_named(
    monkeypatch: pytest.MonkeyPatch, value: str, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        added(monkeypatch, value)


def test_an_explicit_callback_beside_it_is_the_only_one_that_logs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(VARIABLE, "1")
    run_of = trainer(tmp_path, WeightVisualizationCallback(views=("statistics",)), max_epochs=1)
    assert sum(isinstance(one, EnvironmentCallback) for one in run_of.callbacks) == 1  # type: ignore[attr-defined]
    run_of.fit(Classifier(), batches())
    run_of.save_checkpoint(tmp_path / "model.ckpt")
    found = read_events(tmp_path / "run").Tags()
    assert found["images"] == [] and "weights.rms/fc1.weight" in found["scalars"]


ONE_NAMESPACE = """
import sys
sys.modules[{absent!r}] = None
from {present} import LightningModule, Trainer
import torch
from lightning_weightviz import WeightVisualizationCallback

class Net(LightningModule):
    def __init__(self):
        super().__init__()
        self.fc = torch.nn.Linear(6, 3)
    def training_step(self, batch, batch_idx):
        return self.fc(batch).square().mean()
    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)

callback = WeightVisualizationCallback(views=("heatmap",))
trainer = Trainer(max_epochs=1, accelerator="cpu", callbacks=[callback], enable_progress_bar=False, logger=False,
                  enable_checkpointing=False)
trainer.fit(Net(), torch.utils.data.DataLoader(torch.randn(8, 6), batch_size=4))
"""


@pytest.mark.parametrize(
    ("absent", "present"), [("pytorch_lightning", "lightning.pytorch"), ("lightning", "pytorch_lightning")]
)
def test_one_namespace_is_enough(absent: str, present: str, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(ONE_NAMESPACE.format(absent=absent, present=present))
    run(program)
    assert list((tmp_path / "weightviz" / "weights.heatmap" / "fc.weight").glob("*.png"))


def test_fabric_hands_its_loggers_over(tmp_path: Path) -> None:
    fabric = Fabric(accelerator="cpu", loggers=TensorBoardLogger(tmp_path, name="", version="run"))
    model, _ = fabric.setup(nn.Linear(6, 3), torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.1))
    weights = WeightVisualizer(model, fabric.loggers)
    weights.log(step=0, initial=True)
    weights.finish()
    assert "weights.heatmap/weight" in read_events(tmp_path / "run").Tags()["images"]
