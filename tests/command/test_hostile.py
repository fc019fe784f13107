"""`weightviz` on odd files, folders, streams and moments: nothing is lost, and what is wrong is told in one line."""

from __future__ import annotations

import csv
import json
import math
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from lightning_weightviz.command.application import application
from lightning_weightviz.command.comparison import change_of
from lightning_weightviz.model.files import read_checkpoint
from lightning_weightviz.model.mapped import _fetch
from tests.command.test_inspect import run


def invoke(*arguments: str | Path) -> tuple[int, str, str]:
    done = CliRunner().invoke(application, [*map(str, arguments)])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.stdout, done.stderr


def saved(path: Path, seed: int = 0, prefix: str = "", **more: object) -> Path:
    generator = torch.Generator().manual_seed(seed)
    state = {f"{prefix}fc.weight": torch.randn(6, 8, generator=generator), f"{prefix}fc.bias": torch.zeros(6)}
    torch.save({"state_dict": state, **more}, path)
    return path


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_folder_of_pictures_with_a_file_of_the_user_is_left_alone(tmp_path: Path) -> None:
    path, out = saved(tmp_path / "a.ckpt"), tmp_path / "out"
    assert invoke("render", path, "--out", out)[0] == 0
    (out / ".DS_Store").write_bytes(b"what a desktop leaves")
    assert invoke("render", path, "--out", out)[0] == 0
    mine = saved(out / "mine.ckpt")
    before = contents(out)
    for command, *files in (("render", str(mine)), ("compare", str(path), str(mine))):
        code, printed, told = invoke(command, *files, "--out", out)
        assert (code, printed) == (2, "") and "it holds other files" in told
    assert contents(out) == before


def test_the_folder_of_a_callback_is_left_alone(tmp_path: Path) -> None:
    # It has a list of pictures, as `render` writes one.
    path, out = saved(tmp_path / "a.ckpt"), tmp_path / "weightviz"
    (out / "overview").mkdir(parents=True)
    (out / "overview" / "step_00000010.png").write_bytes(b"of the training")
    (out / "manifest.jsonl").write_text(json.dumps({"file": "overview/step_00000010.png"}) + "\n")
    before = contents(out)
    code, _, told = invoke("render", path, "--out", out)
    assert code == 2 and "it holds other files" in told and contents(out) == before


@pytest.mark.parametrize("damage", ["[1]\n", "{}\n", "not json\n", "[" * 100_000])
def test_a_damaged_list_is_not_trusted(damage: str, tmp_path: Path) -> None:
    path, out = saved(tmp_path / "a.ckpt"), tmp_path / "out"
    assert invoke("render", path, "--out", out)[0] == 0
    (out / "manifest.jsonl").write_text(damage)
    code, _, told = invoke("render", path, "--out", out)
    assert code == 2 and "it holds other files" in told


def test_the_current_folder_is_not_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, here = saved(tmp_path / "a.ckpt"), tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    number = here.stat().st_ino
    code, _, told = invoke("render", path, "--out", ".")
    assert code == 2 and told == "weightviz: .: it is the current folder, which would be replaced; name another one\n"
    assert here.stat().st_ino == number and not contents(here)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows lets few users make links")
def test_links_to_folders(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.ckpt")
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    assert invoke("render", path, "--out", tmp_path / "link")[0] == 0
    assert (tmp_path / "link").is_symlink() and (tmp_path / "real" / "index.html").is_file()
    (tmp_path / "loop").symlink_to("loop")
    code, _, told = invoke("render", path, "--out", tmp_path / "loop")
    assert code == 2 and len(told.splitlines()) == 1 and f"{tmp_path}/loop: it cannot be written" in told


def test_a_long_name_of_a_folder(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.ckpt")
    assert invoke("render", path, "--out", tmp_path / ("y" * 255))[0] == 0
    code, _, told = invoke("render", path, "--out", tmp_path / ("y" * 256))
    assert code == 2 and len(told.splitlines()) == 1 and "y" * 256 in told and "too long" in told


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
def test_without_space_nothing_is_left(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.ckpt")
    # No file may be larger than so many blocks; what comes next is refused as on a full disk.
    command = f'ulimit -f 4; exec "{sys.executable}" -m lightning_weightviz render a.ckpt --out out'
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "weightviz: out: it cannot be written (File too large)\n"
    assert list(tmp_path.iterdir()) == [path]


def test_names_that_no_module_could_have(tmp_path: Path) -> None:
    names = [
        "",
        ".",
        "..",
        ".weight",
        "weight",
        "a.",
        "a..b",
        "../../etc/passwd",
        ".".join("a" * 2000),
        "\ud800x.weight",
    ]
    for seed in (0, 1):
        generator = torch.Generator().manual_seed(seed)
        state = {name: torch.randn(3, 4, generator=generator) for name in names}
        torch.save({"state_dict": state, "step": seed}, tmp_path / f"{seed}.pt")
    code, printed, _ = invoke("inspect", tmp_path / "0.pt", "--json")
    assert code == 0 and {one["name"] for one in json.loads(printed)["parameters"]} == set(names)
    code, printed, told = invoke("render", tmp_path / "0.pt", tmp_path / "1.pt", "--out", tmp_path / "out")
    assert (code, told) == (0, "")
    with (tmp_path / "out" / "statistics.csv").open(encoding="utf-8", newline="") as file:
        told_of = {row["parameter"] for row in csv.DictReader(file)}
    assert told_of - {"total"} == {name.replace("\ud800", r"\ud800") for name in names}
    code, _, told = invoke("compare", tmp_path / "0.pt", tmp_path / "1.pt", "--out", tmp_path / "changes")
    assert (code, told) == (0, "") and len(list((tmp_path / "changes").rglob("*.png"))) == len(names)
    written = {path.relative_to(tmp_path).parts[0] for path in tmp_path.rglob("*")}
    assert written == {"0.pt", "1.pt", "out", "changes"}


def test_what_a_wrapper_puts_into_names_is_no_change(tmp_path: Path) -> None:
    plain = saved(tmp_path / "a.ckpt", 0)
    compiled = saved(tmp_path / "b.ckpt", 1, prefix="_orig_mod.")
    code, printed, told = invoke("compare", plain, compiled, "--json", "--out", tmp_path / "out")
    report = json.loads(printed)
    assert (code, told, report["missing"], report["new"]) == (0, "", [], [])
    assert [one["name"] for one in report["changes"]] == ["fc.weight", "fc.bias"]
    assert len(list((tmp_path / "out").rglob("fc.weight/*.png"))) == 1
    both = {"_orig_mod.a": torch.ones(2), "a": torch.zeros(2)}
    torch.save(both, tmp_path / "both.pt")
    assert list(read_checkpoint(tmp_path / "both.pt").tensors) == list(both)


@pytest.mark.skipif(not hasattr(torch, "float4_e2m1fn_x2"), reason="PyTorch before 2.8 has no numbers of four bits")
def test_numbers_of_four_bits_are_told_and_not_shown(tmp_path: Path) -> None:
    packed = torch.zeros(4, 4, dtype=torch.uint8).view(torch.float4_e2m1fn_x2)
    torch.save({"a.weight": packed, "b.weight": torch.ones(2, 2)}, path := tmp_path / "a.pt")
    reason = "its dtype is torch.float4_e2m1fn_x2, two numbers in a byte, which PyTorch does not take apart"
    assert f"not shown: a.weight: {reason}" in invoke("inspect", path)[1]
    assert invoke("render", path, "--out", tmp_path / "out")[0] == 0
    code, printed, _ = invoke("compare", path, path, "--json")
    assert code == 0 and json.loads(printed)["not_compared"] == {"a.weight": reason}


def test_real_and_complex_are_not_compared(tmp_path: Path) -> None:
    torch.save({"a.weight": torch.ones(3, 4)}, tmp_path / "a.pt")
    torch.save({"a.weight": torch.ones(3, 4, dtype=torch.complex64)}, tmp_path / "b.pt")
    code, printed, _ = invoke("compare", tmp_path / "a.pt", tmp_path / "b.pt", "--json", "--out", tmp_path / "out")
    assert code == 0
    assert json.loads(printed)["not_compared"] == {"a.weight": "its dtype was torch.float32 and is torch.complex64"}


def test_counts_that_no_training_reaches_are_not_told(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.ckpt", global_step=10**30, epoch=2**53)
    opened = read_checkpoint(path)
    assert (opened.step, opened.epoch) == (None, None)
    assert invoke("render", path, "--out", tmp_path / "out")[0] == 0
    opened = read_checkpoint(saved(tmp_path / "b.ckpt", global_step=2**53 - 1, epoch=True))
    assert (opened.step, opened.epoch) == (2**53 - 1, None)


def test_what_is_not_defined_is_an_empty_cell(tmp_path: Path) -> None:
    torch.save({"a.weight": torch.full((3, 4), torch.nan), "b.weight": torch.empty(0, 3)}, path := tmp_path / "a.pt")
    code, printed, _ = invoke("inspect", path)
    assert code == 0
    rows = {line.split()[0]: line.split()[3:] for line in printed.splitlines() if ".weight " in line}
    assert rows["a.weight"][:2] == ["12", "0"] and rows["b.weight"] == ["0", "0"]


def test_an_index_that_is_nested_too_deep(tmp_path: Path) -> None:
    (path := tmp_path / "model.safetensors.index.json").write_text("[" * 100_000)
    code, _, told = invoke("inspect", path)
    assert code == 2 and told == f"weightviz: {path}: it is no index of safetensors files: there is no weight_map\n"


@pytest.mark.parametrize("arguments", [("inspect",), ("inspect", "--json"), ("render", "--out", "out")])
def test_a_reader_that_has_enough(arguments: tuple[str, ...], tmp_path: Path) -> None:
    path = saved(tmp_path / "a.ckpt")
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "lightning_weightviz", *arguments, str(path)]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, check=False, cwd=tmp_path)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is always full")
def test_a_full_disk_behind_standard_output(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "lightning_weightviz", "inspect", str(saved(tmp_path / "a.ckpt"))]
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == "weightviz: what was found cannot be printed: No space left on device\n"


@pytest.mark.skipif(sys.platform == "win32", reason="shells of Windows close no streams")
@pytest.mark.parametrize("closed", [">&-", "2>&-"])
def test_closed_streams(closed: str, tmp_path: Path) -> None:
    for name, code in ((saved(tmp_path / "a.ckpt").name, 0), ("missing.ckpt", 2)):
        command = f'exec "{sys.executable}" -m lightning_weightviz inspect {name} {closed}'
        done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False, cwd=tmp_path)
        assert done.returncode == code and "Traceback" not in done.stderr
        # What is meant for one stream never comes out of the other.
        assert ("fc.weight" in done.stdout) == (code == 0 and closed == "2>&-")
        assert ("no such file" in done.stderr) == (code == 2 and closed == ">&-") and "no such" not in done.stdout


def test_a_terminal_of_few_characters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    torch.save({"é日本.weight": torch.ones(2, 3)}, path := tmp_path / "a.pt")
    for command, *others in (("inspect",), ("compare", str(path)), ("render", "--out", str(tmp_path / "é"))):
        done = run(command, path, *others)
        assert (done.returncode, done.stderr) == (0, "") and "\\xe9" in done.stdout and done.stdout.isascii()


def test_warnings_are_lines_whatever_python_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Of others, which libraries give each other, none is ours.
    monkeypatch.setenv("PYTHONWARNINGS", "error,ignore::DeprecationWarning")
    saved(tmp_path / "step=1.pt")
    torch.save({"other.weight": torch.ones(2, 3)}, tmp_path / "step=2.pt")
    done = run("render", "step=1.pt", "step=2.pt", "--out", "out", folder=tmp_path)
    assert done.returncode == 0 and (tmp_path / "out" / "index.html").is_file()
    assert done.stderr.startswith("weightviz: the model has changed") and len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("size", [1e300, 1e-300, 5e-324, 1.0])
def test_a_change_of_numbers_of_any_size(size: float) -> None:
    before = torch.tensor([[3.0, 0.0], [0.0, 4.0]], dtype=torch.float64) * size
    change = change_of("a", before, torch.tensor([[0.0, 3.0], [0.0, 4.0]], dtype=torch.float64) * size)
    assert change.before == pytest.approx(5 * size, rel=1e-12)
    assert change.relative == pytest.approx(math.sqrt(18) / 5, rel=0.2 if size < 1e-320 else 1e-12)
    assert change.angle == pytest.approx(math.degrees(math.acos(16 / 25)), rel=1e-12)
    assert [row for row, _ in change.rows] == [0]


def test_what_no_number_holds_is_null_in_json(tmp_path: Path) -> None:
    torch.save({"a": torch.full((9,), 1.7e308, dtype=torch.float64)}, tmp_path / "a.pt")
    torch.save({"a": torch.full((9,), -1.7e308, dtype=torch.float64)}, tmp_path / "b.pt")
    code, printed, _ = invoke("compare", tmp_path / "a.pt", tmp_path / "b.pt", "--json")
    (change,) = json.loads(printed, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))["changes"]
    assert code == 0 and (change["norm_before"], change["distance"]) == (None, None)


def test_one_number_that_claims_to_be_a_large_matrix(tmp_path: Path) -> None:
    torch.save({"a.weight": torch.ones(1, 1).expand(100_000, 100_000)}, path := tmp_path / "a.pt")
    code, _, told = invoke("inspect", path)
    assert code == 2
    assert told == f"weightviz: {path}: a.weight claims 40000000000 bytes of which 4 are there, so it was not read\n"


def test_a_file_that_is_gone_is_not_read_ahead(tmp_path: Path) -> None:
    _fetch([tmp_path / "gone.pt"], threading.Event())


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other signals")
@pytest.mark.parametrize("module", ["torch", "matplotlib"])
def test_ctrl_c_during_imports(module: str, tmp_path: Path) -> None:
    # In place of the module stands one that sends what Ctrl-C sends.
    (tmp_path / f"{module}.py").write_text(
        "import os, signal, time\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(60)\n"
    )
    done = run("inspect", "a.ckpt", folder=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")
