"""Every file in examples/ runs, and prints and writes what it says."""

from __future__ import annotations

import os
import re
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits
from tensorboard.backend.event_processing.event_accumulator import STORE_EVERYTHING_SIZE_GUIDANCE, EventAccumulator

from tests.conftest import Demo
from tests.support.samples import decode

ROOT = Path(__file__).parent.parent.parent
TESTED = {"digits.py", "plain_pytorch.py", *("keras_digits.py", "transformers_text.py")}
"""The last two in ``tests/frameworks``."""
EPOCHS = 2


def run(script: str, *options: str, folder: Path) -> str:
    """Runs a script of the repository in a process of its own, in a folder; what it prints, errors behind."""
    done = subprocess.run(
        [sys.executable, ROOT / script, *options],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "failed with" not in done.stderr, done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def run_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs the demo in this process, in `tmp_path`: a process of its own would spend its time on imports."""
    monkeypatch.chdir(tmp_path)
    # The demo sets it; set here, it is put back.
    monkeypatch.setenv("PL_GLOBAL_SEED", "0")

    def run(*options: str) -> str:
        monkeypatch.setattr(sys, "argv", ["digits.py", *options])
        runpy.run_path(str(ROOT / "examples/digits.py"), run_name="__main__")
        return capsys.readouterr().out

    return run


def read(run_folder: Path) -> EventAccumulator:
    """The event files of a run, whole."""
    events = EventAccumulator(str(run_folder), size_guidance=STORE_EVERYTHING_SIZE_GUIDANCE)
    events.Reload()
    return events


def test_every_example_is_tested() -> None:
    assert {path.name for path in (ROOT / "examples").glob("**/*.py")} == TESTED


def test_digits_heatmap_of_the_start_is_not_that_of_the_end(demo: Demo) -> None:
    events = read(demo.run)
    first, *_, last = (decode(event.encoded_image_string) for event in events.Images("weights.heatmap/fc1.weight"))
    # Only the numbers below the picture may take another line, and so what is above does not move on a slider.
    assert 0 <= len(last) - len(first) < 30
    assert np.mean(np.any(first != last[: len(first)], axis=-1)) > 0.1


def test_digits_article_recipe_barely_moves_the_weights(run_here: Callable[..., str], tmp_path: Path) -> None:
    run_here("--recipe", "article", "--epochs", "2", "--out", "out")
    events = read(tmp_path / "out/digits-article/version_0")
    assert events.Scalars("weights.std/fc1.weight")[0].value == pytest.approx(0.01, rel=0.02)
    # ln 10: what a guess gives.
    assert events.Scalars("train_loss")[-1].value == pytest.approx(np.log(10), abs=0.01)
    assert events.Scalars("weights.rotation/fc1.weight")[-1].value < 1e-3


def test_digits_writes_files_beside_the_csv_logger(run_here: Callable[..., str], tmp_path: Path) -> None:
    printed = run_here("--logger", "csv", "--epochs", "1")
    assert "Test accuracy" in printed and "tensorboard --logdir" not in printed
    logged = tmp_path / "demo/digits-good/version_0"
    assert "weights.rms/fc1.weight" in (logged / "metrics.csv").read_text().splitlines()[0]
    assert len(list((logged / "weightviz").rglob("weights.heatmap/fc1.weight/step_*.png"))) == 2


def test_digits_says_so_where_mnist_cannot_be_had(run_here: Callable[..., str], tmp_path: Path) -> None:
    # A file lies where the folder for the download should be.
    (tmp_path / "blocked").write_text("")
    with pytest.raises(SystemExit, match=r"(?s)MNIST could not be downloaded: .*--data digits"):
        run_here("--data", "mnist", "--out", "blocked")


def test_digits_data_is_split_evenly_and_without_overlap() -> None:
    parts = runpy.run_path(str(ROOT / "examples/digits.py"))["digits"]()
    assert sum(len(part) for part in parts) == 1797
    seen = np.concatenate([part.tensors[0].flatten(1).numpy() for part in parts])
    assert len(np.unique(seen, axis=0)) == len(np.unique(load_digits().data, axis=0))
    for part in parts:
        images, labels = part.tensors
        assert images.shape[1:] == (1, 28, 28)
        assert 0 <= images.min() < images.max() <= 1
        shares = np.bincount(labels.numpy(), minlength=10) / len(labels)
        np.testing.assert_allclose(shares, 0.1, atol=0.015)


def test_plain_pytorch_logs_every_epoch(tmp_path: Path) -> None:
    printed = run("examples/plain_pytorch.py", "--epochs", str(EPOCHS), "--out", "out", folder=tmp_path)
    assert "tensorboard --logdir out --samples_per_plugin images=1000" in printed
    events = read(tmp_path / "out")
    # 57 batches an epoch.
    assert [event.step for event in events.Images("weights.heatmap/0.weight")] == [0, 57, 114]
    assert [event.step for event in events.Histograms("weights.histogram/2.weight")] == [0, 57, 114]
    assert events.Scalars("train_loss")[-1].step == 114


def test_pictures_of_the_readme_can_be_made_again(tmp_path: Path) -> None:
    run("docs/make_images.py", "--epochs", "1", "--out", "images", folder=tmp_path)
    made = {path.name for path in (tmp_path / "images").glob("*.png")}
    shown = set(re.findall(r"docs/images/([\w-]+\.png)", (ROOT / "README.md").read_text()))
    # That of the page needs a browser, and `docs/make_page_images.py` makes it.
    assert shown - {"page.png"} <= made
    for path in (tmp_path / "images").glob("*.png"):
        assert decode(path.read_bytes()).shape[1] == 720
