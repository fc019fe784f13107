"""`weightviz inspect`, run as users run it: its numbers, its exit codes, and how much memory it takes."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from typer.testing import CliRunner

from lightning_weightviz.command.application import application
from lightning_weightviz.findings import RULES, Rule, Sign
from lightning_weightviz.model.files import read_checkpoint
from tests.model.test_files import HOSTILE, RAN
from tests.support.memory import MIB, peak_of, resident

safetensors_torch = pytest.importorskip("safetensors.torch", reason="safetensors is not installed")


def hear_ctrl_c() -> None:
    """In a child: what was started in the background was told not to."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def run(*arguments: str | Path, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "lightning_weightviz", *map(str, arguments)]
    started = None if sys.platform == "win32" else hear_ctrl_c
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder, preexec_fn=started)


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """A checkpoint with a NaN, an infinity, zeros and dead units."""
    torch.manual_seed(0)
    state = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Linear(72, 40), nn.Linear(40, 10)).state_dict()
    state["0.weight"][3, 1, 0, 2] = torch.nan
    state["0.bias"][2] = -torch.inf
    state["1.weight"][:12] = 0
    state["steps"] = torch.tensor(7)
    torch.save({"state_dict": state, "epoch": 3, "global_step": 40}, path := tmp_path / "last.ckpt")
    return path


def test_numbers_are_those_of_the_tensors(broken: Path) -> None:
    done = run("inspect", broken, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert (found["file"], found["step"], found["epoch"]) == (str(broken), 40, 3)
    assert found["skipped"] == {"steps": "its dtype is torch.int64, and only floating point is shown"}
    state = torch.load(broken, weights_only=True)["state_dict"]
    rows = {row["name"]: row for row in found["parameters"]}
    assert list(rows) == [name for name in state if name != "steps"]
    for name, row in rows.items():
        values = state[name].numpy().astype(np.float64)
        finite = values[np.isfinite(values)]
        assert row["shape"] == list(values.shape) and row["dtype"] == "float32"
        assert row["rms"] == pytest.approx(np.sqrt(np.mean(finite**2)), rel=1e-6)
        assert row["absmax"] == pytest.approx(np.abs(finite).max(), rel=1e-6)
        assert row["zero_fraction"] == pytest.approx((values == 0).mean(), rel=1e-6)
        assert (row["nan_count"], row["inf_count"]) == (np.isnan(values).sum(), np.isinf(values).sum())
    weight = state["1.weight"].numpy().astype(np.float64)
    largest = np.linalg.svd(weight, compute_uv=False)[0]
    assert rows["1.weight"]["stable_rank"] == pytest.approx((weight**2).sum() / largest**2, rel=0.02)
    assert (rows["1.weight"]["dead_units"], rows["1.bias"]["stable_rank"]) == (12, None)
    assert {(one["rule"], one["parameter"]) for one in found["alerts"]} == {
        ("nan", "0.weight"),
        ("inf", "0.bias"),
        ("dead_units", "1.weight"),
    }


def test_the_table_says_what_is_wrong(broken: Path) -> None:
    done = run("inspect", broken.name, folder=broken.parent)
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert lines[0] == "last.ckpt, epoch 3, step 40"
    assert lines[1].startswith("parameter ") and lines[1].rstrip().endswith("dead units")
    (row,) = (line.split() for line in lines if line.startswith("1.weight"))
    assert row[:3] == ["1.weight", "40×72", "float32"] and row[-3:] == ["12", "of", "40"]
    assert "wrong: 1.weight: 12 of 40 units have near-zero weights (alert 'dead_units')" in lines


def test_masks_are_no_weights_and_broken_weights_are(tmp_path: Path) -> None:
    mask = torch.triu(torch.full((32, 32), -torch.inf), 1)
    windows = torch.zeros(64, 49, 49)
    windows[49:, :25, 25:] = windows[49:, 25:, :25] = -100
    state = {"mask": mask, "attn_mask": windows, "used": torch.ones(32, 32, dtype=torch.bool), **healthy()}
    torch.save(state, path := tmp_path / "net.pt")
    done = CliRunner().invoke(application, ["inspect", "--strict", str(path)])
    assert done.exit_code == 0, done.stdout
    why = "it holds nothing but 0 and one negative number, as a mask does and no weight"
    assert f"not shown: mask: {why}" in done.stdout and f"not shown: attn_mask: {why}" in done.stdout
    assert "nothing wrong was found" in done.stdout
    state["fc.weight"] = mask
    torch.save(state, path)
    done = CliRunner().invoke(application, ["inspect", "--strict", str(path)])
    assert done.exit_code == 1 and "wrong: fc.weight: 496 of 1024 values are infinite" in done.stdout


def healthy() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return {f"fc.{name}": values for name, values in nn.Linear(32, 32).state_dict().items()}


def test_units_that_are_columns_of_stacked_matrices_are_counted_all(tmp_path: Path) -> None:
    torch.manual_seed(0)
    experts = torch.randn(8, 6, 10)
    # Less than a quarter of eighty, though more than ten.
    experts[:, :, :2] = 0
    torch.save({"experts": experts}, path := tmp_path / "net.pt")
    done = CliRunner().invoke(application, ["inspect", "--strict", str(path)])
    assert done.exit_code == 0 and "16 of 80" in done.stdout


ODD: dict[str, dict[str, torch.Tensor]] = {
    "no name": {"": torch.ones(2, 2)},
    "dots": {"a..b": torch.ones(2, 2)},
    "a tensor and a layer": {"a": torch.ones(2, 2), "a.b": torch.ones(2, 2)},
    "attention of a vector": {"x.in_proj_weight": torch.ones(6)},
    "attention of nothing": {"x.in_proj_weight": torch.ones(0, 0)},
    "gates of vectors": {"x.weight_ih_l0": torch.ones(4), "x.weight_hh_l0": torch.ones(4)},
    "gates of numbers": {"x.weight_ih_l0": torch.ones(()), "x.weight_hh_l0": torch.ones(())},
    "kernels of nothing": {"x.weight": torch.ones(2, 2, 0, 0)},
    "sparse": {"x": torch.eye(3).to_sparse()},
}


@pytest.mark.parametrize("state", ODD.values(), ids=ODD)
def test_names_on_shapes_that_no_layer_has(state: dict[str, torch.Tensor], tmp_path: Path) -> None:
    torch.save({**state, "fc.weight": torch.ones(2, 3)}, path := tmp_path / "a.pt")
    done = CliRunner().invoke(application, ["inspect", str(path), "--json"])
    assert (done.exit_code, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert {row["name"] for row in found["parameters"]} | found["skipped"].keys() == {*state, "fc.weight"}
    done = CliRunner().invoke(application, ["compare", str(path), str(path)])
    assert done.exit_code == 0 and "fc.weight" in done.stdout


def test_a_rule_that_fails_is_told(broken: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> list[Sign]:
        raise RuntimeError("no such rule")

    monkeypatch.setitem(RULES._members, "failing", Rule(fail, "Never.", alone=True))
    done = CliRunner().invoke(application, ["inspect", str(broken)])
    assert "the rule 'failing' failed: no such rule" in done.stdout and "wrong: 0.weight" in done.stdout


def test_a_step_of_0_is_told(tmp_path: Path) -> None:
    torch.save({"state_dict": {"a": torch.ones(2)}, "epoch": 0, "global_step": 0}, path := tmp_path / "a.ckpt")
    assert CliRunner().invoke(application, ["inspect", str(path)]).stdout.startswith("a.ckpt, epoch 0, step 0\n")


def test_no_number_is_cut_in_a_narrow_terminal(broken: Path) -> None:
    state = torch.load(broken, weights_only=True)["state_dict"]
    torch.save({f"{'long.' * 60}{name}": tensor for name, tensor in state.items()}, broken)
    done = CliRunner().invoke(application, ["inspect", str(broken)], env={"COLUMNS": "40"})
    assert "…" not in done.stdout and "12 of 40" in done.stdout and "40×72" in done.stdout


def test_strict_tells_by_the_exit_code(broken: Path, tmp_path: Path) -> None:
    torch.save(nn.Linear(4, 3).state_dict(), fine := tmp_path / "fine.pt")
    runner = CliRunner()
    assert runner.invoke(application, ["inspect", str(broken), "--strict"]).exit_code == 1
    assert runner.invoke(application, ["inspect", str(broken)]).exit_code == 0
    done = runner.invoke(application, ["inspect", str(fine), "--strict"])
    assert done.exit_code == 0 and done.stdout.endswith("nothing wrong was found\n")


@pytest.mark.parametrize(("name", "write", "reason"), HOSTILE, ids=[f"{one[0]}-{one[1].__name__}" for one in HOSTILE])
def test_bad_input_is_one_line_and_exit_code_2(
    name: str, write: Callable[[Path], None], reason: str, tmp_path: Path
) -> None:
    write(path := tmp_path / name)
    done = CliRunner().invoke(application, ["inspect", str(path)])
    assert (done.exit_code, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("weightviz: ") and str(tmp_path) in line
    assert not hasattr(sys, RAN)


def test_bad_input_of_a_process(tmp_path: Path) -> None:
    done = run("inspect", tmp_path / "missing.ckpt")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"weightviz: {tmp_path}/missing.ckpt: there is no such file\n"


def test_what_a_file_calls_its_tensors_is_text(tmp_path: Path) -> None:
    name = "[bold red]a[/bold red].weight"
    torch.save({name: torch.ones(2, 2), "b\x1b[31m\nwrong: all": torch.ones(2, 2)}, path := tmp_path / "[i]a.pt")
    done = CliRunner().invoke(application, ["inspect", str(path)])
    assert done.stdout.startswith("[i]a.pt") and name in done.stdout
    assert not any(line.startswith("wrong") for line in done.stdout.splitlines())
    assert "\x1b" not in done.stdout


def write_large(path: Path) -> None:
    """A safetensors file of 1.5 GiB."""
    count, size = 24, 64 * MIB
    header = {
        f"layers.{i}.weight": {"dtype": "F32", "shape": [4096, 4096], "data_offsets": [i * size, (i + 1) * size]}
        for i in range(count)
    }
    text = json.dumps(header).encode()
    part = np.random.default_rng(0).standard_normal(size // 4, np.float32).tobytes()
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for _ in range(count):
            file.write(part)


def test_memory_holds_one_tensor_at_a_time(tmp_path: Path) -> None:
    write_large(path := tmp_path / "large.safetensors")
    assert peak_of("inspect", path, "--json") < 1200 * MIB


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="pages are let go on Linux alone")
@pytest.mark.parametrize("save", [torch.save, safetensors_torch.save_file])
def test_what_is_released_is_read_again(save: Callable[..., None], tmp_path: Path) -> None:
    save(
        {"a": torch.arange(512 * MIB // 4, dtype=torch.float32)},
        tmp_path / ("a.pt" if save is torch.save else "a.safetensors"),
    )
    (path,) = tmp_path.iterdir()
    checkpoint = read_checkpoint(path)
    total = checkpoint.tensors["a"].sum(dtype=torch.float64)
    full = resident()
    with checkpoint.bounded():
        pass
    assert full - resident() > 480 * MIB
    with checkpoint.bounded():
        assert checkpoint.tensors["a"].sum(dtype=torch.float64) == total
        wait_until(lambda: full - resident() > 60 * MIB)
        assert checkpoint.tensors["a"].sum(dtype=torch.float64) == total


def wait_until(holds: Callable[[], bool]) -> None:
    """Until something holds, at most ten seconds."""
    end = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)
