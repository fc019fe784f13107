"""`weightviz render`: the pictures of the callback, from files alone, and never half of them."""

from __future__ import annotations

import csv
import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from typer.testing import CliRunner

from lightning_weightviz import WeightVisualizer
from lightning_weightviz.command.application import application
from lightning_weightviz.command.rendering import STATISTICS
from tests.command.test_inspect import hear_ctrl_c, run, write_large
from tests.model.test_files import HOSTILE, RAN
from tests.support.memory import MIB, peak_of
from tests.support.pages import names_on, ordinals_on, run_of

PNG, GIF = "*.png", "*.gif"


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.Flatten(), nn.Linear(72, 32), nn.ReLU(), nn.Linear(32, 10))


def train(model: nn.Module, ordinal: int) -> None:
    """Something like a step, the same each time."""
    with torch.no_grad():
        for number, parameter in enumerate(model.parameters()):
            wave = torch.arange(parameter.numel(), dtype=torch.float32).mul(0.37 * (ordinal + number + 1)).sin()
            parameter.add_(0.05 * wave.view_as(parameter))


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Five checkpoints, listed in another order than that of their steps."""
    model, paths = network(), []
    (tmp_path / "files").mkdir()
    for ordinal in range(5):
        state = {"state_dict": model.state_dict(), "epoch": ordinal, "global_step": 100 * ordinal}
        torch.save(state, path := tmp_path / "files" / f"{'cbdea'[ordinal]}.ckpt")
        paths.append(path)
        train(model, ordinal)
    return sorted(paths)


def rendered(files: list[Path], out: Path, *options: str) -> list[str]:
    done = CliRunner().invoke(application, ["render", *map(str, files), "--out", str(out), *options])
    assert done.exit_code == 0, done.stderr
    assert done.stdout == f"{out / 'index.html'}\n"
    return done.stderr.splitlines()


def names_in(folder: Path, pattern: str) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob(pattern)}


def test_pictures_are_those_of_a_training(files: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert rendered(files, out) == []
    views = ("heatmap", "distribution", "classes", "overview", "evolution", "drift")
    with pytest.warns(UserWarning, match="No logger"):
        model = network()
        visualizer = WeightVisualizer(
            model, folder=tmp_path / "run", views=views, animation=True, background=False, layers="*"
        )
        for ordinal in range(5):
            visualizer.log(100 * ordinal, epoch=ordinal, initial=ordinal == 0)
            train(model, ordinal)
        visualizer.finish()
    run = tmp_path / "run" / "weightviz"
    made, logged = names_in(out, PNG) | names_in(out, GIF), names_in(run, PNG) | names_in(run, GIF)
    # Pictures over time are drawn once, at the end.
    assert made < logged
    assert {name.split("/")[0] for name in logged - made} == {"overview", "weights.distribution", "weights.evolution"}
    assert sum(name.startswith("weights.heatmap/2.weight/") for name in made) == 5
    assert sum(name.endswith(".gif") for name in made) == 3
    for name in made:
        assert (out / name).read_bytes() == (run / name).read_bytes(), name


def test_the_page_and_the_list_hold_every_picture(files: list[Path], tmp_path: Path) -> None:
    rendered(files, tmp_path / "out")
    listed = [json.loads(line) for line in (tmp_path / "out" / "manifest.jsonl").read_text().splitlines()]
    assert {one["file"] for one in listed} == names_in(tmp_path / "out", PNG) | names_in(tmp_path / "out", GIF)
    page = tmp_path / "out" / "index.html"
    assert run_of(page)["title"] == "Weights from c.ckpt to a.ckpt"
    assert names_on(page) == [name for name, _ in network().named_parameters()]
    assert (ordinals_on(page), run_of(page)["snapshots"]) == ([0, 1, 2, 4], 5)


def test_statistics_are_true(files: list[Path], tmp_path: Path) -> None:
    rendered(files, tmp_path / "out")
    with (tmp_path / "out" / "statistics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    states = {}
    for path in files:
        loaded = torch.load(path, weights_only=True)
        states[loaded["global_step"]] = {n: t.numpy().astype(np.float64) for n, t in loaded["state_dict"].items()}
    found = {(int(row["step"]), row["parameter"]): row for row in rows}
    assert list(rows[0]) == ["step", "epoch", "parameter", *STATISTICS]
    assert found.keys() == {(step, name) for step in states for name in [*states[0], "total"]}
    for (step, name), row in found.items():
        if name == "total":
            continue
        values = states[step][name]
        assert row["epoch"] == str(step // 100)
        expected = {"mean": values.mean(), "std": values.std(), "norm": math.sqrt((values**2).sum())}
        expected |= {"min": values.min(), "max": values.max(), "absmax": abs(values).max(), "nan_count": 0}
        for statistic, value in expected.items():
            assert float(row[statistic]) == pytest.approx(value, rel=1e-5, abs=1e-7), (step, name, statistic)
        if step:
            before = states[step - 100][name]
            change = np.linalg.norm(values - before) / np.linalg.norm(before)
            assert float(row["relative_change"]) == pytest.approx(change, rel=1e-4)
        assert (row["relative_change"] == "") == (step == 0)
        if values.ndim > 1:
            sigma = np.linalg.svd(values.reshape(len(values), -1), compute_uv=False)[0]
            assert float(row["spectral_norm"]) == pytest.approx(sigma, rel=0.01)
        assert (row["spectral_norm"] == "") == (values.ndim == 1)


def save(folder: Path, name: str, **extra: int) -> Path:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    torch.save({"state_dict": {"fc.weight": torch.full((4, 3), float(len(name)))}, **extra}, path)
    return path


def steps_of(out: Path) -> list[int]:
    with (out / "statistics.csv").open(newline="") as file:
        return [int(row["step"]) for row in csv.DictReader(file) if row["parameter"] == "total"]


@pytest.mark.parametrize(
    ("names", "steps"),
    [
        (["epoch=9-step=1000.ckpt", "epoch=1-step=200.ckpt"], [200, 1000]),
        (["checkpoint-1000/a.pt", "checkpoint-200/a.pt"], [200, 1000]),
        (["run_STEP30.pt", "run_step_4.pt"], [4, 30]),
        (["z.pt", "a.pt", "m.pt"], [0, 1, 2]),
    ],
)
def test_order_is_told_by_names_or_by_the_user(names: list[str], steps: list[int], tmp_path: Path) -> None:
    files = [save(tmp_path, name) for name in names]
    assert rendered(files, tmp_path / "out") == []
    assert steps_of(tmp_path / "out") == steps
    drawn = (tmp_path / "out" / "weights.heatmap" / "fc.weight").iterdir()
    assert sorted(int(path.stem.removeprefix("step_")) for path in drawn) == steps


def test_a_file_tells_its_step_before_its_name_does(tmp_path: Path) -> None:
    files = [save(tmp_path, "step=1.pt", step=90), save(tmp_path, "step=2.pt", global_step=7)]
    rendered(files, tmp_path / "out")
    assert steps_of(tmp_path / "out") == [7, 90]


def test_a_step_is_drawn_once(tmp_path: Path) -> None:
    files = [save(tmp_path, "a.ckpt", global_step=5), save(tmp_path, "last.ckpt", global_step=5)]
    assert rendered(files, tmp_path / "out") == [
        f"weightviz: {tmp_path}/last.ckpt is left out: another file is of step 5 too"
    ]
    assert steps_of(tmp_path / "out") == [5]


def test_some_without_a_step_are_refused(tmp_path: Path) -> None:
    files = [save(tmp_path, "step=1.pt"), save(tmp_path, "init.pt")]
    refused(tmp_path, [*map(str, files)], "init.pt: no step in the file or its name")


def refused(folder: Path, files: list[str], reason: str, *options: str, out: str = "out") -> None:
    """One line on stderr, exit code 2, and no file that was not there before."""
    before = sorted(folder.rglob("*"))
    done = CliRunner().invoke(application, ["render", *files, "--out", str(folder / out), *options])
    assert (done.exit_code, done.stdout) == (2, "")
    lines = done.stderr.splitlines()
    assert lines[-1].startswith("weightviz: ") and reason in lines[-1], lines
    assert "Traceback" not in done.stderr
    assert sorted(folder.rglob("*")) == before


def test_one_file_is_a_moment(tmp_path: Path, files: list[Path]) -> None:
    torch.save(network().state_dict(), path := tmp_path / "weights.pth")
    assert rendered([path], tmp_path / "out") == []
    views = {name.split("/")[0] for name in names_in(tmp_path / "out", PNG)}
    assert views == {"weights.heatmap", "weights.distribution", "classes", "overview"}
    assert ordinals_on(tmp_path / "out" / "index.html") == [0]


def test_layers_are_chosen(tmp_path: Path, files: list[Path]) -> None:
    rendered(files[:1], tmp_path / "out", "--layer", "4", "--layer", "0.b*", "--max-layers", "2")
    drawn = {name.split("/")[1] for name in names_in(tmp_path / "out", PNG) if name.startswith("weights.heatmap")}
    assert drawn == {"4.weight", "0.bias"}
    refused(tmp_path, [str(files[0])], "no parameter is left to draw", "--layer", "nothing", out="other")
    refused(tmp_path, [str(files[0])], "max_layers must be a whole number", "--max-layers", "-1", out="other")


def test_what_was_rendered_before_is_replaced_and_nothing_else(tmp_path: Path, files: list[Path]) -> None:
    rendered(files, out := tmp_path / "out")
    many = names_in(out, PNG)
    rendered(files[:1], out)
    assert names_in(out, PNG) < many
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("all my work")
    refused(tmp_path, [str(files[0])], "mine: it holds other files", out="mine")
    refused(tmp_path, [str(files[0])], "it is a file; name a folder", out="files/a.ckpt")
    (tmp_path / "empty").mkdir()
    rendered(files[:1], tmp_path / "empty")
    rendered(files[:1], tmp_path / "new" / "deep")


@pytest.mark.parametrize(("name", "write", "reason"), HOSTILE, ids=[f"{one[0]}-{one[1].__name__}" for one in HOSTILE])
def test_bad_input_leaves_nothing(
    name: str, write: Callable[[Path], None], reason: str, tmp_path: Path, files: list[Path]
) -> None:
    write(path := tmp_path / name)
    refused(tmp_path, [*map(str, files), str(path)], str(tmp_path))
    assert not hasattr(sys, RAN)


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path, files: list[Path]) -> None:
    refused(tmp_path, [str(files[0])], "files/a.ckpt", out="files/a.ckpt/below")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other signals")
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_stopped_it_leaves_what_was_there(sent: signal.Signals, tmp_path: Path, files: list[Path]) -> None:
    rendered(files[:1], out := tmp_path / "out")
    before = {path: path.read_bytes() for path in sorted(tmp_path.rglob("*")) if path.is_file()}
    command = [sys.executable, "-m", "lightning_weightviz", "render", *map(str, files), "--out", str(out)]
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, preexec_fn=hear_ctrl_c
    )
    end = time.monotonic() + 60
    # Once it writes, it is stopped.
    while not any(tmp_path.glob(".out.*/new/weights.heatmap")):
        assert process.poll() is None and time.monotonic() < end
        time.sleep(0.005)
    process.send_signal(sent)
    printed, told = process.communicate(timeout=60)
    assert (process.returncode, printed) == (128 + sent, "")
    assert "Traceback" not in told
    assert {path: path.read_bytes() for path in sorted(tmp_path.rglob("*")) if path.is_file()} == before


def test_as_a_process_it_is_silent(tmp_path: Path, files: list[Path]) -> None:
    done = run("render", *files, "--out", tmp_path / "out")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{tmp_path}/out/index.html\n", "")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such terminals")
def test_in_a_terminal_it_says_how_far_it_is(tmp_path: Path, files: list[Path]) -> None:
    ours, its = os.openpty()
    command = [sys.executable, "-m", "lightning_weightviz", "render", *map(str, files), "--out", str(tmp_path / "out")]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    with subprocess.Popen(command, stderr=its, stdout=subprocess.PIPE, text=True, env=environment) as process:
        os.close(its)
        told = b""
        # Linux tells of the other end's closing by an error.
        with suppress(OSError):
            while part := os.read(ours, 4096):
                told += part
        assert process.stdout is not None
        printed = process.stdout.read()
    os.close(ours)
    assert (process.returncode, printed) == (0, f"{tmp_path}/out/index.html\n")
    assert b"drawing" in told and b"%" in told


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells how much memory a process took")
def test_memory_holds_one_tensor_at_a_time(tmp_path: Path) -> None:
    write_large(path := tmp_path / "large.safetensors")
    assert peak_of("render", path, "--out", tmp_path / "out") < 1200 * MIB


def test_what_never_moved_may_be_frozen_and_what_stopped_is_found(tmp_path: Path) -> None:
    torch.manual_seed(0)
    layers = [nn.Linear(32, 32) for _ in range(4)]
    model = nn.Sequential(*layers)
    model.register_buffer("mask", torch.triu(torch.full((32, 32), -torch.inf), 1))
    paths = []
    for ordinal in range(9):
        torch.save({"state_dict": model.state_dict(), "global_step": ordinal}, path := tmp_path / f"{ordinal}.ckpt")
        paths.append(path)
        with torch.no_grad():
            # The first is never trained, the second stops at the fourth file.
            for layer in layers[1 if ordinal < 3 else 2 :]:
                layer.weight += 0.02 * torch.randn(32, 32)
    rendered(paths, tmp_path / "out")
    found = [one["message"] for one in run_of(tmp_path / "out" / "index.html")["findings"]]
    assert len(found) == 1 and found[0].startswith("1.weight has hardly changed"), found
