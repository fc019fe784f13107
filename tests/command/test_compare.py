"""`weightviz compare`: what changed between two files, against numpy in float64."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from lightning_weightviz import WeightVisualizer
from lightning_weightviz.command import comparison
from lightning_weightviz.command.application import application
from lightning_weightviz.command.comparison import change_of
from lightning_weightviz.model.state_dict import module_of
from tests.command.test_inspect import run
from tests.support.pages import names_on, run_of


def compared(folder: Path, before: dict[str, torch.Tensor], after: dict[str, torch.Tensor]) -> dict[str, Any]:
    torch.save(before, folder / "a.pt")
    torch.save(after, folder / "b.pt")
    done = CliRunner().invoke(application, ["compare", str(folder / "a.pt"), str(folder / "b.pt"), "--json"])
    assert (done.exit_code, done.stderr) == (0, "")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def state(seed: int) -> dict[str, torch.Tensor]:
    random = torch.Generator().manual_seed(seed)
    shapes = {"conv.weight": (8, 3, 3, 3), "fc.weight": (10, 72), "fc.bias": (10,), "scale": ()}
    return {name: torch.randn(shape, generator=random) for name, shape in shapes.items()}


def test_changes_are_ranked_and_true(tmp_path: Path) -> None:
    before, after = state(0), {name: tensor.clone() for name, tensor in state(0).items()}
    after["fc.weight"][7] += 0.5
    after["fc.weight"][2] += 0.1
    after["conv.weight"] *= 1.001
    after["fc.bias"][4] = 9.0
    found = compared(tmp_path, before, after)
    rows = {row["name"]: row for row in found["changes"]}
    relative = [row["relative_change"] for row in found["changes"]]
    assert relative == sorted(relative, reverse=True) and rows.keys() == before.keys()
    for name, row in rows.items():
        a, b = (one[name].numpy().astype(np.float64) for one in (before, after))
        norms = np.linalg.norm(a), np.linalg.norm(b)
        assert row["relative_change"] == pytest.approx(np.linalg.norm(b - a) / norms[0], rel=1e-9)
        cosine = (a * b).sum() / (norms[0] * norms[1])
        assert row["angle"] == pytest.approx(math.degrees(math.acos(min(cosine, 1.0))), abs=1e-5)
    assert [row["row"] for row in rows["fc.weight"]["rows"]] == [7, 2]
    assert rows["fc.weight"]["rows"][0]["distance"] == pytest.approx(0.5 * math.sqrt(72), rel=1e-6)
    assert [row["row"] for row in rows["fc.bias"]["rows"]] == [4]
    assert (rows["scale"]["relative_change"], rows["scale"]["rows"]) == (0, [])


def test_what_has_no_partner_is_listed(tmp_path: Path) -> None:
    before = {"gone": torch.ones(2), "grown": torch.ones(2, 2), "count": torch.tensor(3), "same": torch.ones(2)}
    after = {"grown": torch.ones(3, 2), "count": torch.tensor(4), "same": torch.ones(2), "come": torch.ones(2)}
    found = compared(tmp_path, before, after)
    assert (found["missing"], found["new"]) == (["gone"], ["come"])
    assert found["not_compared"] == {
        "grown": "its shape was 2×2 and is 3×2",
        "count": "its dtype is torch.int64, and only floating point is shown",
    }
    assert [row["name"] for row in found["changes"]] == ["same"]


def test_what_broke_comes_first(tmp_path: Path) -> None:
    before = {"grown": torch.ones(4), "broken": torch.ones(4)}
    after = {"grown": torch.ones(4) * 9, "broken": torch.tensor([1.0, 1.0, torch.nan, 1.0])}
    rows = compared(tmp_path, before, after)["changes"]
    assert [(row["name"], row["not_finite"]) for row in rows] == [("broken", 1), ("grown", 0)]


def test_small_angles_large_values_zeros_and_broken_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison, "PIECE", 7)
    first = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 0.0]], dtype=torch.float64).repeat(1, 5)
    turned = first.clone()
    turned[1, 4] = 1e-9
    change = change_of("a", first, turned)
    assert change.angle == pytest.approx(math.degrees(1e-9 / math.sqrt(5)), rel=1e-6)
    assert [row for row, _ in change.rows] == [1] and change.rows[0][1] == pytest.approx(1e-9)
    assert change_of("a", first * 0, first).relative == math.inf
    assert math.isnan(change_of("a", first * 0, first).angle)
    assert change_of("a", first, -first).angle == pytest.approx(180)
    broken = first.clone()
    broken[0, 0] = torch.nan
    change = change_of("a", broken, torch.full_like(first, torch.inf))
    assert (change.unusable, change.distance) == (first.numel(), 0)
    assert change_of("a", torch.zeros(0, 4), torch.zeros(0, 4)).relative == 0
    half = torch.randn(6, 50).to(torch.bfloat16)
    assert change_of("a", half, half + 1).before == pytest.approx(float(half.double().norm()), rel=1e-12)
    complex_values = torch.randn(3, 4, dtype=torch.complex64)
    assert change_of("a", complex_values, complex_values * 2).relative == pytest.approx(1)


def test_the_table_and_a_missing_file(tmp_path: Path) -> None:
    before = state(0)
    torch.save(before, tmp_path / "a.pt")
    torch.save({**before, "fc.weight": before["fc.weight"] * 1.5, "new": torch.ones(1)}, tmp_path / "b.pt")
    done = run("compare", "a.pt", "b.pt", folder=tmp_path)
    lines = done.stdout.splitlines()
    assert (done.returncode, done.stderr) == (0, "")
    assert lines[1].split()[:3] == ["fc.weight", "10×72", "0.5"] and lines[-1] == "new: new"
    done = run("compare", "a.pt", "c.pt", folder=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "weightviz: c.pt: there is no such file\n")


def test_pictures_are_those_of_the_changes_in_a_training(tmp_path: Path) -> None:
    before, after = state(0), state(1)
    del before["scale"], after["scale"]
    torch.save({"state_dict": before, "global_step": 1, "epoch": 1}, tmp_path / "a.ckpt")
    torch.save({"state_dict": after, "global_step": 2, "epoch": 2}, tmp_path / "b.ckpt")
    arguments = ["compare", str(tmp_path / "a.ckpt"), str(tmp_path / "b.ckpt"), "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(application, arguments)
    assert (done.exit_code, done.stderr) == (0, "")
    model = module_of(before)
    with pytest.warns(UserWarning, match="No logger"):
        visualizer = WeightVisualizer(
            model, folder=tmp_path, views=("heatmap",), targets=("updates",), background=False
        )
        visualizer.log(1, epoch=1)
        for name, tensor in model.named_parameters():
            tensor.data = after[name]
        visualizer.log(2, epoch=2)
        visualizer.finish()
    drawn = sorted(path.relative_to(tmp_path / "out") for path in (tmp_path / "out").rglob("*.png"))
    assert len(drawn) == 3
    for path in drawn:
        if "bias" not in str(path):  # a vector is drawn over time, and of two files there is one
            folders = (tmp_path / "out", tmp_path / "weightviz")
            made, logged = (np.asarray(Image.open(folder / path).convert("RGB")) for folder in folders)
            # Which layer is the head is not guessed from a part of a network, and the first lines would say so.
            assert np.array_equal(made[96:], logged[96:]) and made.shape[0] > 100, path
    page = tmp_path / "out" / "index.html"
    ranked = [line.split()[0] for line in done.stdout.splitlines() if line.startswith(("conv", "fc"))]
    listed = [json.loads(line)["tag"] for line in (tmp_path / "out" / "manifest.jsonl").read_text().splitlines()]
    assert listed == [f"updates.heatmap/{name}" for name in ranked]
    for which, file in (("", "a.ckpt"), ("other-", "b.ckpt")):
        assert run_of(page, which)["title"] == str(tmp_path / file)
        assert names_on(page, which) == list(before)


def test_what_changed_most_is_drawn(tmp_path: Path) -> None:
    before = {f"{number}.weight": torch.ones(3, 3) for number in range(20)}
    after = {name: tensor + int(name.split(".")[0]) for name, tensor in before.items()}
    torch.save(before, tmp_path / "a.pt")
    torch.save(after, tmp_path / "b.pt")
    arguments = ["compare", str(tmp_path / "a.pt"), str(tmp_path / "b.pt"), "--out", str(tmp_path / "out")]
    assert CliRunner().invoke(application, arguments).exit_code == 0
    listed = [json.loads(line)["tag"] for line in (tmp_path / "out" / "manifest.jsonl").read_text().splitlines()]
    assert listed == [f"updates.heatmap/{number}.weight" for number in range(19, 7, -1)]
    # The page has all.
    assert names_on(tmp_path / "out" / "index.html", "other-") == list(after)


def test_nothing_that_changed_is_a_page_without_pictures(tmp_path: Path) -> None:
    torch.save(state(0), path := tmp_path / "a.pt")
    done = CliRunner().invoke(application, ["compare", str(path), str(path), "--out", str(tmp_path / "out")])
    assert done.exit_code == 0 and not list((tmp_path / "out").rglob("*.png"))
    page = tmp_path / "out" / "index.html"
    assert names_on(page) == names_on(page, "other-") and set(names_on(page)) == set(state(0))


def test_bad_input_leaves_no_folder(tmp_path: Path) -> None:
    torch.save(state(0), path := tmp_path / "a.pt")
    (tmp_path / "broken.pt").write_bytes(b"PK\x03\x04")
    for other, out in ((tmp_path / "broken.pt", tmp_path / "out"), (path, path)):
        done = CliRunner().invoke(application, ["compare", str(path), str(other), "--out", str(out)])
        assert (done.exit_code, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["a.pt", "broken.pt"]
