"""The README says what is: its programs run, and its tables, links and pictures are those of the package."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest
from lightning.pytorch import Trainer
from lightning.pytorch.demos.boring_classes import BoringModel, RandomDataset
from lightning.pytorch.loggers import TensorBoardLogger
from torch import nn
from torch.utils.data import DataLoader

from lightning_weightviz import WeightVisualizationCallback
from lightning_weightviz.alerts import RULES
from lightning_weightviz.measure import STATISTICS
from lightning_weightviz.settings import DEFAULT_STATISTICS, DEFAULT_VIEWS
from lightning_weightviz.sinks import FALLBACK, SINKS
from lightning_weightviz.views import VIEWS
from tests.support.samples import read_events

ROOT = Path(__file__).parent.parent.parent
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
PARAMETERS = inspect.signature(WeightVisualizationCallback).parameters


def table(heading: str) -> list[list[str]]:
    """The rows of the table whose first column is headed so, as cells."""
    [rows] = re.findall(rf"^\| {heading} \|.*\n\|[ |:-]+\|\n((?:\|.*\n)+)", README, re.MULTILINE)
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows.splitlines()]


def code(cell: str) -> list[str]:
    """The words of a cell that are set as code."""
    return re.findall(r"`([^`]+)`", cell)


def test_its_trainer_has_the_callback() -> None:
    block = next(block for block in BLOCKS if "Trainer(" in block)
    assert len([line for line in block.splitlines() if line]) == 6
    namespace: dict[str, object] = {}
    exec(block, namespace)
    trainer = namespace["trainer"]
    assert isinstance(trainer, Trainer)
    assert any(isinstance(callback, WeightVisualizationCallback) for callback in trainer.callbacks)  # type: ignore[attr-defined]


def test_its_plain_loop_logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    block = next(block for block in BLOCKS if "WeightVisualizer(" in block)
    exec(block, {"model": nn.Linear(4, 3)})
    assert "weights.heatmap/weight" in read_events(tmp_path / "runs/first").Tags()["images"]


def test_its_figure_is_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    exec(next(block for block in BLOCKS if "visualize_weights(" in block), {})
    assert (tmp_path / "weights.png").read_bytes().startswith(b"\x89PNG")


def test_no_program_is_left_untested() -> None:
    assert len(BLOCKS) == 3


def test_table_of_arguments_is_the_signature() -> None:
    rows = table("argument")
    assert [code(row[0])[0] for row in rows] == list(PARAMETERS)
    in_words = {"views": DEFAULT_VIEWS, "statistics": DEFAULT_STATISTICS}
    for name, default, _ in rows:
        argument = code(name)[0]
        if argument in in_words:
            assert PARAMETERS[argument].default == in_words[argument]
        else:
            assert code(default)[0].replace('"', "'") == repr(PARAMETERS[argument].default), argument
    assert set(DEFAULT_VIEWS) <= set(VIEWS)
    assert len(DEFAULT_STATISTICS) == 11


def test_table_of_statistics_names_all() -> None:
    rows = table("statistic")
    named = [word for row in rows for word in code(row[0])]
    assert set(named) == set(STATISTICS)
    *defaults, others = rows
    assert {word for row in defaults for word in code(row[0])} == set(DEFAULT_STATISTICS)
    assert code(others[1]) == ["statistics"]


def test_table_of_loggers_names_all() -> None:
    named = {word for row in table("logger") for word in code(row[0])}
    known = {name for name in SINKS if name not in (FALLBACK, "DummyLogger")}
    assert named == known | {"CSVLogger", "torch", "tensorboardX"}


def test_table_of_tags_is_what_is_logged(tmp_path: Path) -> None:
    model = BoringModel()
    # 784 inputs, so that there are class templates.
    model.layer = nn.Linear(784, 3)
    data = DataLoader(RandomDataset(784, 4))
    trainer = Trainer(
        max_epochs=1,
        logger=TensorBoardLogger(tmp_path, name="", version=""),
        callbacks=[
            WeightVisualizationCallback(
                views=list(VIEWS), statistics=list(STATISTICS), animation=True, class_names=["a", "b", "c"]
            )
        ],
        accelerator="cpu",
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        limit_val_batches=0,
    )
    trainer.fit(model, data)
    tags = read_events(tmp_path).Tags()
    logged = {tag for kind in ("images", "histograms", "scalars") for tag in tags[kind]} - {"epoch", "train_loss"}

    listed = [word for row in table("what") if row[2].count("`") for word in code(row[2]) if "/" in word]
    patterns = {
        "<parameter>": r"layer\.(weight|bias)",
        "<statistic>": "(" + "|".join(STATISTICS) + ")",
        "<class>": "[abc]",
        "<rule>": "(" + "|".join(RULES) + ")",
    }
    matched = set()
    for tag in listed:
        pattern = re.escape(tag)
        for placeholder, choice in patterns.items():
            pattern = pattern.replace(placeholder, choice)
        found = {name for name in logged if re.fullmatch(pattern, name)}
        assert found, f"{tag} is in the README and was not logged"
        matched |= found
    assert logged == matched


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\]\(([^)#:]+)\)", README))))
def test_links_and_pictures_are_there(target: str) -> None:
    assert (ROOT / target).is_file()
