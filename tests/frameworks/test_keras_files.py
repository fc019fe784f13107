"""Files that Keras wrote, read without it: drawn pixel by pixel like the models that were saved."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lightning_weightviz import visualize_weights
from lightning_weightviz.command.comparison import Change
from lightning_weightviz.command.difference import draw_changes
from lightning_weightviz.command.rendering import render_each, settings_of
from lightning_weightviz.command.series import series_of
from lightning_weightviz.model.files import read_checkpoint
from lightning_weightviz.model.selection import Choice, select
from tests.frameworks.test_keras import Arrays, start

MISSING = [name for name in ("h5py", "keras", "jax") if find_spec(name) is None]
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")

MODELS = [
    *("digits", "bfloat16", "pictures", "coloured", "nested", "recurrent", "attention"),
    *("outputs", "lambdas", "own", "quantized"),
]
LIKE_LIVE = ["digits", "bfloat16", "lambdas", "own"]
"""Of which a file of weights alone tells all that is drawn."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models of many kinds, saved by a process that has Keras."""
    made = tmp_path_factory.mktemp("models")
    start("jax", "keras_files_run.py", str(made))
    return made


@pytest.fixture(autouse=True)
def no_keras(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever imports Keras here fails."""
    monkeypatch.setitem(sys.modules, "keras", None)


def drawn(path: Path, **options: object) -> Arrays:
    figure = visualize_weights(path, views=("heatmap", "overview", "classes"), max_layers=100, **options)  # type: ignore[call-overload]
    return {str(axes.get_label()): np.asarray(axes.images[0].get_array()) for axes in figure.axes}


def live(folder: Path, name: str) -> Arrays:
    with np.load(folder / f"{name}.npz") as saved:
        return {str(tag): saved[tag] for tag in saved["order"]}


@pytest.mark.parametrize("name", MODELS)
def test_a_model_in_a_file_is_drawn_like_the_model(name: str, folder: Path) -> None:
    expected, found = live(folder, name), drawn(folder / f"{name}.keras")
    assert list(found) == list(expected)
    for tag, page in expected.items():
        np.testing.assert_array_equal(found[tag], page, err_msg=tag)


@pytest.mark.parametrize("name", LIKE_LIVE)
def test_weights_alone_are_drawn_like_the_model_where_they_tell_enough(name: str, folder: Path) -> None:
    expected, found = live(folder, name), drawn(folder / f"{name}.weights.h5")
    assert list(found) == list(expected)
    for tag, page in expected.items():
        np.testing.assert_array_equal(found[tag], page, err_msg=tag)


@pytest.mark.parametrize(
    ("name", "differs"),
    [
        # One of gamma and beta alone has no name, nor has what a quantised layer keeps beside its kernel.
        ("pictures", {"bn_a.beta", "batch_normalization.gamma"}),
        ("quantized", {"eight.bias"}),
        # Which axes of a kernel are summed over stands in the config, as do what is frozen and which outputs there are.
        ("attention", {"einsum_dense.kernel", "einsum_dense_1.kernel"}),
        ("nested", {"in_ner.same.kernel", "in_ner.same.bias", "graph.dense.kernel", "graph.dense.bias"}),
        ("recurrent", set()),
    ],
)
def test_what_weights_alone_do_not_tell(name: str, differs: set[str], folder: Path) -> None:
    expected, found = live(folder, name), drawn(folder / f"{name}.weights.h5")
    heatmaps = {tag for tag in expected if tag.startswith("weights.heatmap/")}
    same = {tag for tag in heatmaps if np.array_equal(found.get(tag, np.empty(0)), expected[tag])}
    assert {tag.partition("/")[2] for tag in heatmaps - same} == differs


def test_units_are_pictures_and_the_head_is_found(folder: Path) -> None:
    for suffix in (".keras", ".weights.h5"):
        mirrored = read_checkpoint(folder / f"digits{suffix}").mirrored()
        found = select(mirrored.module, Choice(input_shape=mirrored.input_shape), trace=mirrored.trace)
        first = found.sites[0].parameter
        assert (first.name, first.layout, first.tile) == ("fc1.kernel", "filters", (1, 28, 28))
        assert [(head.name, head.classes, head.multi_label) for head in found.heads] == [("fc3.kernel", 10, False)]


def test_the_command_reads_what_keras_wrote(folder: Path) -> None:
    for arguments in (["inspect", "pictures.keras"], ["compare", "digits.keras", "digits.weights.h5"]):
        done = subprocess.run(
            [sys.executable, "-m", "lightning_weightviz", *arguments],
            cwd=folder,
            env={"PYTHONPATH": str(Path(__file__).parent.parent.parent)},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        lines = [line.split() for line in done.stdout.splitlines()]
        if arguments[0] == "inspect":
            assert ["conv.kernel", "3×3×3×8", "float32"] in [line[:3] for line in lines]
            assert not any("moving" in word for line in lines for word in line)
        else:
            assert ["fc1.kernel", "784×128", "0", "0°", "0"] in lines


def test_pictures_of_a_file_have_its_names_and_its_order(folder: Path, tmp_path: Path) -> None:
    checkpoint = read_checkpoint(folder / "coloured.keras")
    series = series_of([checkpoint])
    for _ in render_each(series, settings_of(series, ()), tmp_path):
        pass
    (page,) = (tmp_path / "weights.heatmap" / "dense.kernel").iterdir()
    expected = live(folder, "coloured")["weights.heatmap/dense.kernel"]
    np.testing.assert_array_equal(np.asarray(Image.open(page).convert("RGB")), expected)
    # Of the two only one tells that there are pictures; nothing has changed.
    other = read_checkpoint(folder / "coloured.weights.h5")
    for index, pair in enumerate([(checkpoint, checkpoint), (checkpoint, other), (other, checkpoint)]):
        draw_changes(*pair, [Change("dense.kernel", (144, 4), 1.0, 0.5, 0.0, (), 0)], tmp_path / str(index))
        (page,) = (tmp_path / str(index) / "updates.heatmap/dense.kernel").iterdir()
        pixels = np.asarray(Image.open(page).convert("RGB"))
        expected = pixels if index == 0 else expected
        np.testing.assert_array_equal(pixels, expected)
