"""The documents say what is: their programs run, and their tables, links and pictures are those of the package."""

from __future__ import annotations

import importlib
import inspect
import json
import re
from functools import partial
from pathlib import Path

import pytest
from lightning.pytorch import Trainer
from lightning.pytorch.demos.boring_classes import BoringModel, RandomDataset
from lightning.pytorch.loggers import TensorBoardLogger
from torch import nn
from torch.utils.data import DataLoader

from lightning_weightviz import WeightVisualizationCallback
from lightning_weightviz.findings import RULES
from lightning_weightviz.measure import STATISTICS
from lightning_weightviz.settings import DEFAULT_STATISTICS, DEFAULT_VIEWS
from lightning_weightviz.sinks import FALLBACK, SINKS
from lightning_weightviz.views import VIEWS
from tests.support.pages import names_on
from tests.support.samples import read_events

ROOT = Path(__file__).parent.parent.parent
README = (ROOT / "README.md").read_text()
# By their paths in the repository; the gallery is made by a script, which has a test of its own.
DOCUMENTS = {
    str(path.relative_to(ROOT)): path.read_text()
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
    if path.name != "gallery.md"
}
PARAMETERS = inspect.signature(WeightVisualizationCallback).parameters


def blocks(document: str) -> list[str]:
    """The Python programs of a document."""
    return re.findall(r"^```python\n(.*?)^```", DOCUMENTS[document], re.MULTILINE | re.DOTALL)


def table(document: str, heading: str) -> list[list[str]]:
    """The rows of the table whose first column is headed so, as cells."""
    [rows] = re.findall(rf"^\| {heading} \|.*\n\|[ |:-]+\|\n((?:\|.*\n)+)", DOCUMENTS[document], re.MULTILINE)
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows.splitlines()]


def anchors(text: str) -> set[str]:
    """What a link may point to in a document: its headings, as GitHub turns them into anchors."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def code(cell: str) -> list[str]:
    """The words of a cell that are set as code."""
    return re.findall(r"`([^`]+)`", cell)


def test_its_trainer_has_the_callback() -> None:
    block = next(block for block in blocks("README.md") if "Trainer(" in block)
    assert len([line for line in block.splitlines() if line]) == 6
    namespace: dict[str, object] = {}
    exec(block, namespace)
    trainer = namespace["trainer"]
    assert isinstance(trainer, Trainer)
    assert any(isinstance(callback, WeightVisualizationCallback) for callback in trainer.callbacks)  # type: ignore[attr-defined]


def test_its_plain_loop_logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    [block] = blocks("docs/loggers.md")
    exec(block, {"model": nn.Linear(4, 3)})
    assert "weights.heatmap/weight" in read_events(tmp_path / "runs/first").Tags()["images"]


def test_its_page_is_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    [block] = blocks("docs/page.md")
    short = partial(Trainer, limit_train_batches=2, limit_val_batches=0, enable_progress_bar=False)
    exec(block, {"model": BoringModel(), "WeightVisualizationCallback": WeightVisualizationCallback, "Trainer": short})
    for file in ("lightning_logs/version_0/weightviz/report.html", "weights.html"):
        assert "layer.weight" in names_on(tmp_path / file)


def test_its_figure_is_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    exec(next(block for block in blocks("README.md") if "visualize_weights(" in block), {})
    assert (tmp_path / "weights.png").read_bytes().startswith(b"\x89PNG")


def test_no_program_is_left_untested() -> None:
    # Those of the architecture are the recipes, which have a file of tests; those of hosts run where there is one.
    expected = {"README.md": 3, "docs/hosts.md": 2, "docs/loggers.md": 1, "docs/page.md": 1, "docs/architecture.md": 4}
    assert {name: len(blocks(name)) for name in DOCUMENTS if blocks(name)} == expected


def test_readme_is_short_and_begins_with_pictures() -> None:
    lines = README.splitlines()
    assert len(lines) <= 200
    pictured = [number for number, line in enumerate(lines) if "](docs/images/" in line]
    assert "overview.png" in lines[pictured[0]] and pictured[0] < 10
    assert "heatmap-start.png" in lines[pictured[1]] and "heatmap-end.png" in lines[pictured[1]] and pictured[1] < 20


def check_defaults(rows: list[list[str]]) -> None:
    """Holds that the second cell of each row is the default of the argument in its first."""
    in_words = {"views": DEFAULT_VIEWS, "statistics": DEFAULT_STATISTICS}
    for name, default, _ in rows:
        argument = code(name)[0]
        if argument in in_words:
            assert PARAMETERS[argument].default == in_words[argument]
        else:
            assert code(default)[0].replace('"', "'") == repr(PARAMETERS[argument].default), argument


def test_table_of_arguments_is_the_signature() -> None:
    rows = table("docs/arguments.md", "argument")
    assert [code(row[0])[0] for row in rows] == list(PARAMETERS)
    check_defaults(rows)
    assert set(DEFAULT_VIEWS) <= set(VIEWS)
    assert len(DEFAULT_STATISTICS) == 11


def test_short_table_of_arguments_is_of_the_signature() -> None:
    rows = table("README.md", "argument")
    named = [code(row[0])[0] for row in rows]
    assert named == [name for name in PARAMETERS if name in named]
    check_defaults(rows)


def test_table_of_statistics_names_all() -> None:
    rows = table("docs/arguments.md", "statistic")
    named = [word for row in rows for word in code(row[0])]
    assert set(named) == set(STATISTICS)
    *defaults, others = rows
    assert {word for row in defaults for word in code(row[0])} == set(DEFAULT_STATISTICS)
    assert code(others[1]) == ["statistics"]


@pytest.mark.parametrize("document", ["README.md", "docs/loggers.md"])
def test_table_of_loggers_names_all(document: str) -> None:
    named = {word for row in table(document, "logger") for word in code(row[0])}
    known = {name for name in SINKS if name not in (FALLBACK, "DummyLogger")}
    assert named == known | {"CSVLogger", "torch", "tensorboardX"}


def test_table_of_costs_is_what_was_measured() -> None:
    figures = json.loads((ROOT / "benchmarks" / "results" / "snapshot.json").read_text())["results"]
    named = {"ResNet-18": "resnet18", "ResNet-50": "resnet50", "ViT-B/16": "vit_b_16", "GPT-2, 124 M": "gpt2"}
    rows = table("docs/costs.md", "model")
    assert [row[0] for row in rows] == list(named)
    for model, reads, share, work in rows:
        seconds = figures[named[model]]["seconds"]
        assert float(reads) == pytest.approx(seconds["blocked"] / seconds["floor"], abs=0.05)
        assert share == f"1/{seconds['wandb'] / seconds['blocked']:.0f}"
        assert work == f"1/{(seconds['add_histogram'] + seconds['imshow']) / seconds['all']:.0f}"


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
    logged |= {tag.removesuffix("/text_summary") for tag in tags["tensors"]}

    listed = [
        word for row in table("docs/arguments.md", "what") if row[2].count("`") for word in code(row[2]) if "/" in word
    ]
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
        assert found, f"{tag} is in the document and was not logged"
        matched |= found
    assert logged == matched


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_and_pictures_are_there(document: str) -> None:
    folder = (ROOT / document).parent
    # Code is no link.
    text = re.sub(r"^```.*?^```", "", DOCUMENTS[document], flags=re.MULTILINE | re.DOTALL)
    targets = {target for target in re.findall(r"\]\(([^)]+)\)", text) if "://" not in target}
    assert targets or document == "docs/troubleshooting.md"
    for target in targets:
        file, _, anchor = target.partition("#")
        path = folder / file if file else ROOT / document
        assert path.is_file(), target
        if anchor:
            assert anchor in anchors(path.read_text()), target


def test_every_document_is_linked_from_the_readme() -> None:
    linked = set(re.findall(r"\]\(([^)#]+)", README))
    assert {*DOCUMENTS, "docs/gallery.md"} - {"README.md"} <= linked


def test_every_picture_of_the_documents_is_made_by_the_script() -> None:
    made = {name for pictures in importlib.import_module("docs.make_images").PICTURES.values() for name in pictures}
    made |= importlib.import_module("docs.make_page_images").SHOWN.keys()
    shown = {name for text in DOCUMENTS.values() for name in re.findall(r"\((?:docs/)?images/([\w-]+\.png)\)", text)}
    assert shown == made


@pytest.mark.parametrize("document", DOCUMENTS)
def test_sentences_are_written_as_native_speakers_write_them(document: str) -> None:
    prose = re.sub(r"^```.*?^```|`[^`]+`", "", DOCUMENTS[document], flags=re.MULTILINE | re.DOTALL)
    assert re.findall(r"\b(?:told|beside|so many|goes on|go on|at most so)\b", prose) == []
