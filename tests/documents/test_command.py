"""docs/command.md shows what the command prints, of files that are made here without chance."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from tests.command.test_inspect import run

DOCUMENT = (Path(__file__).parent.parent.parent / "docs" / "command.md").read_text(encoding="utf-8")
SHOWN = re.findall(r"^```text\n\$ weightviz (.+)\n((?:.*\n)*?)```$", DOCUMENT, re.MULTILINE)


def waves(*shape: int, step: float) -> torch.Tensor:
    count = torch.Size(shape).numel()
    return (torch.sin(torch.arange(count, dtype=torch.float64) * step) / 8).to(torch.float32).view(shape)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    first = {
        "fc1.weight": waves(128, 784, step=1.3),
        "fc1.bias": waves(128, step=0.7),
        "fc2.weight": waves(10, 128, step=2.1),
        "fc2.bias": torch.zeros(10),
    }
    last = {name: tensor.clone() for name, tensor in first.items()}
    last["fc1.weight"][:40] = 0
    last["fc2.weight"] += waves(10, 128, step=0.9) / 4
    last["fc2.weight"][3] *= 1.5
    last["fc2.bias"][3] = torch.nan
    torch.save({"state_dict": first, "epoch": 0, "global_step": 57}, folder / "first.ckpt")
    torch.save({"state_dict": last, "epoch": 9, "global_step": 570}, folder / "last.ckpt")
    return folder


def test_every_command_is_shown() -> None:
    assert {arguments.split()[0] for arguments, _ in SHOWN} == {"inspect", "render", "compare"}


@pytest.mark.parametrize(("arguments", "printed"), SHOWN, ids=[arguments for arguments, _ in SHOWN])
def test_what_is_shown_is_what_is_printed(arguments: str, printed: str, folder: Path) -> None:
    done = run(*arguments.split(), folder=folder)
    assert done.returncode == 0, done.stderr
    assert [line.rstrip() for line in done.stdout.splitlines()] == printed.splitlines()
